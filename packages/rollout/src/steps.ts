import { advancesAlone, isLastStep, nextStep, type PlannedStep } from './cohorts.js';
import type { Draft } from './draft.js';
import { type GateView, gateVerdicts } from './gates.js';
import { awaitsMetrics, lackingMetrics } from './metric_gates.js';
import type { GateEvidence, Rollout, Step } from './model.js';
import { end, pause } from './states.js';
import { eligibleOf, emptyCounters, inFlightOf, membersOf, placedOf, unfilledOf } from './tally.js';
import { bakeNeededMs, dwellNeededMs, ownDwellMs } from './windows.js';

/** Where the rollout stands in its strategy. */
export function populationOf(rollout: Pick<Rollout, 'unplaced' | 'planned'>, steps: readonly Step[]) {
	return { eligible: eligibleOf(rollout, steps), planned: rollout.planned, placed: placedOf(steps) };
}

export const nextStepOf = (
	rollout: Pick<Rollout, 'unplaced' | 'planned' | 'spec' | 'currentStep'>,
	steps: readonly Step[],
): PlannedStep | null => nextStep(rollout.spec.strategy, rollout.currentStep, populationOf(rollout, steps));

/** Everything the passing of time does to the steps of a rollout that is under way and neither paused nor held. */
export function runSteps(draft: Draft): void {
	// Each turn ends, starts or completes something, or there is nothing more to do now.
	while (draft.rollout.state === 'InProgress' && turn(draft));
}

function turn(draft: Draft): boolean {
	const step = draft.current;
	if (step === null) return startNext(draft);
	if (draft.rollout.baking) return finishBake(draft);
	switch (step.phase) {
		case 'pushing':
			return settlePushing(draft, step);
		case 'dwelling':
			return settleDwelling(draft, step);
		case 'ended':
			return moveOn(draft, step);
	}
}

const isAnswered = (step: Step): boolean => step.counters.states.Pending === 0 && step.counters.unanswered === 0;

function settlePushing(draft: Draft, step: Step): boolean {
	if (unfilledOf(step) > 0 || !isAnswered(step)) return false;
	if (membersOf(step) > 0) {
		draft.putStep({ ...step, phase: 'dwelling', dweltMs: 0 });
		return true;
	}
	if (awaitsFirst(draft.rollout, draft.steps)) return false;
	endStep(draft, step);
	return true;
}

/** Nobody was pushed yet and nobody is connected: going through empty steps would spend the canaries on nothing. */
export const awaitsFirst = (rollout: Pick<Rollout, 'unplaced'>, steps: readonly Step[]): boolean =>
	placedOf(steps) === 0 && rollout.unplaced.Deferred > 0;

function settleDwelling(draft: Draft, step: Step): boolean {
	const { spec } = draft.rollout;
	if (!isAnswered(step) || step.dweltMs < dwellNeededMs(spec, step)) return false;
	if (awaitsMetrics(step, draft.rollout)) return false;
	const lacking = lackingEvidence(step, draft.steps, draft.rollout);
	if (lacking.length === 0) {
		endStep(draft, step);
		return true;
	}
	const why = lacking.map((evidence) => evidence.message).join('; ');
	if (step.extendedForCoverage) {
		pauseInconclusive(draft, lacking, why);
		return false;
	}
	const byMs = ownDwellMs(spec, step);
	draft.putStep({ ...step, extendedForCoverage: true, extendedMs: step.extendedMs + byMs });
	draft.event({ kind: 'dwell-extended', step: step.index, byMs, why });
	return byMs === 0;
}

function pauseInconclusive(draft: Draft, lacking: readonly GateEvidence[], why: string): void {
	const fired = draft.rollout.evidence.filter((evidence) => evidence.verdict === 'fire');
	draft.patch({ evidence: [...fired, ...lacking] });
	pause(draft, 'inconclusive', why);
}

/** What keeps a step from ending well (R5): gates without enough evidence, or nobody who is Applied and well. */
export function lackingEvidence(step: Step, steps: readonly Step[], rollout: Rollout): readonly GateEvidence[] {
	if (step.unprovenAccepted) return [];
	const views = gateVerdicts(step, steps, rollout).filter((view) => view.verdict === 'inconclusive');
	const lacking = [...views.map((view) => inconclusive(view, step, view.message)), ...lackingMetrics(step, rollout)];
	if (lacking.length > 0 || step.counters.well > 0) return lacking;
	const n = membersOf(step);
	const thresholdPercent = rollout.spec.gates['apply-failed-ratio'].thresholdPercent;
	const alone = step.index === 0 && rollout.spec.strategy.firstAgentAlone === true;
	const message = alone
		? 'inconclusive: the first agent has not come back in a new session, Applied and well, after a change of how agents reach their server'
		: `inconclusive: none of the ${n} agents of ${stepLabel(step)} is Applied and well`;
	return [inconclusive({ gate: 'apply-failed-ratio', k: 0, n, thresholdPercent }, step, message)];
}

const inconclusive = (
	{ gate, k, n, thresholdPercent }: Pick<GateView, 'gate' | 'k' | 'n' | 'thresholdPercent'>,
	step: Step,
	message: string,
): GateEvidence => ({
	gate,
	verdict: 'inconclusive',
	cohort: 'step',
	step: step.index,
	k,
	n,
	thresholdPercent,
	message,
});

export const stepLabel = (step: Pick<Step, 'index' | 'name'>): string => step.name ?? `step ${step.index + 1}`;

export function endStep(draft: Draft, step: Step): void {
	draft.putStep({ ...step, phase: 'ended', endedAtMs: draft.nowMs });
	draft.event({ kind: 'step-ended', step: step.index });
}

/** After a step: the next one, by itself or when somebody says so; after the last one, the bake. */
function moveOn(draft: Draft, step: Step): boolean {
	const next = nextStepOf(draft.rollout, draft.steps);
	const alone = advancesAlone(draft.rollout.spec.strategy) || membersOf(step) === 0;
	if (next !== null && !alone) return false;
	return startNext(draft);
}

/** Starts the next step that adds anybody, or the bake when there is none. */
export function startNext(draft: Draft): boolean {
	const next = nextStepOf(draft.rollout, draft.steps);
	if (next === null) {
		draft.patch({ baking: true });
		return true;
	}
	draft.putStep(newStep(next, draft.nowMs));
	draft.patch({ currentStep: next.index });
	draft.progressed = true;
	draft.event({ kind: 'step-started', step: next.index });
	draft.more = true;
	return false;
}

const newStep = ({ index, name, quota, dwellMs }: PlannedStep, nowMs: number): Step => ({
	index,
	name,
	quota,
	exhausted: false,
	phase: 'pushing',
	dwellMs,
	dweltMs: 0,
	extendedMs: 0,
	extendedForCoverage: false,
	unprovenAccepted: false,
	counters: emptyCounters,
	startedAtMs: nowMs,
	endedAtMs: null,
});

/** Waiting to be pushed in a step, or pushed without an answer. */
export const unansweredOf = (steps: readonly Step[]): number =>
	steps.reduce((sum, step) => sum + step.counters.states.Pending + step.counters.unanswered, 0);

export const isBaked = (rollout: Pick<Rollout, 'baking' | 'bakedMs' | 'spec'>): boolean =>
	rollout.baking && rollout.bakedMs >= bakeNeededMs(rollout.spec);

function finishBake(draft: Draft): boolean {
	const { rollout, steps } = draft;
	const pushedAny = placedOf(steps) > 0;
	if (pushedAny && (!isBaked(rollout) || unansweredOf(steps) > 0 || inFlightOf(steps) > 0)) return false;
	const deferred = rollout.unplaced.Deferred + rollout.unplaced.Pending;
	const eligible = eligibleOf(rollout, steps);
	const { maxDeferredPercent, deferForMs } = rollout.spec;
	if (100 * deferred > maxDeferredPercent * eligible && !rollout.deferredAccepted) {
		pause(draft, 'deferred', `${deferred} of ${eligible} agents are deferred, more than ${maxDeferredPercent} %`);
		return false;
	}
	draft.patch({ tailUntilMs: deferred > 0 ? draft.nowMs + deferForMs : null });
	end(draft, 'Completed', deferred > 0 ? `${deferred} deferred` : 'every step ended and the bake passed');
	return false;
}

/** Agents that come back late, and joiners, are placed without regard to the quota: in the last step, in the bake and in the tail. */
export function placesLate(rollout: Rollout, step: Step): boolean {
	if (rollout.state === 'Completed') return rollout.tailUntilMs !== null;
	if (rollout.baking) return !isBaked(rollout);
	return isLastStep(rollout.spec.strategy, step.index, rollout.planned);
}
