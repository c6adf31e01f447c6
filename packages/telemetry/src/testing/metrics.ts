import type { MetricsRegistry } from '../metrics.js';

/** What a counter or gauge shows now for exactly these labels; for a histogram, how often it was observed. Undefined when it shows nothing. */
export async function metricValue(
	registry: MetricsRegistry,
	name: string,
	labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
	const metric = registry.getSingleMetric(name);
	if (metric === undefined) return undefined;
	const { type, values } = await metric.get();
	const series = type.toString() === 'histogram' ? `${name}_count` : name;
	const wanted = Object.entries(labels);
	return values.find((value) => {
		const shown = value as { metricName?: string; labels: Readonly<Record<string, unknown>> };
		if ((shown.metricName ?? name) !== series) return false;
		return (
			Object.keys(shown.labels).length === wanted.length &&
			wanted.every(([label, text]) => shown.labels[label] === text)
		);
	})?.value;
}
