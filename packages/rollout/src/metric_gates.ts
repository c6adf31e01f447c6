// Gates on what a metrics server says of the changed agents. Whoever asks it hands the verdicts in as facts; here they only count.
import type { Tick } from './clocks.js';
import type { MetricResult } from './decision.js';
import type { Draft } from './draft.js';
import { isHeld } from './hold.js';
import type { GateEvidence, MetricGateSpec, MetricWatch, Rollout, Step } from './model.js';
import { pause } from './states.js';

/** The bake is watched like a step of its own. */
const bakeStage = -1;

const gatesOf = ({ spec }: Pick<Rollout, 'spec'>): readonly MetricGateSpec[] => spec.metricGates ?? [];

/** What is being watched now; null while no agent of the step has come to run the version yet. Once begun it goes on, whoever drops out. */
function stageOf({ baking, metricWatches }: Rollout, step: Step | null): number | null {
	if (baking) return bakeStage;
	if (step === null) return null;
	const begun = Object.values(metricWatches ?? {}).some(({ stage }) => stage === step.index);
	return begun || step.counters.states.Applied > 0 ? step.index : null;
}

/** Agents that wait for their push: what the changed ones are compared with. */
const hasControl = ({ unplaced }: Pick<Rollout, 'unplaced'>, steps: readonly Step[]): boolean =>
	unplaced.Pending > 0 || steps.some(({ counters }) => counters.states.Pending > 0);

/** An evaluation that is due: its result is handed in with the same `stage` and `dueMs`, and counts once. */
export interface MetricAsk extends Pick<MetricResult, 'gate' | 'stage' | 'dueMs'> {
	readonly spec: MetricGateSpec;
	/** From 1. */
	readonly step: number;
}

/** Like every gate they are judged while paused and in the tail as well. A way back asks no metrics server. */
const isJudging = ({ state, rollingBack, tailUntilMs }: Rollout): boolean =>
	!rollingBack && (state === 'InProgress' || state === 'Paused' || tailUntilMs !== null);

/** What fired stays fired until somebody resumes: nothing that is said after that changes it. */
const hasFired = ({ evidence }: Rollout, { name }: MetricGateSpec): boolean =>
	evidence.some(({ gate, verdict }) => gate === `metric:${name}` && verdict === 'fire');

/** What the metrics server is to be asked now; nothing while our own side cannot hear (R12), or about a step that is over. */
export function dueMetricGates(rollout: Rollout): readonly MetricAsk[] {
	if (!isJudging(rollout) || isHeld(rollout)) return [];
	const now = rollout.baking ? bakeStage : rollout.currentStep;
	return gatesOf(rollout).flatMap((spec) => {
		const watch = rollout.metricWatches?.[spec.name];
		if (watch?.stage !== now || watch.notApplicable || watch.dueMs > rollout.observedMs) return [];
		if (hasFired(rollout, spec)) return [];
		const { stage, dueMs } = watch;
		return [{ gate: spec.name, stage, dueMs, spec, step: (rollout.currentStep ?? 0) + 1 }];
	});
}

const startWatch = (spec: MetricGateSpec, stage: number, observedMs: number): MetricWatch => ({
	stage,
	// What is asked then is how it was `ingestionLag` before.
	dueMs: observedMs + spec.initialDelayMs + spec.ingestionLagMs,
	passes: 0,
	failures: 0,
	inconclusive: 0,
	errors: 0,
	notApplicable: false,
	last: null,
});

/** Counts the verdicts handed in, and acts on what is past its limit: a failure like any gate, everything else by a pause. */
export function judgeMetrics(draft: Draft, { held }: Tick): void {
	const stage = stageOf(draft.rollout, draft.current);
	if (!isJudging(draft.rollout) || held || stage === null) return;
	for (const spec of gatesOf(draft.rollout)) judgeMetric(draft, spec, stage);
	// What nobody could tell while it stood still anyway stops it only if that is still so when it goes on.
	if (draft.rollout.state !== 'InProgress') return;
	const lacking = gatesOf(draft.rollout).flatMap((spec) => pastLimits(draft, spec, stage));
	if (lacking.length === 0) return;
	draft.patch({ evidence: [...draft.rollout.evidence, ...lacking] });
	pause(draft, 'inconclusive', lacking.map(({ message }) => message).join('; '));
}

function judgeMetric(draft: Draft, spec: MetricGateSpec, stage: number): void {
	const { rollout, snapshot } = draft;
	const watch = rollout.metricWatches?.[spec.name];
	if (watch === undefined || watch.stage !== stage) {
		putWatch(draft, spec, startWatch(spec, stage, rollout.observedMs));
		return;
	}
	const notApplicable = spec.compare === 'control' && !hasControl(rollout, draft.steps);
	if (notApplicable !== watch.notApplicable) putWatch(draft, spec, { ...watch, notApplicable });
	if (notApplicable || hasFired(rollout, spec)) return;
	const result = snapshot.metricResults?.find(
		({ gate, dueMs, stage: of }) => gate === spec.name && of === stage && dueMs === watch.dueMs,
	);
	const after = result === undefined ? watch : counted(watch, result, rollout.observedMs + spec.intervalMs);
	if (after !== watch) putWatch(draft, spec, after);
	// A limit that was lowered fires on what has failed already.
	if (after.failures > spec.failureLimit) fire(draft, spec, after);
}

/** Against another value only what is asked from now on is a pass; what failed the tighter of the two is not forgotten. */
export function valueEdited(draft: Draft, spec: MetricGateSpec): void {
	const { metricWatches, observedMs } = draft.rollout;
	const watch = metricWatches?.[spec.name];
	if (watch === undefined) return;
	// What has been asked by the former value is not due any more.
	const dueMs = watch.dueMs <= observedMs ? observedMs + 1 : watch.dueMs;
	putWatch(draft, spec, { ...watch, passes: 0, dueMs });
}

function pastLimits(draft: Draft, spec: MetricGateSpec, stage: number): readonly GateEvidence[] {
	const watch = draft.rollout.metricWatches?.[spec.name];
	if (watch === undefined || watch.stage !== stage || watch.notApplicable) return [];
	const past = watch.inconclusive > spec.inconclusiveLimit || watch.errors > spec.errorLimit;
	return past ? [evidenceOf(draft, spec, watch, 'inconclusive')] : [];
}

function putWatch(draft: Draft, { name }: MetricGateSpec, watch: MetricWatch): void {
	draft.patch({ metricWatches: { ...draft.rollout.metricWatches, [name]: watch } });
}

/** Inconclusive ones and errors count in a row: a pass or a failure ends both rows. */
function counted(watch: MetricWatch, { verdict, text }: MetricResult, dueMs: number): MetricWatch {
	const next = { ...watch, dueMs, last: { verdict, text } };
	switch (verdict) {
		case 'pass':
			return { ...next, passes: watch.passes + 1, inconclusive: 0, errors: 0 };
		case 'fail':
			return { ...next, failures: watch.failures + 1, inconclusive: 0, errors: 0 };
		case 'inconclusive':
			return { ...next, inconclusive: watch.inconclusive + 1 };
		case 'error':
			return { ...next, errors: watch.errors + 1 };
	}
}

function fire(draft: Draft, spec: MetricGateSpec, watch: MetricWatch): void {
	const evidence = evidenceOf(draft, spec, watch, 'fire');
	const others = draft.rollout.evidence.filter(({ gate }) => gate !== evidence.gate);
	draft.patch({ evidence: [...others, evidence] });
	draft.event({ kind: 'gate-fired', gate: evidence.gate, message: evidence.message });
}

function evidenceOf(
	draft: Draft,
	spec: MetricGateSpec,
	watch: MetricWatch,
	verdict: GateEvidence['verdict'],
): GateEvidence {
	const { passes, failures, inconclusive, errors, last } = watch;
	const k = verdict === 'fire' ? failures : inconclusive + errors;
	const earlier = last?.verdict === 'fail' ? '' : `failed ${failures} of ${failures + passes} times, lately: `;
	const figures = verdict === 'fire' ? earlier : `inconclusive, ${inconclusive + errors} in a row: `;
	return {
		gate: `metric:${spec.name}`,
		verdict,
		cohort: 'rollout',
		step: draft.rollout.currentStep ?? 0,
		k,
		n: k + passes,
		thresholdPercent: 0,
		message: `${spec.name}: ${figures}${last?.text ?? 'nothing was asked'}`,
	};
}

/** Gates that have not passed in this step yet. */
const unpassed = (step: Step, rollout: Rollout): readonly MetricGateSpec[] =>
	gatesOf(rollout).filter(({ name }) => {
		const watch = rollout.metricWatches?.[name];
		if (watch === undefined || watch.stage !== step.index) return true;
		return watch.passes === 0 && !watch.notApplicable;
	});

/** The step waits for a verdict that is still to come. Every gate either passes in time or runs into one of its limits (R14). */
export const awaitsMetrics = (step: Step, rollout: Rollout): boolean =>
	!step.unprovenAccepted && step.counters.states.Applied > 0 && unpassed(step, rollout).length > 0;

/** What metric gates lack for the step to end well (R5). */
export const lackingMetrics = (step: Step, rollout: Rollout): readonly GateEvidence[] =>
	unpassed(step, rollout).map(({ name }) => ({
		gate: `metric:${name}`,
		verdict: 'inconclusive',
		cohort: 'step',
		step: step.index,
		k: 0,
		n: 0,
		thresholdPercent: 0,
		message: `${name}: inconclusive, has not passed in this step yet`,
	}));
