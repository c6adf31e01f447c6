// How the core's state lies in its tables: what queries need has a column, everything else of a rollout, step or target is JSON.
import type { AgentFacts, Reports, Rollout, RolloutSpec, Step, StepCounters, Target } from '@ampora/rollout';
import type { AgentId, RolloutId, VersionId } from '@ampora/runtime';

/** What has a column of its own. */
type RolloutColumn =
	| 'id'
	| 'groupId'
	| 'versionId'
	| 'spec'
	| 'state'
	| 'seq'
	| 'createdAtMs'
	| 'startedAtMs'
	| 'endedAtMs'
	| 'rollbackOf';
export type RolloutMachine = Omit<Rollout, RolloutColumn>;

export interface RolloutColumns extends Pick<Rollout, RolloutColumn> {
	readonly machine: unknown;
}

/** The `machine` column of a rollout. */
export function machineOf(rollout: Rollout): RolloutMachine {
	const { id, groupId, versionId, spec, state, seq, createdAtMs, startedAtMs, endedAtMs, rollbackOf, ...machine } =
		rollout;
	return machine;
}

/** The stored spec is what was asked for at the creation; gates that were edited since lie with the rest of the state. */
function specOf(spec: RolloutSpec, { editedGates, editedMetricGates }: RolloutMachine): RolloutSpec {
	return { ...spec, gates: editedGates ?? spec.gates, ...(editedMetricGates && { metricGates: editedMetricGates }) };
}

export const rolloutOf = ({ machine, ...columns }: RolloutColumns): Rollout => ({
	...(machine as RolloutMachine),
	id: columns.id,
	groupId: columns.groupId,
	versionId: columns.versionId,
	spec: specOf(columns.spec, machine as RolloutMachine),
	state: columns.state,
	seq: columns.seq,
	createdAtMs: columns.createdAtMs,
	startedAtMs: columns.startedAtMs,
	endedAtMs: columns.endedAtMs,
	rollbackOf: columns.rollbackOf,
});

export interface StepColumns {
	readonly machine: unknown;
	readonly counters: StepCounters;
}

export const stepOf = ({ machine, counters }: StepColumns): Step => ({
	...(machine as Omit<Step, 'counters'>),
	counters,
});

export function stepRow({ counters, ...machine }: Step) {
	return { index: machine.index, machine, counters };
}

type TargetColumn =
	| 'agentId'
	| 'rank'
	| 'step'
	| 'state'
	| 'reason'
	| 'error'
	| 'reports'
	| 'sickBefore'
	| 'previousVersion'
	| 'seq'
	| 'attempt'
	| 'back'
	| 'wakeAt';

export interface TargetColumns extends Pick<Target, TargetColumn> {
	readonly watch: unknown;
}

export const targetOf = ({ watch, ...columns }: TargetColumns): Target => ({
	...(watch as Omit<Target, TargetColumn>),
	agentId: columns.agentId,
	rank: columns.rank,
	step: columns.step,
	state: columns.state,
	reason: columns.reason,
	error: columns.error,
	reports: columns.reports,
	sickBefore: columns.sickBefore,
	previousVersion: columns.previousVersion,
	seq: columns.seq,
	attempt: columns.attempt,
	back: columns.back,
	wakeAt: columns.wakeAt,
});

/** With the names of the table's columns. */
export function targetRow(target: Target) {
	const {
		agentId,
		sickBefore,
		previousVersion,
		wakeAt,
		rank,
		step,
		state,
		reason,
		error,
		reports,
		seq,
		attempt,
		back,
		...watch
	} = target;
	return {
		agent_id: agentId,
		sick_before: sickBefore,
		previous_version: previousVersion,
		wake_at: wakeAt,
		...{ rank, step, state, reason, error, reports, seq, attempt, back, watch },
	};
}

/** What `agent_facts` of the database lists. */
export type FactsColumns = readonly [
	inGroup: boolean,
	connected: boolean,
	gatewayLive: boolean | null,
	disconnectReason: 'goodbye' | 'lost' | 'gateway-lost' | 'drained' | null,
	disconnectedForMs: number | null,
	capabilities: number | null,
	healthy: boolean | null,
	healthFlips: number | null,
	restarts: number | null,
	provenVersion: VersionId | null,
	quarantined: boolean,
	seq: number | null,
	versionId: VersionId | null,
	rolloutId: RolloutId | null,
	attempt: number | null,
	answer: NonNullable<AgentFacts['assignment']>['answer'] | null,
	answerError: string | null,
	effective: NonNullable<AgentFacts['assignment']>['effective'] | null,
	sessionEpoch: number | null,
	offeredEpoch: number | null,
	sameMeaning: boolean | null,
];

/** For so long nothing is concluded about an agent whose gateway went away. */
export const unheardMs = 120_000;

/** What can be said of an agent's session. */
export function sessionOf(
	connected: boolean,
	gatewayLive: boolean,
	reason: FactsColumns[3],
	disconnectedForMs: number,
): AgentFacts['session'] {
	if (connected) return gatewayLive ? 'live' : 'unheard';
	if (reason === 'goodbye') return 'goodbye';
	const ours = reason === 'gateway-lost' || reason === 'drained';
	return ours && disconnectedForMs < unheardMs ? 'unheard' : 'lost';
}

/** Bits of OpAMP's AgentCapabilities. */
const acceptsRemoteConfig = 0x2;
const reportsEffectiveConfig = 0x4;
const reportsHealth = 0x800;
const reportsRemoteConfig = 0x1000;

export const reportsOf = (capabilities: number): Reports => ({
	remoteConfig: (capabilities & acceptsRemoteConfig) !== 0,
	configStatus: (capabilities & reportsRemoteConfig) !== 0,
	effectiveConfig: (capabilities & reportsEffectiveConfig) !== 0,
	health: (capabilities & reportsHealth) !== 0,
});

export function factsOf(agentId: AgentId, columns: FactsColumns): AgentFacts {
	const [inGroup, connected, gatewayLive, reason, goneMs, capabilities, healthy, flips, restarts, proven, quarantined] =
		columns;
	const [seq, versionId, rolloutId, attempt, answer, error, effective, sessionEpoch, offeredEpoch, sameMeaning] =
		columns.slice(11) as unknown as [
			FactsColumns[11],
			FactsColumns[12],
			FactsColumns[13],
			FactsColumns[14],
			FactsColumns[15],
			FactsColumns[16],
			FactsColumns[17],
			FactsColumns[18],
			FactsColumns[19],
			FactsColumns[20],
		];
	return {
		agentId,
		inGroup,
		session: sessionOf(connected, gatewayLive === true, reason, goneMs ?? 0),
		sessionEpoch: sessionEpoch ?? 0,
		reports: reportsOf(capabilities ?? 0),
		healthy,
		healthFlips: flips ?? 0,
		restarts: restarts ?? 0,
		provenVersion: proven,
		quarantined,
		assignment:
			seq === null
				? null
				: {
						seq,
						versionId,
						rolloutId,
						attempt: attempt ?? 0,
						answer: answer ?? 'none',
						error,
						effective: effective ?? 'unknown',
						offeredEpoch,
						sameMeaning: sameMeaning === true,
					},
	};
}

/** About which of its agents a rollout still wants news: the `watching` column. */
export type Watching = 'all' | 'unsettled' | 'none';

/** Until its end, and while its tail is open, all; then those whose late answer, or return, would still change what is shown. */
export function watchingOf(rollout: Rollout, steps: readonly Step[]): Watching {
	if (rollout.endedAtMs === null || rollout.tailUntilMs !== null) return 'all';
	const unsettled = steps.some(
		({ counters: { inFlight, states } }) => inFlight > 0 || states.TimedOut > 0 || states.Disconnected > 0,
	);
	return unsettled || rollout.back.inFlight > 0 || rollout.back.listed > 0 ? 'unsettled' : 'none';
}

/** Of the targets of a rollout whose end came, those that are unsettled: as in `watched_target`. */
export const isUnsettled = ({ state, back }: Target): boolean =>
	state === 'Pending' ||
	state === 'Applying' ||
	state === 'TimedOut' ||
	state === 'Disconnected' ||
	back?.state === 'assigned' ||
	back?.state === 'listed';

/** The steps as they are after a decision. */
export const stepsAfter = (before: readonly Step[], changed: readonly Step[]): readonly Step[] => [
	...before.filter(({ index }) => changed.every((step) => step.index !== index)),
	...changed,
];
