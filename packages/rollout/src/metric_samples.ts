// What the answers of a metrics server mean. `decide` never sees a figure, only the verdict and the text made here.
import type { MetricVerdict } from './decision.js';
import type { MetricGateSpec, MetricOp } from './model.js';

export interface MetricSample {
	readonly value: number;
	readonly atMs: number;
}

/** What came of one query. `refused`: the server could not run it, in its own words. `away`: it did not answer. */
export type MetricAnswer =
	| { readonly kind: 'samples'; readonly samples: readonly MetricSample[] }
	| { readonly kind: 'refused' | 'away'; readonly message: string };

export interface MetricAnswers {
	readonly changed: MetricAnswer;
	/** The same query about the agents that still wait for their push; asked when comparing with them, or when the changed ones say nothing. */
	readonly control: MetricAnswer | null;
	/** How many agents the server knows to be changed at that instant. */
	readonly cohort: MetricAnswer;
	/** The instant that was asked about. */
	readonly atMs: number;
}

interface Judgement {
	readonly verdict: MetricVerdict;
	readonly text: string;
}

const holds: Readonly<Record<MetricOp, (left: number, right: number) => boolean>> = {
	'<': (left, right) => left < right,
	'<=': (left, right) => left <= right,
	'>': (left, right) => left > right,
	'>=': (left, right) => left >= right,
};

const figure = (value: number): string => String(Number(value.toPrecision(6)));

/** How old a sample may be to say something about now, ms. */
export const oldestSampleMs = ({ intervalMs }: Pick<MetricGateSpec, 'intervalMs'>): number => 2 * intervalMs;

type Read = { readonly value: number } | { readonly none: true } | Judgement;

/** The one finite, fresh sample of an answer, or why there is none. */
function read(answer: MetricAnswer, whose: string, { atMs }: MetricAnswers, spec: MetricGateSpec): Read {
	if (answer.kind !== 'samples') return { verdict: 'error', text: answer.message };
	const [sample, ...others] = answer.samples;
	if (sample === undefined) return { none: true };
	const unclear = (text: string): Judgement => ({ verdict: 'inconclusive', text });
	if (others.length > 0) return unclear(`${answer.samples.length} samples of the ${whose} agents instead of one`);
	if (!Number.isFinite(sample.value)) return unclear(`the sample of the ${whose} agents is ${sample.value}`);
	if (atMs - sample.atMs > oldestSampleMs(spec)) {
		return unclear(`the sample of the ${whose} agents is ${Math.round((atMs - sample.atMs) / 1_000)} s old`);
	}
	return { value: sample.value };
}

/** The verdict on one evaluation of a gate, with a text for people. */
export function judgeSample(spec: MetricGateSpec, answers: MetricAnswers): Judgement {
	const changed = read(answers.changed, 'changed', answers, spec);
	if ('verdict' in changed) return changed;
	const control = answers.control === null ? null : read(answers.control, 'control', answers, spec);
	if ('none' in changed) return silence(spec, answers, control);
	if (spec.compare === 'threshold') return compared(spec, changed.value, spec.value, figure(spec.value));
	if (control === null || 'none' in control)
		return { verdict: 'inconclusive', text: 'no sample of the control agents' };
	if ('verdict' in control) return control;
	const right = `${figure(spec.value)} × ${figure(control.value)} of the control agents`;
	return compared(spec, changed.value, spec.value * control.value, right);
}

function compared({ op }: MetricGateSpec, left: number, right: number, shown: string): Judgement {
	return holds[op](left, right)
		? { verdict: 'pass', text: `${figure(left)} ${op} ${shown}` }
		: { verdict: 'fail', text: `${figure(left)} is not ${op} ${shown}` };
}

/** Nothing of the changed agents is a failure only where the server knows who they are, and hears the others. */
function silence(spec: MetricGateSpec, answers: MetricAnswers, control: Read | null): Judgement {
	const known = read(answers.cohort, 'known', answers, spec);
	if ('verdict' in known) return known;
	if ('none' in known || known.value === 0) {
		return { verdict: 'inconclusive', text: 'the metrics server does not know the changed agents yet' };
	}
	if (control === null || 'none' in control) return { verdict: 'inconclusive', text: 'no sample' };
	if ('verdict' in control) return control;
	return {
		verdict: 'fail',
		text: `the changed agents went silent, the control agents report ${figure(control.value)}`,
	};
}

const promDuration = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`);

/** The name of the series that says which agents a rollout has changed, and which are still to be. */
export const cohortSeries = 'ampora_rollout_cohort_info';
export type MetricCohort = 'changed' | 'control';

/** One per agent of the cohort, with `joinLabel` as its only label: whatever else the series was scraped with is gone. */
const cohortVector = (rollout: string, cohort: MetricCohort, joinLabel: string): string =>
	`(max by (${joinLabel}) (${cohortSeries}{rollout="${rollout}",cohort="${cohort}",${joinLabel}!=""}))`;

/** The query of a gate as it is sent; `about` control, `$changed` means the control agents too. */
export function metricQuery(
	{ query, intervalMs, joinLabel }: MetricGateSpec,
	{ rollout, step, about }: { readonly rollout: string; readonly step: number; readonly about: MetricCohort },
): string {
	const values: Readonly<Record<string, string>> = {
		$rollout: rollout,
		$step: String(step),
		$changed: cohortVector(rollout, about, joinLabel),
		$control: cohortVector(rollout, 'control', joinLabel),
		$window: promDuration(intervalMs),
	};
	return query.replace(/\$(?:rollout|step|changed|control|window)\b/g, (name) => values[name] ?? name);
}

/** How many agents the server knows to be changed. */
export const cohortQuery = ({ joinLabel }: MetricGateSpec, rollout: string): string =>
	`count(${cohortVector(rollout, 'changed', joinLabel)})`;
