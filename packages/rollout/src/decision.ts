import type { AgentId, RolloutId, VersionId } from '@ampora/runtime';
import type { Calendar } from './change_windows.js';
import type {
	GateName,
	GateSpec,
	Member,
	MetricGateName,
	MetricGateSpec,
	PauseReason,
	Rollout,
	RolloutState,
	Step,
	Target,
	TargetView,
} from './model.js';

export type CommandKind =
	| 'start'
	| 'cancel'
	| 'pause'
	| 'resume'
	| 'advance'
	| 'extend'
	| 'abort'
	| 'supersede'
	| 'retry'
	| 'exclude'
	| 'edit-gates'
	| 'rollback';

/** What somebody asked of a rollout, as the command row says it. */
export interface Command {
	readonly id: string;
	readonly kind: CommandKind;
	readonly actor: string;
	/** resume: the reasons to lift; empty means all that a person may lift. */
	readonly reasons?: readonly PauseReason[];
	/** advance: override inconclusive gates; `reason` is then required. */
	readonly force?: boolean;
	readonly reason?: string;
	/** edit-gates: what they are to be; a gate that is not named stays as it is. */
	readonly gates?: Readonly<Partial<Record<GateName, GateEdit>>>;
	/** edit-gates: the same for metric gates, by name. */
	readonly metricGates?: Readonly<Record<string, MetricGateEdit>>;
	/** extend: how much longer, ms. */
	readonly extendMs?: number;
	/** start: on the grounds of now, whatever was foreseen. */
	readonly replan?: boolean;
	/** supersede: the queued rollout that takes its place. */
	readonly successor?: RolloutId;
	/** supersede: why that one cannot start. */
	readonly notStarting?: string;
	/** retry, exclude: which agents; retry without any means all that failed. */
	readonly agentIds?: readonly AgentId[];
}

/** Windows are no part of it: agents are being watched by them. */
export type GateEdit = Partial<Pick<GateSpec, 'thresholdPercent' | 'minSample'>>;

/** What is asked, and when, stays as it is: another query is another gate. */
export type MetricGateEdit = Partial<
	Pick<MetricGateSpec, 'value' | 'failureLimit' | 'inconclusiveLimit' | 'errorLimit'>
>;

export interface CommandOutcome {
	readonly commandId: string;
	readonly accepted: boolean;
	/** Machine-readable, when refused: `not-allowed`, `gate-firing`, `inconclusive`, `not-answered`, `overruled`, `reason-required`, `no-way-back`, `protected-group`, `plan-void`, `too-many-domains`, `looser-gate`, `outside-window`, `busy`, `unknown-agent`, `successor-refused`. */
	readonly code: string | null;
	/** For people, when refused: what the state is, what was asked, what to do. */
	readonly message: string | null;
}

/** What our own side can say about its ability to hear the agents of this rollout. */
export interface Environment {
	/** Gateways that died, drain or are cut off from Postgres, with agents pushed by this rollout that have not come back elsewhere. */
	readonly unheardGateways: readonly {
		readonly gateway: string;
		readonly why: 'lost' | 'draining' | 'cut off';
		readonly sinceMs: number;
		readonly agents: number;
	}[];
	/** Agents outside this rollout's pushed ones, lost without a goodbye in the last minute. */
	readonly controlLost: number;
	/** Of how many that were connected. */
	readonly controlConnected: number;
	/** This is the group's latest rollout; only its tail is still pushed. */
	readonly latestOfGroup: boolean;
	/** Windows and freezes of the group; absent in what was journalled before there were any. */
	readonly calendar?: Calendar;
	/** Whoever starts it has to say that it is meant. */
	readonly protectedGroup?: boolean;
	/** For a queued one: the rollout of the group that has not ended. */
	readonly busyWith?: RolloutId | null;
	/** Where the rollout is that this one is to supersede. */
	readonly superseded?: RolloutState | null;
}

/** How many rows of each kind the next `decide` can use; the store loads no more. */
export interface SnapshotNeeds {
	/** Members without a target row: asked for once at the start, later only joiners. */
	readonly members: number;
	/** Pending targets in no step, by rank. */
	readonly fill: number;
	/** Pending targets of the current step that are not admitted, by rank. In the tail: of any step. */
	readonly admit: number;
	/** Touched targets whose way back is `todo`, sickest first. */
	readonly back: number;
}

/** Everything `decide` may know. Read in one transaction; `nowMs` is the database's clock. */
export interface Snapshot {
	readonly rollout: Rollout;
	/** Steps that were started, by index; indexes are those of the strategy, so a step dropped for adding nobody leaves a gap. */
	readonly steps: readonly Step[];
	/** Whose answer, session, health or membership changed, or whose `wakeAt` is at most `dueObservedMs`; at most `changedTargetsMax`. */
	readonly changed: readonly TargetView[];
	readonly members: readonly Member[];
	readonly fill: readonly TargetView[];
	readonly admit: readonly TargetView[];
	readonly back: readonly TargetView[];
	/** Targets the open retry and exclude commands name; for a retry that names none, those Failed, Reverted or TimedOut; at most `pageTargetsMax`. */
	readonly named: readonly TargetView[];
	readonly commands: readonly Command[];
	readonly environment: Environment;
	/** Verdicts of the metrics server on gates that were due; absent: none. */
	readonly metricResults?: readonly MetricResult[];
	/** For one that starts by itself now: what has changed since it was created, beside what `decide` sees; absent: nobody looked. */
	readonly changedGrounds?: readonly string[];
	readonly nowMs: number;
}

export type MetricVerdict = 'pass' | 'fail' | 'inconclusive' | 'error';

/** What came of one evaluation of a metric gate. It counts only for the evaluation that is due: same stage, same instant. */
export interface MetricResult {
	readonly gate: string;
	readonly stage: number;
	readonly dueMs: number;
	readonly verdict: MetricVerdict;
	/** `0.7 is not >= 0.9` */
	readonly text: string;
}

export type AssignmentCause = 'rollout' | 'retry' | 'restore' | 'rollback';

/** A wanted write of an assignment row. It commits only if the row's seq is still `expectedSeq` (null: there is no row); the new seq is expectedSeq + 1, or 1. */
export interface AssignmentWrite {
	readonly agentId: AgentId;
	readonly versionId: VersionId;
	readonly attempt: number;
	readonly cause: AssignmentCause;
	readonly expectedSeq: number | null;
}

/** Something worth a line in the audit, a metric or a notification. */
export type RolloutEvent =
	| { readonly kind: 'state'; readonly from: Rollout['state']; readonly to: Rollout['state']; readonly why: string }
	| { readonly kind: 'step-started' | 'step-ended'; readonly step: number }
	| { readonly kind: 'gate-fired'; readonly gate: GateName | MetricGateName; readonly message: string }
	| { readonly kind: 'paused' | 'resumed'; readonly reasons: readonly PauseReason[]; readonly why: string }
	| { readonly kind: 'gates-edited'; readonly changes: readonly string[]; readonly why: string }
	| { readonly kind: 'dwell-extended'; readonly step: number; readonly byMs: number; readonly why: string }
	| { readonly kind: 'tail-closed'; readonly why: string }
	| { readonly kind: 'hold-began' | 'hold-ended'; readonly cause: string }
	| { readonly kind: 'command'; readonly command: string; readonly actor: string; readonly accepted: boolean };

export interface Decision {
	/**
	 * When `rollingBack` turns true, the store marks after writing `targets` and withdrawing: every target of this rollout that stands in a
	 * step in one of `touchedStates` gets `back` = todo, whatever it was; `rollout.back.todo` already counts them.
	 */
	readonly rollout: Rollout;
	/** New and changed steps. */
	readonly steps: readonly Step[];
	/** New and changed targets. */
	readonly targets: readonly Target[];
	readonly assignments: readonly AssignmentWrite[];
	/**
	 * Take back every assignment of this rollout's version that no gateway recorded as offered (to the former version, or to none;
	 * seq + 1). `targets` are written first; the store then clears seq and timers of the targets that still hold one, leaves them
	 * `Pending`, and lowers their steps' `inFlight` by as many.
	 */
	readonly withdrawUnsent: boolean;
	/** Single assignments to take back the same way: the agent has no session, or left. Here the core has already moved the target and its counters. */
	readonly withdraw: readonly AgentId[];
	readonly quarantine: readonly { readonly agentId: AgentId; readonly reason: string }[];
	readonly unquarantine: readonly AgentId[];
	readonly outcomes: readonly CommandOutcome[];
	readonly events: readonly RolloutEvent[];
	/** Agents whose assignment is to be dispatched after the commit. */
	readonly dispatch: readonly AgentId[];
	/** When to look again, ms of the database's clock; null: only when something happens. */
	readonly nextWakeAtMs: number | null;
	/** The human action it waits for, when there is no next wake (R14). */
	readonly waitsFor: string | null;
	/** False: nothing changed, nothing needs to be written. */
	readonly changed: boolean;
}

/** Limits on one tick. */
export const changedTargetsMax = 5_000;
export const pageTargetsMax = 5_000;
export const tickIntervalMs = 1_000;
/** While nothing waits for an answer, a tick that only moves clocks is written this often. */
export const quietTickMs = 5_000;
