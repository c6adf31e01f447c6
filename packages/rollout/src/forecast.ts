import { type AgentId, assert } from '@ampora/runtime';
import { advancesAlone, isLastStep, nextStep, type PlannedStep } from './cohorts.js';
import { type DurationRange, durationOf, type MetricGateForecast, metricGateForecast } from './forecast_duration.js';
import { fewestToFire } from './gates.js';
import type { GateName, Member, Rollout, RolloutSpec, SkipReason, Target } from './model.js';
import { gateNames } from './names.js';
import { planTargets } from './plan.js';
import { isCapable, isJudgeable } from './tally.js';
import { ownDwellMs } from './windows.js';

/** How a gate stands in a cohort of the forecast. */
export type GateForecast =
	/** It fires when `k` of `n` count against it. */
	| { readonly kind: 'armed'; readonly k: number; readonly n: number }
	/** Not even all of them would fire it: it only reports. */
	| { readonly kind: 'advisory'; readonly n: number; readonly why: string }
	/** Everybody it could judge was sick before, and will be when the step ends: it cannot pass, and the rollout pauses. */
	| { readonly kind: 'inconclusive'; readonly why: string }
	/** It judges nobody in the cohort, and is no obstacle. */
	| { readonly kind: 'not-applicable'; readonly why: string };

export interface StepForecast {
	/** Of the strategy: a step that adds nobody is dropped and leaves a gap. */
	readonly index: number;
	readonly name: string | null;
	/** In the order in which they are pushed. */
	readonly agents: readonly AgentId[];
	/** Without a session when the step is filled: they keep their place for when they return. */
	readonly deferred: readonly AgentId[];
	readonly dwellMs: number;
	/** Judged over the agents of the step, and over all pushed up to its end. */
	readonly gates: Readonly<Record<GateName, { readonly step: GateForecast; readonly rollout: GateForecast }>>;
	/** Judged over all pushed up to its end. */
	readonly metricGates: readonly MetricGateForecast[];
}

/** What a rollout would do to a fleet that stays as it is. */
export interface Forecast {
	/** Agents to be pushed, those without a session included. */
	readonly eligible: number;
	readonly steps: readonly StepForecast[];
	readonly alreadyApplied: number;
	readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
	readonly sickBefore: readonly AgentId[];
	readonly noWayBack: number;
	/** Nobody is connected: nothing happens until somebody is. */
	readonly waitsForAgents: boolean;
	/** Held and paused time, closed windows, and waiting for a person are not in it. */
	readonly duration: DurationRange;
	/** Steps are started by a person. */
	readonly advancedByHand: boolean;
}

type ForecastOf = Pick<Rollout, 'versionId' | 'spec'>;

/** The same members and spec give the same forecast, and a start the same cohorts as long as the fleet stays as it is. */
export function forecast(rollout: ForecastOf, members: readonly Member[]): Forecast {
	const plan = planTargets(rollout, members);
	const live = new Set(members.filter(({ facts }) => facts.session === 'live').map(({ facts }) => facts.agentId));
	const candidates = plan.targets.filter(({ state }) => state === 'Pending');
	const cohorts = fillSteps(rollout.spec, candidates, live);
	const steps = cohorts.map((_, at) => stepForecast(rollout.spec, cohorts, at));
	const pushed = steps.map((step, at) => ({ ...step, members: cohorts[at]?.members ?? [] }));
	return {
		eligible: plan.candidates,
		steps,
		alreadyApplied: plan.alreadyApplied,
		skipped: plan.skipped,
		sickBefore: candidates.filter(({ sickBefore }) => sickBefore).map(({ agentId }) => agentId),
		noWayBack: plan.noWayBack,
		waitsForAgents: candidates.length > 0 && candidates.every(({ agentId }) => !live.has(agentId)),
		duration: durationOf(
			rollout.spec,
			pushed.filter(({ members }) => members.length > 0),
			{ eligible: plan.candidates, domains: plan.standing },
		),
		advancedByHand: !advancesAlone(rollout.spec.strategy),
	};
}

interface Cohort {
	readonly step: PlannedStep;
	readonly members: readonly Target[];
	readonly deferred: readonly AgentId[];
}

/** Fills step after step as it is done when they start: in rank order, the sick never first, those without a session set aside. */
function fillSteps(spec: RolloutSpec, candidates: readonly Target[], live: ReadonlySet<AgentId>): readonly Cohort[] {
	const population = { eligible: candidates.length, planned: candidates.length };
	const cohorts: Cohort[] = [];
	let waiting = candidates;
	let placed = 0;
	for (let index: number | null = null; ; ) {
		const step = nextStep(spec.strategy, index, { ...population, placed });
		if (step === null) return cohorts;
		const cohort = fillOne(step, waiting, {
			live,
			first: placed === 0,
			last: isLastStep(spec.strategy, step.index, candidates.length),
		});
		// Going through empty steps would spend the canaries on nothing.
		if (placed + cohort.members.length === 0) return cohort.deferred.length > 0 ? [...cohorts, cohort] : cohorts;
		const taken = new Set([...cohort.members.map(({ agentId }) => agentId), ...cohort.deferred]);
		waiting = waiting.filter(({ agentId }) => !taken.has(agentId));
		placed += cohort.members.length;
		index = step.index;
		cohorts.push(cohort);
	}
}

function fillOne(
	step: PlannedStep,
	waiting: readonly Target[],
	{ live, first, last }: { live: ReadonlySet<AgentId>; first: boolean; last: boolean },
): Cohort {
	const members: Target[] = [];
	const deferred: AgentId[] = [];
	for (const target of waiting) {
		if (!last && members.length >= step.quota) break;
		if (!live.has(target.agentId)) deferred.push(target.agentId);
		else if (!first || !target.sickBefore) members.push(target);
	}
	if (!first || members.length > 0) return { step, members, deferred };
	const sick = waiting.filter(({ agentId }) => live.has(agentId)).slice(0, step.quota);
	return { step, members: sick, deferred };
}

function stepForecast(spec: RolloutSpec, cohorts: readonly Cohort[], at: number): StepForecast {
	const cohort = cohorts[at];
	assert(cohort !== undefined, 'there is such a step');
	const upTo = cohorts.slice(0, at + 1);
	const others = cohorts.slice(at + 1).some(({ members }) => members.length > 0);
	const gates = Object.fromEntries(
		gateNames.map((gate) => [gate, bothForecasts(gateForecast(spec, gate, [cohort]), gateForecast(spec, gate, upTo))]),
	) as StepForecast['gates'];
	return {
		index: cohort.step.index,
		name: cohort.step.name,
		agents: cohort.members.map(({ agentId }) => agentId),
		deferred: cohort.deferred,
		dwellMs: ownDwellMs(spec, cohort.step),
		gates,
		metricGates: (spec.metricGates ?? []).map((gate) => metricGateForecast(gate, others)),
	};
}

/**
 * What is seen of all pushed answers for a step of agents that were sick before. Without that the step does not end; a gate that this
 * step does not ask is no obstacle to it.
 */
function bothForecasts(step: GateForecast, rollout: GateForecast): StepForecast['gates'][GateName] {
	if (step.kind === 'inconclusive' && rollout.kind === 'inconclusive') return { step, rollout };
	return { step: noObstacle(step), rollout: noObstacle(rollout) };
}

const noObstacle = (forecast: GateForecast): GateForecast =>
	forecast.kind === 'inconclusive' ? { kind: 'not-applicable', why: 'every agent was sick before' } : forecast;

function gateForecast(spec: RolloutSpec, gate: GateName, cohorts: readonly Cohort[]): GateForecast {
	const members = cohorts.flatMap((cohort) => cohort.members);
	if (!members.some((target) => isCapable(target, gate)))
		return { kind: 'not-applicable', why: 'no agent reports what it needs' };
	const n = members.filter((target) => isJudgeable(target, gate)).length;
	const size = cohorts.reduce((sum, { step, members: { length } }) => sum + Math.max(step.quota, length), 0);
	const { minSample = 0 } = spec.gates[gate];
	if (size < minSample) return { kind: 'advisory', n, why: `it judges from ${minSample} agents on` };
	if (n === 0) return { kind: 'inconclusive', why: 'cannot pass: every agent was sick before; it will pause' };
	const k = fewestToFire(gate, n, spec.gates[gate].thresholdPercent);
	if (k !== null) return { kind: 'armed', k, n };
	const why = n < 5 ? `${n} ${n === 1 ? 'agent is' : 'agents are'} too few` : 'its threshold is never passed';
	return { kind: 'advisory', n, why };
}
