import * as prom from 'prom-client';
import { type MetricEntry, type MetricGroup, metricTable } from './metric_table.js';

type Tables = typeof metricTable;
type LabelValues<L> = { readonly [K in keyof L]: L[K] extends readonly (infer V)[] ? V : string };
/** A metric without labels takes none; one with labels takes all of them. */
type Labelled<L, Rest extends unknown[]> = keyof L extends never ? Rest : [labels: LabelValues<L>, ...Rest];

export interface Counter<L> {
	inc(...args: Labelled<L, [by?: number]>): void;
}

export interface Gauge<L> {
	set(...args: Labelled<L, [value: number]>): void;
	inc(...args: Labelled<L, [by?: number]>): void;
	dec(...args: Labelled<L, [by?: number]>): void;
	/** Forgets all label values: before setting anew what may have vanished, such as a state nobody is in any more. */
	reset(): void;
}

export interface Histogram<L> {
	/** Seconds. */
	observe(...args: Labelled<L, [seconds: number]>): void;
}

type MetricOf<E extends MetricEntry> = E['type'] extends 'counter'
	? Counter<E['labels']>
	: E['type'] extends 'gauge'
		? Gauge<E['labels']>
		: Histogram<E['labels']>;

/** The metrics of one concern, under their full names. */
export type Metrics<G extends MetricGroup> = {
	readonly [N in keyof Tables[G]]: Tables[G][N] extends MetricEntry ? MetricOf<Tables[G][N]> : never;
};

/** Where a process keeps its metrics; `serveOperations` prints it. */
export type MetricsRegistry = prom.Registry;

/** A registry of its own, never the global one: a process may hold several services, a test file several processes. */
export function createMetricsRegistry({ processMetrics = false } = {}): MetricsRegistry {
	const registry = new prom.Registry();
	if (processMetrics) prom.collectDefaultMetrics({ register: registry });
	return registry;
}

/**
 * The metrics of one concern, registered; a service asks for the concerns it emits. Asking again for the same registry gives the same
 * metrics: in standalone, gateway and engine share one.
 */
export function createMetrics<G extends MetricGroup>(registry: MetricsRegistry, group: G): Metrics<G> {
	const metrics: Record<string, prom.Metric> = {};
	for (const [name, entry] of Object.entries<MetricEntry>(metricTable[group]))
		metrics[name] = registry.getSingleMetric(name) ?? register(registry, name, entry);
	// The table is what both the objects and the type are made from.
	return metrics as unknown as Metrics<G>;
}

function register(registry: MetricsRegistry, name: string, { type, help, labels, buckets }: MetricEntry): prom.Metric {
	const settings = { name, help, labelNames: Object.keys(labels), registers: [registry] };
	if (type === 'counter') return new prom.Counter(settings);
	if (type === 'gauge') return new prom.Gauge(settings);
	return new prom.Histogram({ ...settings, ...(buckets && { buckets: [...buckets] }) });
}

const labelLengthMax = 120;

/**
 * Keeps a label that agents choose from growing without end: the first `limit` distinct values pass, then everything new is `other`.
 * No value is `unknown`.
 */
export function labelLimiter(limit = 50): (value: string | undefined) => string {
	const seen = new Set<string>();
	return (value) => {
		if (value === undefined || value === '') return 'unknown';
		if (seen.has(value)) return value;
		if (seen.size >= limit || value.length > labelLengthMax) return 'other';
		seen.add(value);
		return value;
	};
}
