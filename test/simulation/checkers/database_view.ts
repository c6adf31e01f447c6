import type { Calendar, PauseReason, Rollout, Step, Target } from '@ampora/rollout';
import type { AgentId, GatewayId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import type { CurrentAssignment } from '@ampora/store';

/** The rows checkers look at. What they are given is never changed afterwards: a later look gives other objects. */
export interface AgentRow {
	readonly agentId: AgentId;
	readonly instanceUid: string;
	readonly groupId: GroupId;
	readonly sessionEpoch: number;
	readonly factSeq: number;
	readonly gateway: GatewayId | null;
	readonly gatewayIncarnation: number | null;
	readonly disconnectReason: string | null;
	readonly sequenceNum: number | null;
	readonly provenVersion: VersionId | null;
	readonly healthFlips: number;
	readonly restarts: number;
}

export interface AssignmentRow {
	readonly agentId: AgentId;
	readonly versionId: VersionId | null;
	/** Hex. */
	readonly offeredHash: string | null;
	readonly attempt: number;
	readonly seq: number;
	readonly cause: 'rollout' | 'retry' | 'restore' | 'rollback' | 'withdrawal' | 'default';
	readonly rolloutId: RolloutId | null;
	readonly answer: CurrentAssignment['answer'];
}

export interface RolloutRow {
	readonly rollout: Rollout;
	readonly offers: 'open' | 'answered' | 'closed';
	readonly nextWakeAtMs: number | null;
	readonly waitsFor: string | null;
	readonly steps: readonly Step[];
	readonly targets: ReadonlyMap<AgentId, TargetRow>;
}

export interface TargetRow {
	readonly target: Target;
	readonly lateAnswer: string | null;
}

export interface GatewayRow {
	readonly incarnation: number;
	readonly expiresAtMs: number;
}

export interface LeaseRow {
	readonly holder: string;
	readonly epoch: number;
	readonly expiresAtMs: number;
}

/** The database as it is at this instant. */
export interface DatabaseView {
	/** Its own clock, ms since 1970. */
	nowMs(): number;
	agents(): ReadonlyMap<AgentId, AgentRow>;
	agent(agentId: AgentId): AgentRow | null;
	/** What the agent tells under this name, when that is text. */
	attribute(agentId: AgentId, name: string): string | null;
	assignment(agentId: AgentId): AssignmentRow | null;
	assignments(): readonly AssignmentRow[];
	rollouts(): readonly RolloutId[];
	rollout(rolloutId: RolloutId): RolloutRow | null;
	/** State, reasons and offers only: cheap enough for every event. */
	standing(rolloutId: RolloutId): Standing | null;
	/** Those that may have rollouts. */
	groups(): readonly GroupId[];
	/** Windows and freezes of the group and of all groups, as somebody made them. */
	calendar(groupId: GroupId): Calendar;
	/** Rollouts whose wake time passed, whose turn has come, or that have a command or signal nobody looked at. */
	due(): readonly RolloutId[];
	gateway(gateway: GatewayId): GatewayRow | null;
	lease(name: string): LeaseRow | null;
	quarantined(agentId: AgentId, versionId: VersionId): boolean;
	/** Highest journal seq of the rollout. */
	journalSeq(rolloutId: RolloutId): number;
}

export interface Standing {
	readonly groupId: GroupId;
	readonly versionId: VersionId;
	readonly state: Rollout['state'];
	readonly pauseReasons: readonly PauseReason[];
	readonly offers: RolloutRow['offers'];
	readonly nextWakeAtMs: number | null;
	readonly waitsFor: string | null;
	readonly tailUntilMs: number | null;
}
