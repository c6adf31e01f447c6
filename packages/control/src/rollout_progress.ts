// The figures a rollout shows besides its state: where it is in its steps, how the gates stand, how long it may still take.
import type { RolloutAnswer } from '@ampora/api-contract';
import {
	bakeNeededMs,
	dwellNeededMs,
	type GateName,
	type GateTally,
	isAdvisory,
	type MetricGateSpec,
	membersOf,
	type PlannedStep,
	populationOf,
	type Rollout,
	type Step,
	type StepSize,
	type Strategy,
	stateCounts,
	stepCount,
	stepSpecAt,
	stepsAhead,
	type TargetState,
} from '@ampora/rollout';
import { formatDuration } from '@ampora/runtime';

type StepView = RolloutAnswer['steps'][number];

export const sizeText = ({ kind, value }: StepSize): string => (kind === 'percent' ? `${value} %` : String(value));
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Cumulative size of one step as it was asked for. */
const askedSize = (strategy: Strategy, index: number): string => sizeText(stepSpecAt(strategy, index).size);

/** Steps that are still to come: as planned once the group is known, as asked for before. */
export function stepsToCome(rollout: Rollout, steps: readonly Step[]): readonly PlannedStep[] {
	if (rollout.startedAtMs !== null) {
		return stepsAhead(rollout.spec.strategy, rollout.currentStep, populationOf(rollout, steps));
	}
	const { strategy } = rollout.spec;
	if (strategy.kind === 'batch') return [];
	return Array.from({ length: stepCount(strategy, 0) }, (_, index) => ({
		...{ index, quota: 0 },
		...stepSpecAt(strategy, index),
	}));
}

export function stepViews(rollout: Rollout, steps: readonly Step[]): StepView[] {
	const started = rollout.startedAtMs !== null;
	const ended = rollout.endedAtMs !== null || rollout.rollingBack;
	const begun = steps.map((step): StepView => {
		const { name, phase, dwellMs, dweltMs, extendedMs, counters } = step;
		return {
			number: step.index + 1,
			name,
			size: askedSize(rollout.spec.strategy, step.index),
			phase,
			agents: Math.max(membersOf(step), phase === 'pushing' && !step.exhausted ? step.quota : 0),
			states: counters.states,
			dwell: formatDuration(dwellMs),
			dwellMs,
			dweltMs: Math.round(dweltMs),
			extendedMs,
			startedAt: iso(step.startedAtMs),
			endedAt: iso(step.endedAtMs),
		};
	});
	const ahead = (ended ? [] : stepsToCome(rollout, steps)).map(
		({ index, name, size, dwellMs, quota }): StepView => ({
			number: index + 1,
			name,
			size: sizeText(size),
			phase: 'waiting',
			agents: started ? quota : null,
			states: null,
			dwell: formatDuration(dwellMs),
			dwellMs,
			dweltMs: 0,
			extendedMs: 0,
			startedAt: null,
			endedAt: null,
		}),
	);
	return [...begun, ...ahead];
}

export interface AgentTotals {
	readonly states: Readonly<Record<TargetState, number>>;
	readonly total: number;
	/** Handed the version. */
	readonly started: number;
	/** Run it. */
	readonly updated: number;
}

export function agentTotals(rollout: Rollout, steps: readonly Step[]): AgentTotals {
	const states = stateCounts(rollout, steps);
	const updated = states.Applied + states.AlreadyApplied;
	const answered = states.Failed + states.Reverted + states.TimedOut + states.Disconnected + states.RolledBack;
	return { states, total: sum(Object.values(states)), started: updated + states.Applying + answered, updated };
}

const tallied = ({ k, n, judged }: GateTally) => ({ k, n, judged });

export function gateViews(rollout: Rollout, steps: readonly Step[]): RolloutAnswer['gates'] {
	const current = steps.find(({ index }) => index === rollout.currentStep);
	return (Object.keys(rollout.spec.gates) as GateName[]).map((gate) => {
		const { thresholdPercent, windowMs, minSample = 0 } = rollout.spec.gates[gate];
		const all = steps.map((step) => step.counters.gates[gate]);
		return {
			gate,
			thresholdPercent,
			window: formatDuration(windowMs),
			windowMs,
			minSample,
			advisory: current !== undefined && isAdvisory([current], gate, rollout.spec),
			step: current === undefined ? null : tallied(current.counters.gates[gate]),
			rollout: {
				k: sum(all.map(({ k }) => k)),
				n: sum(all.map(({ n }) => n)),
				judged: sum(all.map(({ judged }) => judged)),
			},
		};
	});
}

/** `>= 0.9 × control` */
export const metricRule = ({ op, value, compare }: MetricGateSpec): string =>
	`${op} ${value}${compare === 'control' ? ' × control' : ''}`;

export const metricGateViews = ({ spec, metricWatches = {} }: Rollout): RolloutAnswer['metricGates'] =>
	(spec.metricGates ?? []).map((gate) => {
		const { name, failureLimit, inconclusiveLimit, errorLimit } = gate;
		const watch = metricWatches[name];
		const { passes = 0, failures = 0, inconclusive = 0, errors = 0, notApplicable = false, last = null } = watch ?? {};
		const text = notApplicable ? 'not applicable: nobody waits any more to be compared with' : (last?.text ?? null);
		const verdict = notApplicable ? 'not-applicable' : (last?.verdict ?? null);
		const limits = { failureLimit, inconclusiveLimit, errorLimit };
		return { name, rule: metricRule(gate), ...limits, verdict, text, passes, failures, inconclusive, errors };
	});

/** Pace varies; the present one is taken to last within these factors. */
const paceRange = { fast: 0.75, slow: 1.5 } as const;

/** Remaining dwell and bake plus remaining agents at the present pace; null where nobody can say: paused, by hand, or no pace yet. */
export function timeLeft(
	rollout: Rollout,
	steps: readonly Step[],
	{ states, answeredPerMinute }: { states: AgentTotals['states']; answeredPerMinute: number },
): RolloutAnswer['timeLeft'] {
	const { spec, state } = rollout;
	const ahead = stepsToCome(rollout, steps);
	const byHand = spec.strategy.kind !== 'canary' && spec.strategy.advance === 'manual' && ahead.length > 0;
	if (state !== 'InProgress' || byHand) return null;
	const current = steps.find(({ index }) => index === rollout.currentStep);
	const dwellLeftMs =
		current === undefined || current.phase === 'ended'
			? 0
			: Math.max(0, dwellNeededMs(spec, current) - current.dweltMs);
	const dwellsMs = sum(ahead.map(({ dwellMs }) => dwellNeededMs(spec, { dwellMs, extendedMs: 0 })));
	const clocksMs = dwellLeftMs + dwellsMs + Math.max(0, bakeNeededMs(spec) - rollout.bakedMs);
	const remaining = states.Pending + states.Applying;
	if (remaining > 0 && answeredPerMinute === 0) return null;
	const agentsMs = remaining === 0 ? 0 : (remaining / answeredPerMinute) * 60_000;
	const [minMs, maxMs] = [paceRange.fast, paceRange.slow].map(
		(factor) => Math.round((clocksMs + agentsMs * factor) / 1_000) * 1_000,
	);
	if (minMs === undefined || maxMs === undefined) return null;
	return { min: formatDuration(minMs), minMs, max: formatDuration(maxMs), maxMs };
}
