import type { MetricAnswer } from '@ampora/rollout';
import type { MetricsServer } from '../metrics_server/metrics_server.js';

export interface MemoryMetrics extends MetricsServer {
	/** From now on answers are these: by the query as it is sent. Throwing is being away. */
	answer(how: (query: string, atMs: number) => number | readonly number[]): void;
	/** What it refuses: queries with unbalanced parentheses, as Prometheus would. */
	readonly asked: readonly { readonly query: string; readonly atMs: number }[];
}

/** A metrics server in memory, for tests: whoever holds it says what it answers. */
export function createMemoryMetrics(): MemoryMetrics {
	const asked: { query: string; atMs: number }[] = [];
	let how: Parameters<MemoryMetrics['answer']>[0] = () => [];
	return {
		asked,
		answer(next) {
			how = next;
		},
		async query(query, atMs): Promise<MetricAnswer> {
			asked.push({ query, atMs });
			if (query.split('(').length !== query.split(')').length) {
				return { kind: 'refused', message: 'parse error: unclosed left parenthesis' };
			}
			try {
				const values = how(query, atMs);
				const samples = (typeof values === 'number' ? [values] : values).map((value) => ({ value, atMs }));
				return { kind: 'samples', samples };
			} catch (error) {
				return { kind: 'away', message: `the metrics server does not answer: ${String(error)}` };
			}
		},
	};
}
