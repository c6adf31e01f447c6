import type { MetricAnswer } from '@ampora/rollout';

/** A server that keeps the agents' metrics and answers PromQL. Never throws: what went wrong is an answer too, and names the server. */
export interface MetricsServer {
	/** The value of `query` at `atMs`, ms since 1970, by samples that are no older then than `withinMs`. */
	query(query: string, atMs: number, withinMs: number): Promise<MetricAnswer>;
}
