import type { Back, ChangeWindow, Decision, Enrolled, EnrolmentState, Freeze, Step, Target } from '@ampora/rollout';
import type { AgentId, Clock, GatewayId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import type { AuditLine } from '../engine/commit_decision.js';
import type { OpenCommand } from '../engine/load_snapshot.js';
import type {
	AgentReport,
	CatalogueComponents,
	ConfigFile,
	CurrentAssignment,
	JournalEntry,
	Rollout,
} from '../ports.js';
import { isUnsettled, type Watching } from '../rollout_rows.js';
import { ungroupedGroupId } from '../ungrouped.js';

export interface MemoryGateway {
	readonly id: GatewayId;
	incarnation: number;
	expiresAtMs: number;
	draining: boolean;
	lostAtMs: number | null;
}

export interface MemoryAgent {
	readonly id: AgentId;
	instanceUid: string;
	formerUids: string[];
	/** As text: the values of the attributes that identify agents. */
	identity: string | null;
	earlierUids: string[];
	heirOf: AgentId | null;
	readonly createdAtMs: number;
	groupId: GroupId;
	sessionEpoch: number;
	factSeq: number;
	gateway: GatewayId | null;
	incarnation: number | null;
	lastGateway: GatewayId | null;
	disconnectedAtMs: number | null;
	disconnectReason: 'goodbye' | 'lost' | 'gateway-lost' | 'drained' | null;
	sequenceNum: number | null;
	capabilities: number;
	description: NonNullable<AgentReport['description']> | null;
	healthy: boolean | null;
	healthFlips: number;
	restarts: number;
	startTimeNanos: string | null;
	reportedHash: Uint8Array | null;
	reportedStatus: NonNullable<AgentReport['remoteConfig']>['status'] | null;
	effectiveHash: Uint8Array | null;
	componentsHash: Uint8Array | null;
	provenVersion: VersionId | null;
	previousProvenVersion: VersionId | null;
	/** Since when it waits for the default of its group. */
	enrolmentDueAtMs: number | null;
	lastSeenMs: number;
	archived: boolean;
}

export interface MemoryCatalogue {
	components: CatalogueComponents | null;
	asked: { readonly agentId: AgentId; readonly epoch: number; readonly atMs: number } | null;
	asks: number;
}

export interface MemoryVersion {
	readonly files: readonly ConfigFile[];
	readonly contentHash: Uint8Array;
	/** None: it is the same as itself alone. */
	readonly semanticHash?: Uint8Array | null;
}

export interface MemoryAssignment {
	versionId: VersionId | null;
	offeredHash: Uint8Array | null;
	attempt: number;
	seq: number;
	cause: 'rollout' | 'retry' | 'restore' | 'rollback' | 'withdrawal' | 'default';
	rolloutId: RolloutId | null;
	answer: CurrentAssignment['answer'];
	answerError: string | null;
	/** The session it was last offered in. */
	offeredEpoch?: number;
	effective: 'unknown' | 'match' | 'mismatch';
	changedAtMs: number;
	traceparent: string | null;
}

export interface MemoryTarget {
	target: Target;
	former: Pick<MemoryAssignment, 'versionId' | 'attempt' | 'answer'>;
	lateAnswer: CurrentAssignment['answer'] | null;
	lateError: string | null;
	/** Null: not admitted. */
	admittedAtMs: number | null;
}

/** An agent that was given the default of a group and is watched with it. */
export interface MemoryEnrolment extends Enrolled {
	readonly groupId: GroupId;
	readonly former: MemoryTarget['former'];
}

export interface MemoryRollout {
	rollout: Rollout;
	offers: JournalEntry['offers'];
	watching: Watching;
	membershipSeq: number;
	nextWakeAtMs: number | null;
	waitsFor: string | null;
	rolledBackBy: RolloutId | null;
	readonly onlyAgents: readonly AgentId[] | null;
	readonly traceparent: string | null;
	readonly steps: Map<number, Step>;
	readonly targets: Map<AgentId, MemoryTarget>;
	readonly journal: (JournalEntry & {
		readonly seq: number;
		readonly epoch: number;
		readonly atMs: number;
		readonly events: Decision['events'];
	})[];
}

export interface MemoryGroup {
	membershipSeq: number;
	/** Null: static. */
	selector: string | null;
	priority: number;
	protected: boolean;
	readonly createdAtMs: number;
	sweep: 'evaluate' | 'decide' | null;
	sweepSeq: number;
	sweepAfter: AgentId | null;
	deleted: boolean;
	sweepHolds: boolean;
	defaultVersion: VersionId | null;
	enrolment: EnrolmentState | null;
	enrolmentSeq: number;
}

export const staticGroup = (createdAtMs: number): MemoryGroup => ({
	...{ membershipSeq: 0, selector: null, priority: 0, protected: false, createdAtMs },
	...{ sweep: null, sweepSeq: 0, sweepAfter: null, sweepHolds: false, deleted: false },
	...{ defaultVersion: null, enrolment: null, enrolmentSeq: 0 },
});

export interface MemoryCommand extends OpenCommand {
	readonly rolloutId: RolloutId;
	outcome: { readonly accepted: boolean; readonly code: string | null; readonly message: string | null } | null;
}

/** Safety checks that a test leaves out to see that somebody notices. */
export interface Flaws {
	/** Commit without looking at the lease (R2). */
	readonly ignoreLease?: boolean;
	/** Offer whatever the rollout's `offers` says (R1). */
	readonly ignoreOffers?: boolean;
	/** Pause without taking back what was not sent (R1). */
	readonly skipWithdrawal?: boolean;
	/** Start a queued rollout though its group has another (R15). */
	readonly ignoreBusy?: boolean;
	/** Forget what came of newcomers, so that the enrolment gate never fires. */
	readonly forgetVerdicts?: boolean;
	/** Load no windows and freezes (R1). */
	readonly ignoreCalendar?: boolean;
	/** Commit what was decided while it was open, however long ago (R1). */
	readonly commitLate?: boolean;
	/** Load something else than the rollout that is there, without its caps for one (R4). */
	readonly misread?: (rollout: Rollout) => Rollout;
	/** Keep no instant at which to look again (R14). */
	readonly loseWake?: boolean;
	/** Know agents by their uid alone (R9). */
	readonly ignoreIdentity?: boolean;
}

/** Called around every method: may wait, and may throw. */
export interface Faults {
	/** Nothing was done yet: throwing is Postgres being away. */
	before?(operation: string): void | Promise<void>;
	/** It is committed: throwing loses the acknowledgement. */
	after?(operation: string): void | Promise<void>;
}

/** The database as plain maps. */
export class MemoryState {
	readonly gateways = new Map<GatewayId, MemoryGateway>();
	readonly agents = new Map<AgentId, MemoryAgent>();
	readonly agentsByUid = new Map<string, AgentId>();
	readonly assignments = new Map<AgentId, MemoryAssignment>();
	readonly enrolments = new Map<AgentId, MemoryEnrolment>();
	/** Reason by `agent version`. */
	readonly quarantine = new Map<string, string>();
	readonly versions = new Map<VersionId, MemoryVersion>();
	readonly groups = new Map<GroupId, MemoryGroup>([[ungroupedGroupId, staticGroup(0)]]);
	readonly selections = new Map<
		AgentId,
		{ readonly matches: readonly GroupId[]; readonly errors: Readonly<Record<string, string>> }
	>();
	/** By id, in the order in which it came. */
	readonly selectorWork = new Map<number, { readonly agentId: AgentId; readonly changed: readonly string[] | null }>();
	readonly rollouts = new Map<RolloutId, MemoryRollout>();
	readonly signals = new Map<number, { readonly rolloutId: RolloutId; readonly agentId: AgentId }>();
	readonly commands = new Map<string, MemoryCommand>();
	readonly leases = new Map<string, { holder: string; epoch: number; expiresAtMs: number }>();
	readonly audit: Pick<AuditLine, 'actor' | 'action'>[] = [];
	readonly enrollmentTokens = new Set<string>();
	/** With the groups they are for; null: all. */
	readonly windows: { readonly groupIds: readonly GroupId[] | null; readonly window: ChangeWindow }[] = [];
	readonly freezes: { readonly groupIds: readonly GroupId[] | null; readonly freeze: Freeze }[] = [];
	/** Attributes that identify agents; none: their uid does. */
	identityAttributes: readonly string[] = [];
	/** By distribution, version and hash. */
	readonly catalogues = new Map<string, MemoryCatalogue>();
	#lastId = 0;

	constructor(
		private readonly clock: Pick<Clock, 'nowMs'>,
		readonly flaws: Flaws,
	) {}

	nowMs(): number {
		return Math.floor(this.clock.nowMs());
	}

	/** In the form of a UUID, in order of creation, the same in every run. */
	newId<Id extends string>(): Id {
		this.#lastId += 1;
		return `00000000-0000-7000-9000-${this.#lastId.toString(16).padStart(12, '0')}` as Id;
	}

	gatewayLive(id: GatewayId, incarnation: number | null): boolean {
		const gateway = this.gateways.get(id);
		return gateway !== undefined && gateway.incarnation === incarnation && gateway.expiresAtMs > this.nowMs();
	}

	/** Tells every rollout that has this agent as a target and still cares. */
	signal(agentId: AgentId): RolloutId[] {
		const told: RolloutId[] = [];
		for (const [rolloutId, row] of this.rollouts) {
			const target = row.targets.get(agentId)?.target;
			if (!target || row.watching === 'none' || (row.watching === 'unsettled' && !isUnsettled(target))) continue;
			this.#lastId += 1;
			this.signals.set(this.#lastId, { rolloutId, agentId });
			told.push(rolloutId);
		}
		return told;
	}

	/** Selectors have to look at the agent again. */
	addSelectorWork(agentId: AgentId, changed: readonly string[] | null): void {
		this.#lastId += 1;
		this.selectorWork.set(this.#lastId, { agentId, changed });
	}

	disconnect(agent: MemoryAgent, reason: NonNullable<MemoryAgent['disconnectReason']>): void {
		agent.lastGateway = agent.gateway ?? agent.lastGateway;
		agent.gateway = null;
		agent.incarnation = null;
		agent.disconnectedAtMs = this.nowMs();
		agent.disconnectReason = reason;
	}
}

export const quarantineKey = (agentId: AgentId, versionId: VersionId): string => `${agentId} ${versionId}`;

export const sameBytes = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
	a !== null && b !== null && Buffer.compare(a, b) === 0;

export const isTodo = (back: Back | null): boolean => back?.state === 'todo';

/** A stored value and a returned one must not be the same object. */
export const copy = <T>(value: T): T => structuredClone(value);
