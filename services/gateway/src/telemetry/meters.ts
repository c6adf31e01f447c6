import { createMetrics, type Metrics, type MetricsRegistry } from '@ampora/telemetry';

/** What a gateway counts. */
export interface GatewayMeters {
	readonly dispatch: Metrics<'dispatch'>;
	readonly opamp: Metrics<'opamp'>;
}

export const createMeters = (registry: MetricsRegistry): GatewayMeters => ({
	dispatch: createMetrics(registry, 'dispatch'),
	opamp: createMetrics(registry, 'opamp'),
});
