import type { MetricGateSpec } from '@ampora/rollout';
import type { Stream } from './streams.js';

/** What the metrics server says of the changed agents when one gate asks. `mixed`: anything, every time anew. */
const sayings = [
	...(['good', 'bad', 'bad-later', 'silent', 'unknown', 'empty', 'not-a-number', 'infinite'] as const),
	...(['several', 'old', 'refused', 'away', 'mixed'] as const),
] as const;
export type Saying = (typeof sayings)[number];

export interface MetricPlan {
	readonly gates: readonly MetricGateSpec[];
	/** By the name of the gate. */
	readonly says: Readonly<Record<string, Saying>>;
	/** Mean virtual ms between two times in which the server does not answer; each is up to half as long. */
	readonly awayEveryMs: number;
}

/** A gate is asked about by its own label, for the question who is changed names nothing else. */
export const labelOf = (name: string): string => `${name}_id`;

const names = ['points', 'errors', 'latency'] as const;

function planGate(chance: Stream, name: string): MetricGateSpec {
	const intervalMs = chance.whole(2, 5) * 1_000;
	return {
		name,
		query: `sum(rate(${name}_total[$window]) * on (${labelOf(name)}) $changed)`,
		compare: chance.pick(['threshold', 'threshold', 'control']),
		op: '>=',
		value: 0.9,
		intervalMs,
		initialDelayMs: chance.pick([0, intervalMs]),
		failureLimit: chance.pick([0, 0, 1]),
		inconclusiveLimit: chance.pick([1, 3]),
		errorLimit: chance.pick([1, 4]),
		ingestionLagMs: chance.pick([500, 2_000]),
		joinLabel: labelOf(name),
	};
}

/** Null: a world without metric gates. What takes minutes in an installation takes seconds here. */
export function planMetrics(chance: Stream): MetricPlan | null {
	if (!chance.chance(0.4)) return null;
	const asked = names.filter((_, index) => index === 0 || chance.chance(0.3));
	return {
		gates: asked.map((name) => planGate(chance, name)),
		says: Object.fromEntries(asked.map((name) => [name, chance.chance(0.4) ? 'good' : chance.pick(sayings)])),
		awayEveryMs: chance.pick([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 30_000]),
	};
}
