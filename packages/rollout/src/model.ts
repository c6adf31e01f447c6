import type { AgentId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import type { Calendar } from './change_windows.js';

/** Where a rollout is in its life. `Aborted` was ended by a person, `Failed` could not go on. */
export type RolloutState =
	| 'PendingApproval'
	| 'Pending'
	| 'Queued'
	| 'InProgress'
	| 'Paused'
	| 'RollingBack'
	| 'Completed'
	| 'RolledBack'
	| 'Aborted'
	| 'Failed'
	| 'Superseded'
	| 'Cancelled'
	| 'Rejected';

export type PauseReason =
	| 'manual'
	| 'gate'
	| 'inconclusive'
	| 'deadline'
	| 'window'
	| 'freeze'
	| 'policy'
	| 'deferred'
	| 'control-plane'
	| 'barrier';

/** What one agent is in a rollout. Only the agent's own report advances it past `Applying`. */
export type TargetState =
	| 'Pending'
	| 'Applying'
	| 'Applied'
	| 'Failed'
	| 'Reverted'
	| 'TimedOut'
	| 'Disconnected'
	| 'Deferred'
	| 'Skipped'
	| 'AlreadyApplied'
	| 'RolledBack';

export type SkipReason = 'no-remote-config' | 'cannot-confirm' | 'left-group' | 'gone' | 'quarantined' | 'excluded';

export type GateName =
	| 'apply-failed-ratio'
	| 'apply-timeout-ratio'
	| 'disconnect-ratio'
	| 'effective-mismatch-ratio'
	| 'unhealthy-ratio';

/** One gate as a rollout runs it. Ratios are whole percents: the gate fires when 100·k > thresholdPercent·N. */
export interface GateSpec {
	readonly thresholdPercent: number;
	/** How long an agent is watched before it counts as judged, ms. For `unhealthy-ratio` this is the debounce. */
	readonly windowMs: number;
	/** In a step planned for fewer agents the gate is advisory: it neither fires nor blocks there. None: it always judges. */
	readonly minSample?: number;
}

/** A metric gate in evidence and events, as `metric:<name>`. */
export type MetricGateName = `metric:${string}`;

export type MetricOp = '<' | '<=' | '>' | '>=';

/** A gate on what a metrics server says of the changed agents: it passes while `sample op value` holds, times the control's sample when compared with that. */
export interface MetricGateSpec {
	/** Unique in its rollout. */
	readonly name: string;
	/** PromQL with the variables `$rollout`, `$step`, `$changed`, `$control` and `$window`; its result is one sample. */
	readonly query: string;
	readonly compare: 'threshold' | 'control';
	readonly op: MetricOp;
	readonly value: number;
	/** 30 s or more. */
	readonly intervalMs: number;
	/** From when the first agent of a step runs the version to the first instant that is asked about. */
	readonly initialDelayMs: number;
	/** More failures than this in a step fire the gate. */
	readonly failureLimit: number;
	/** More than this in a row pause the rollout. */
	readonly inconclusiveLimit: number;
	readonly errorLimit: number;
	/** Asked is how it was so long ago: samples take time to arrive. */
	readonly ingestionLagMs: number;
	/** Label that names an agent in its own metrics. */
	readonly joinLabel: string;
}

/** How a metric gate stands in the stage that is being watched. */
export interface MetricWatch {
	/** Index of the step; -1: the bake. */
	readonly stage: number;
	/** When it is to be evaluated next, on the observed clock. */
	readonly dueMs: number;
	readonly passes: number;
	readonly failures: number;
	/** In a row. */
	readonly inconclusive: number;
	readonly errors: number;
	/** It compares with agents that wait for their push, and there are none. */
	readonly notApplicable: boolean;
	readonly last: { readonly verdict: 'pass' | 'fail' | 'inconclusive' | 'error'; readonly text: string } | null;
}

export interface StepSize {
	readonly kind: 'percent' | 'count';
	/** Cumulative: percent of the eligible members, or a number of agents. */
	readonly value: number;
}

export interface CanaryStep {
	readonly name?: string;
	readonly size: StepSize;
	/** 0: no dwell; the step then lasts until the longest window has passed. */
	readonly dwellMs: number;
}

export type Strategy = {
	/** A step of one agent comes before all others, and proves something only once that agent came back in a new session: the change could cut agents off from their server. */
	readonly firstAgentAlone?: boolean;
} & (
	| {
			readonly kind: 'batch';
			readonly batchSize: number;
			readonly advance: 'manual' | 'auto';
			readonly dwellMs: number;
	  }
	| {
			readonly kind: 'percentage';
			readonly percentages: readonly number[];
			readonly advance: 'manual' | 'auto';
			readonly dwellMs: number;
	  }
	| { readonly kind: 'canary'; readonly steps: readonly CanaryStep[] }
);

export type Order = 'random' | 'hostname' | 'last-seen';

/** Everything a rollout was asked to do, with defaults filled in: immutable after creation. */
export interface RolloutSpec {
	readonly strategy: Strategy;
	readonly order: Order;
	/** Seed of the random order: the same seed and agents give the same cohorts, on every installation. */
	readonly seed: string;
	/** Take from each failure domain, a value of this agent attribute, in proportion. Agents without it are a domain of their own. */
	readonly spreadBy?: string | null;
	/** `null`: the default, 5 % of the group, at least 1, at most 1,000. */
	readonly maxInFlight: number | 'unlimited' | null;
	readonly gates: Readonly<Record<GateName, GateSpec>>;
	/** None in rollouts that were created before there were any. */
	readonly metricGates?: readonly MetricGateSpec[];
	readonly onGate: 'pause' | 'rollback';
	readonly onAgentFailure: 'restore' | 'leave';
	/** Share of the agents a gate can judge that must have passed it before a step ends, percent. */
	readonly coveragePercent: number;
	/** Never below the longest window. */
	readonly bakeMs: number;
	readonly deferForMs: number;
	readonly maxDeferredPercent: number;
	/** Without any agent changing state for so long, while something is due to, the rollout pauses. */
	readonly progressDeadlineMs?: number;
	/** What to do with agents that report neither config status nor effective config. */
	readonly unconfirmed: 'skip' | 'push';
	readonly controlLossPercent: number;
	readonly acceptNoWayBack: boolean;
	/** The group is protected, and that is known. Absent in rollouts from before groups could be. */
	readonly acceptProtected?: boolean;
	/** Where agents go on rollback that never proved a version here. */
	readonly rollbackTo: VersionId | null;
	/** What was foreseen when it was created: a start on other grounds is refused. */
	readonly approved?: Approval | null;
	/** It starts by itself then, not before; absent or null: nothing but its turn is waited for. Ms of the database's clock. */
	readonly startAtMs?: number | null;
}

/** The plan a start is bound to. */
export interface Approval {
	/** Agents that were to be pushed. */
	readonly eligible: number;
	/** It lapses then, ms of the database's clock. */
	readonly untilMs: number;
	/** sha256 of all terms, hex; absent in what was approved before they were kept. */
	readonly digest?: string;
	/** What else was approved, compared by whoever knows versions and components when somebody asks for the start. */
	readonly grounds?: {
		readonly selector: string | null;
		readonly risks: readonly string[];
		/** Components that agents lacked. */
		readonly lacking: readonly string[];
		/** Absent in what was approved before windows and freezes were terms. */
		readonly calendar?: Calendar;
	};
}

/** k agents count against the gate, among N. */
export interface GateCount {
	readonly k: number;
	readonly n: number;
}

/** A gate that fired (or could not pass), with the figures of the moment it did. */
export interface GateEvidence {
	readonly gate: GateName | MetricGateName;
	/** Above its threshold, or without enough evidence to pass. */
	readonly verdict: 'fire' | 'inconclusive';
	readonly cohort: 'step' | 'rollout';
	readonly step: number;
	readonly k: number;
	readonly n: number;
	readonly thresholdPercent: number;
	/** `apply-failed-ratio: 20.4 % > 20 % (51 of 250)` */
	readonly message: string;
}

/** How many targets of a step stand where: the sum of `tally` over its targets, kept by differences, never by counting. */
export interface StepCounters {
	readonly states: Readonly<Record<TargetState, number>>;
	/** Assignment written, no answer yet: admitted and not offered, or `Applying`. What `maxInFlight` bounds. */
	readonly inFlight: number;
	/** The same by failure domain, as `Target.domain` numbers them; those with none in flight are left out. Absent: not spread. */
	readonly inFlightByDomain?: Readonly<Record<number, number>>;
	/** Pushed and without a verdict. */
	readonly unanswered: number;
	/** Applied, healthy as before, effective config not contradicting. */
	readonly well: number;
	readonly gates: Readonly<Record<GateName, GateTally>>;
}

export interface GateTally {
	/** Agents of the step this gate can judge, those still to be pushed included; accepted ones excluded. */
	readonly n: number;
	/** Of those, how many count against it. */
	readonly k: number;
	/** Counted against it once, and accepted by an operator since. */
	readonly accepted: number;
	/** Of n, how many were pushed. */
	readonly pushed: number;
	/** Of those pushed, on how many there is evidence, good or bad, for the whole window. */
	readonly judged: number;
	/** Agents of the step with the capability the gate needs, whether or not they are in n: none means the gate does not apply. */
	readonly capable: number;
}

export type StepPhase = 'pushing' | 'dwelling' | 'ended';

export interface Step {
	readonly index: number;
	readonly name: string | null;
	/** Agents this step is to hold: cumulative size at its start less what earlier steps hold. */
	readonly quota: number;
	/** No more candidates were left when it was last filled: it goes on with what it has. */
	readonly exhausted: boolean;
	readonly phase: StepPhase;
	readonly dwellMs: number;
	/** Dwell passed so far: an accumulator that stands still while held or paused. */
	readonly dweltMs: number;
	/** Extra dwell asked for by a person, or added once for lack of coverage, ms. */
	readonly extendedMs: number;
	readonly extendedForCoverage: boolean;
	/** An operator accepted, on the record, that this step proves too little (R5). */
	readonly unprovenAccepted: boolean;
	readonly counters: StepCounters;
	readonly startedAtMs: number;
	readonly endedAtMs: number | null;
}

/** Why our own side could not hear the agents; clocks stand still meanwhile. */
export interface Hold {
	/** `gateway gw-2 lost` */
	readonly cause: string;
	readonly sinceMs: number;
	/** When the cause was last seen: `control-plane` lifts two minutes after. */
	readonly lastSeenMs: number;
}

/** Outside its change windows, or in a freeze: nobody is pushed. */
export interface Closed {
	/** `freeze "year end": nobody is in` */
	readonly why: string;
	/** When it goes on by itself; null: never, as windows and freezes stand. */
	readonly untilMs: number | null;
}

/** One rollout as stored: everything `decide` needs besides its steps and targets. Times in ms of the database's clock. */
export interface Rollout {
	readonly id: RolloutId;
	readonly groupId: GroupId;
	readonly versionId: VersionId;
	readonly spec: RolloutSpec;
	readonly state: RolloutState;
	readonly pauseReasons: readonly PauseReason[];
	/** A paused rollback goes on as `RollingBack`. */
	readonly rollingBack: boolean;
	/** Index of the current step; null before the start. */
	readonly currentStep: number | null;
	readonly baking: boolean;
	readonly bakedMs: number;
	/** Observed time since the start, ms: all timers of targets are instants on this clock. It stands still while held. */
	readonly observedMs: number;
	/** When an agent last changed state, or nothing was due to, on the observed clock; none in rollouts that were never looked at. */
	readonly progressedMs?: number;
	readonly lastTickAtMs: number | null;
	readonly hold: Hold | null;
	/** Gates that fired or could not pass and were not resumed since. */
	readonly evidence: readonly GateEvidence[];
	/** Gates as a person has changed them since the creation: what the spec of the rollout now says, and the stored one does not. */
	readonly editedGates?: RolloutSpec['gates'];
	readonly editedMetricGates?: readonly MetricGateSpec[];
	/** Metric gates as they stand, by name. */
	readonly metricWatches?: Readonly<Record<string, MetricWatch>>;
	/** Per gate: everything that counted against it up to this journal seq was accepted by an operator. */
	readonly acceptedSeq: Readonly<Partial<Record<GateName, number>>>;
	/** Members that are in no step yet, by state; with the steps' counters this is the whole group. */
	readonly unplaced: Readonly<Record<TargetState, number>>;
	/** Failure domains of a rollout that is spread, with how many agents stand in each. Absent: not spread. */
	readonly domains?: readonly Domain[];
	/** Targets that never proved a version, counted at planning. */
	readonly noWayBack: number;
	/** Candidates ranked at the start: whoever ranks from here on joined later and comes with the last step. */
	readonly planned: number;
	/** Rank the next joiner gets. */
	readonly nextRank: number;
	/** An operator accepted that more than `maxDeferredPercent` are deferred at the end. */
	readonly deferredAccepted: boolean;
	/** Touched agents whose way back is still to be written, being confirmed, confirmed, or left (offline, timed out, moved on, no way back). */
	readonly back: BackCounters;
	/** Of `back.inFlight`, how many there are of each failure domain, where it is spread. */
	readonly backByDomain?: Readonly<Record<number, number>>;
	/** Agents deferred to the end are still being pushed until then (Completed only), ms of the database's clock. */
	readonly tailUntilMs: number | null;
	/** Journal seq of the last committed decision; the next one is seq + 1 (R2). */
	readonly seq: number;
	readonly createdAtMs: number;
	readonly startedAtMs: number | null;
	readonly endedAtMs: number | null;
	readonly rollbackOf: RolloutId | null;
	/** Absent in rollouts from before there were change windows. */
	readonly closed?: Closed | null;
	/** It was made to take this rollout's place. */
	readonly supersedes?: RolloutId | null;
}

export interface Domain {
	/** Value of the attribute; null: agents that have none. */
	readonly name: string | null;
	readonly agents: number;
}

export interface BackCounters {
	readonly todo: number;
	readonly inFlight: number;
	readonly confirmed: number;
	readonly listed: number;
}

/** What is done about an agent's way back (rollback or restore). */
export type Back =
	| { readonly state: 'todo' }
	| { readonly state: 'assigned'; readonly seq: number; readonly spentMs: number; readonly since: number | null }
	| { readonly state: 'confirmed' }
	| { readonly state: 'listed'; readonly why: 'offline' | 'timed-out' | 'moved-on' | 'no-way-back' | 'failed' };

/** What an agent can tell us, as its capabilities stand. */
export interface Reports {
	readonly remoteConfig: boolean;
	readonly configStatus: boolean;
	readonly effectiveConfig: boolean;
	readonly health: boolean;
}

/** One agent's row in a rollout. Instants are on the rollout's observed clock (`Rollout.observedMs`). */
export interface Target {
	readonly agentId: AgentId;
	/** Place in the order; joiners rank after everyone present at the start. */
	readonly rank: number;
	readonly step: number | null;
	/** Its failure domain, an index of `Rollout.domains`; absent: not spread. */
	readonly domain?: number;
	readonly state: TargetState;
	readonly reason: string | null;
	/** The agent's own error text, of a failed or reverted apply. */
	readonly error: string | null;
	readonly reports: Reports;
	readonly sickBefore: boolean;
	/** The version it proved before this rollout: the way back. Taken at admission. */
	readonly previousVersion: VersionId | null;
	/** Assignment seq of its push; null: not admitted (or withdrawn). */
	readonly seq: number | null;
	readonly attempt: number;
	/** Retries of the dispatch so far, and when the next is due. */
	readonly dispatches: number;
	readonly dispatchAt: number | null;
	readonly pushedAt: number | null;
	/** Connected time since the push without an answer. */
	readonly waitedMs: number;
	readonly waitingSince: number | null;
	/** Gone without a goodbye since. */
	readonly goneSince: number | null;
	readonly unhealthySince: number | null;
	readonly healthFlips: number;
	readonly mismatchSince: number | null;
	readonly restartsAtPush: number;
	/** It is well only in a later session than this: it has to show that it finds back to us with the new version. */
	readonly provesAfterSession?: number | null;
	/** Counts against these gates, since this journal seq. */
	readonly against: Readonly<Partial<Record<GateName, number>>>;
	/** Has been watched for the whole window of these gates: true with evidence, false without any (it then leaves the gate's N). */
	readonly judged: Readonly<Partial<Record<GateName, boolean>>>;
	readonly back: Back | null;
	/** Earliest observed instant at which something about it falls due. */
	readonly wakeAt: number | null;
}

/** How far the agent has answered one assignment; it only moves up. */
export type Answer = 'none' | 'offered' | 'applying' | 'applied' | 'failed' | 'reverted';

/** What the database knows of an agent now. */
export interface AgentFacts {
	readonly agentId: AgentId;
	/** Still a member of the rollout's group. */
	readonly inGroup: boolean;
	/**
	 * `live`: connected, and its gateway alive. `goodbye`: it said so. `lost`: gone without a goodbye.
	 * `unheard`: its gateway is dead, draining or cut off; nothing can be concluded about the agent.
	 */
	readonly session: 'live' | 'goodbye' | 'lost' | 'unheard';
	/** Grows with every session it begins. */
	readonly sessionEpoch: number;
	readonly reports: Reports;
	readonly healthy: boolean | null;
	/** Changes of `healthy` since the agent is known: a break between two looks is noticed. */
	readonly healthFlips: number;
	/** Restarts of the agent's process since it is known. */
	readonly restarts: number;
	readonly provenVersion: VersionId | null;
	/** Is it on the list of versions not to be offered to this agent again. */
	readonly quarantined: boolean;
	readonly assignment: {
		readonly seq: number;
		readonly versionId: VersionId | null;
		readonly rolloutId: RolloutId | null;
		readonly attempt: number;
		readonly answer: Answer;
		readonly error: string | null;
		/** By meaning, judged by the gateway on a report that came after this assignment was offered. */
		readonly effective: 'unknown' | 'match' | 'mismatch';
		/** Has its version the semantic hash of the one that is brought to it now; absent: not known, and ids are compared. */
		readonly sameMeaning?: boolean;
		/** The session in which it was last offered; absent: none that is known. */
		readonly offeredEpoch?: number | null;
	} | null;
}

/** A member of the group at planning, or a joiner. `key` is what the random order hashes: stable over reconnects. */
export interface Member {
	readonly facts: AgentFacts;
	readonly key: string;
	readonly hostname: string;
	readonly lastSeenMs: number;
	/** Value of the attribute named by `spreadBy`; null: it has none, or the rollout is not spread. */
	readonly domain?: string | null;
}

export interface TargetView {
	readonly target: Target;
	readonly facts: AgentFacts;
}
