import type { MetricGateSpec } from './model.js';
import type { SpecProblem } from './spec.js';

/** A metric gate as somebody asks for it. */
export type MetricGateInput = Pick<MetricGateSpec, 'name' | 'query' | 'op' | 'value'> &
	Partial<Omit<MetricGateSpec, 'name' | 'query' | 'op' | 'value'>>;

const dayMs = 86_400_000;
const metricIntervalMinMs = 30_000;
const gatesMax = 10;
const queryMax = 4_000;

/** Fills in the defaults. The first evaluation comes one interval after the change, so that none is about the time before it. */
export const resolveMetricGate = (input: MetricGateInput): MetricGateSpec => ({
	compare: 'threshold',
	intervalMs: 60_000,
	initialDelayMs: input.intervalMs ?? 60_000,
	failureLimit: 0,
	inconclusiveLimit: 3,
	errorLimit: 4,
	ingestionLagMs: 60_000,
	joinLabel: 'service_instance_id',
	...input,
});

type Rule = readonly [holds: boolean, field: string, message: string, fix: string];

function rulesOf(gate: MetricGateSpec): readonly Rule[] {
	const { name, query, value, intervalMs, joinLabel } = gate;
	const whole = (field: 'initialDelayMs' | 'ingestionLagMs', most: number): Rule => {
		const ms = gate[field];
		return [Number.isInteger(ms) && ms >= 0 && ms <= most, field, `it is ${ms}`, `write 0 to ${most} ms`];
	};
	const limit = (field: 'failureLimit' | 'inconclusiveLimit' | 'errorLimit'): Rule => {
		const count = gate[field];
		return [Number.isInteger(count) && count >= 0 && count <= 100, field, `it is ${count}`, 'write 0 to 100'];
	};
	const interval = Number.isInteger(intervalMs) && intervalMs >= metricIntervalMinMs && intervalMs <= dayMs;
	return [
		[/^[a-z][a-z0-9-]{0,62}$/.test(name), 'name', `"${name}" is no name of a gate`, 'write one like exported-points'],
		[
			query.trim() !== '' && query.length <= queryMax,
			'query',
			'it is empty or too long',
			`use up to ${queryMax} characters`,
		],
		[/\$changed\b/.test(query), 'query', 'it does not say $changed', 'join it with $changed, the agents to be judged'],
		[Number.isFinite(value), 'value', `it is ${value}`, 'write a number'],
		[interval, 'intervalMs', `the interval is ${intervalMs} ms`, 'write 30s to 24h'],
		whole('initialDelayMs', dayMs),
		whole('ingestionLagMs', 3_600_000),
		limit('failureLimit'),
		limit('inconclusiveLimit'),
		limit('errorLimit'),
		[
			/^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/.test(joinLabel) && !['rollout', 'cohort'].includes(joinLabel),
			'joinLabel',
			`"${joinLabel}" cannot be the label agents are joined by`,
			'write one like service_instance_id',
		],
	];
}

export function validateMetricGates(gates: readonly MetricGateSpec[]): readonly SpecProblem[] {
	if (gates.length > gatesMax) {
		return [{ path: 'metricGates', message: `there are ${gates.length} of them`, fix: `use at most ${gatesMax}` }];
	}
	const problems = gates.flatMap((gate, index) =>
		rulesOf(gate)
			.filter(([holds]) => !holds)
			.map(([, field, message, fix]) => ({ path: `metricGates[${index}].${field}`, message, fix })),
	);
	const twice = gates.find(({ name }, index) => gates.findIndex((other) => other.name === name) < index);
	if (twice === undefined) return problems;
	return [
		...problems,
		{ path: 'metricGates', message: `two are named "${twice.name}"`, fix: 'give each its own name' },
	];
}
