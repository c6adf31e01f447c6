import type { ChangeWindow, Command, Freeze, Target } from '@ampora/rollout';
import type { AgentId, GatewayId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import type { CurrentAssignment, Rollout } from '../ports.js';

export interface WorldAgent {
	readonly sessionEpoch: number;
	readonly gateway: GatewayId | null;
	readonly disconnectReason: string | null;
	readonly sequenceNum: number | null;
	readonly healthy: boolean | null;
	readonly healthFlips: number;
	readonly provenVersion: VersionId | null;
	readonly previousProvenVersion: VersionId | null;
	readonly archived: boolean;
}

export interface WorldAssignment extends CurrentAssignment {
	readonly attempt: number;
	readonly cause: string;
	readonly rolloutId: RolloutId | null;
	readonly error: string | null;
	readonly effective: string;
}

export interface WorldTarget {
	readonly target: Target;
	readonly lateAnswer: string | null;
	readonly lateError: string | null;
}

/** What the ports cannot do but a test has to: prepare rows that other parts write, look at rows, and let time pass for one of them. */
export interface StoreWorld {
	createGroup(): Promise<GroupId>;
	/** A published version with one file of this text; versions of one `meaning` have one semantic hash, others have none. */
	publish(text: string, meaning?: string): Promise<VersionId>;
	/** As the use cases do it: with a sweep. */
	setSelector(groupId: GroupId, selector: string | null, priority: number): Promise<void>;
	/** As the use cases do it: without members. */
	deleteGroup(groupId: GroupId): Promise<void>;
	/** `holds`: whom the sweep under way moves is not enrolled by that. */
	setDefault(groupId: GroupId, versionId: VersionId | null, holds?: boolean): Promise<void>;
	/** As if the member had come to its group just now. */
	awaitDefault(agentIds: readonly AgentId[]): Promise<void>;
	/** Of these, whoever waits for the default of its group. */
	awaitingDefault(agentIds: readonly AgentId[]): Promise<readonly AgentId[]>;
	defaultOf(groupId: GroupId): Promise<VersionId | null>;
	protectGroup(groupId: GroupId): Promise<void>;
	membership(agentId: AgentId): Promise<GroupId>;
	membershipSeq(groupId: GroupId): Promise<number>;
	move(agentIds: readonly AgentId[], groupId: GroupId): Promise<void>;
	createRollout(rollout: Rollout, onlyAgents?: readonly AgentId[]): Promise<void>;
	command(rolloutId: RolloutId, command: Command): Promise<void>;
	/** Null: for all groups. */
	addWindow(window: ChangeWindow, groupIds: readonly GroupId[] | null): Promise<void>;
	addFreeze(freeze: Freeze, groupIds: readonly GroupId[] | null): Promise<void>;
	allowEnrollment(tokenHash: Uint8Array): Promise<void>;
	/** Agents that tell all of these are known by them; as the use case sets it. */
	identifyBy(attributes: readonly string[]): Promise<void>;
	/** Uids the agent had, oldest first, and the agent whose place it waits for. */
	identity(
		agentId: AgentId,
	): Promise<{ readonly earlierUids: readonly string[]; readonly heirOf: AgentId | null } | null>;
	/** As if the agent had come that much earlier. */
	ageAgent(agentId: AgentId, ms: number): Promise<void>;

	agent(agentId: AgentId): Promise<WorldAgent>;
	assignment(agentId: AgentId): Promise<WorldAssignment | null>;
	target(rolloutId: RolloutId, agentId: AgentId): Promise<WorldTarget | null>;
	rollout(
		rolloutId: RolloutId,
	): Promise<{ state: string; seq: number; offers: string; rolledBackBy: RolloutId | null }>;
	/** `inFlight` of each step, by index. */
	inFlight(rolloutId: RolloutId): Promise<readonly number[]>;
	journal(rolloutId: RolloutId): Promise<readonly { seq: number; epoch: number }[]>;
	/** Agents of signals not folded yet, oldest first. */
	signals(rolloutId: RolloutId): Promise<readonly AgentId[]>;
	outcome(commandId: string): Promise<{ accepted: boolean; code: string | null } | null>;
	audit(): Promise<readonly { actor: string; action: string }[]>;
	quarantined(agentId: AgentId, versionId: VersionId): Promise<boolean>;

	/** As if nobody who was asked for a component catalogue had answered for that much longer. */
	ageCatalogueAsks(ms: number): Promise<void>;
	/** As many catalogues as are kept, of agents that are gone. */
	fillCatalogues(): Promise<void>;
	expireLease(name: string): Promise<void>;
	expireGateway(gateway: GatewayId): Promise<void>;
	/** As if the agent had disconnected that much earlier. */
	ageDisconnect(agentId: AgentId, ms: number): Promise<void>;
}
