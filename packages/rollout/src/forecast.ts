import type { AgentId } from '@ampora/runtime';
import { advancesAlone, inFlightCap, isLastStep, nextStep, type PlannedStep } from './cohorts.js';
import { fewestToFire } from './gates.js';
import type { GateName, Member, Rollout, RolloutSpec, SkipReason, Target } from './model.js';
import { gateNames } from './names.js';
import { planTargets } from './plan.js';
import { isCapable, isJudgeable } from './tally.js';
import { bakeNeededMs, ownDwellMs } from './windows.js';

/** How a gate stands in a cohort of the forecast. */
export type GateForecast =
	/** It fires when `k` of `n` count against it. */
	| { readonly kind: 'armed'; readonly k: number; readonly n: number }
	/** Not even all of them would fire it: it only reports. */
	| { readonly kind: 'advisory'; readonly n: number; readonly why: string }
	/** Nobody in the cohort has what it needs. */
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
	/** Dwells and bake with instant answers, and with every wave of pushes as slow as the apply timeout allows and each dwell extended once for lack of evidence. Held and paused time, and waiting for a person, are not in it. */
	readonly duration: { readonly leastMs: number; readonly mostMs: number };
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
	const steps = cohorts.map((cohort, at) => stepForecast(rollout.spec, cohort, cohorts.slice(0, at + 1)));
	return {
		eligible: plan.candidates,
		steps,
		alreadyApplied: plan.alreadyApplied,
		skipped: plan.skipped,
		sickBefore: candidates.filter(({ sickBefore }) => sickBefore).map(({ agentId }) => agentId),
		noWayBack: plan.noWayBack,
		waitsForAgents: candidates.length > 0 && candidates.every(({ agentId }) => !live.has(agentId)),
		duration: durationOf(rollout.spec, steps, plan.candidates),
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

function stepForecast(spec: RolloutSpec, cohort: Cohort, upTo: readonly Cohort[]): StepForecast {
	const gates = Object.fromEntries(
		gateNames.map((gate) => [
			gate,
			{ step: gateForecast(spec, gate, [cohort]), rollout: gateForecast(spec, gate, upTo) },
		]),
	) as StepForecast['gates'];
	return {
		index: cohort.step.index,
		name: cohort.step.name,
		agents: cohort.members.map(({ agentId }) => agentId),
		deferred: cohort.deferred,
		dwellMs: ownDwellMs(spec, cohort.step),
		gates,
	};
}

function gateForecast(spec: RolloutSpec, gate: GateName, cohorts: readonly Cohort[]): GateForecast {
	const members = cohorts.flatMap((cohort) => cohort.members);
	if (!members.some((target) => isCapable(target, gate)))
		return { kind: 'not-applicable', why: 'no agent reports what it needs' };
	const n = members.filter((target) => isJudgeable(target, gate)).length;
	if (n === 0) return { kind: 'not-applicable', why: 'every agent was sick before' };
	const size = cohorts.reduce((sum, { step, members: { length } }) => sum + Math.max(step.quota, length), 0);
	const { minSample = 0 } = spec.gates[gate];
	if (size < minSample) return { kind: 'advisory', n, why: `it judges from ${minSample} agents on` };
	const k = fewestToFire(gate, n, spec.gates[gate].thresholdPercent);
	if (k !== null) return { kind: 'armed', k, n };
	const why = n < 5 ? `${n} ${n === 1 ? 'agent is' : 'agents are'} too few` : 'its threshold is never passed';
	return { kind: 'advisory', n, why };
}

function durationOf(spec: RolloutSpec, steps: readonly StepForecast[], eligible: number): Forecast['duration'] {
	const pushed = steps.filter(({ agents }) => agents.length > 0);
	if (pushed.length === 0) return { leastMs: 0, mostMs: 0 };
	const dwellMs = pushed.reduce((sum, step) => sum + step.dwellMs, 0);
	const cap = inFlightCap(spec, eligible);
	const waves = pushed.reduce((sum, { agents }, at) => sum + wavesOf(agents.length, cap, at === 0), 0);
	const bakeMs = bakeNeededMs(spec);
	const timeoutMs = spec.gates['apply-timeout-ratio'].windowMs;
	return { leastMs: dwellMs + bakeMs, mostMs: 2 * dwellMs + waves * timeoutMs + bakeMs };
}

/** The first step starts with one in flight and grows by what was applied. */
function wavesOf(agents: number, cap: number, first: boolean): number {
	if (!first || cap === Number.MAX_SAFE_INTEGER) return Math.ceil(agents / cap);
	let left = agents;
	let applied = 0;
	let waves = 0;
	while (left > 0) {
		const wave = Math.min(left, cap, 1 + applied);
		left -= wave;
		applied += wave;
		waves += 1;
		if (1 + applied >= cap) return waves + Math.ceil(left / cap);
	}
	return waves;
}
