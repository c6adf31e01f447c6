import type { EngineTelemetry } from '@ampora/rollout-engine';
import type { Span, Tracer } from '@ampora/telemetry';

const span: Span = {
	traceId: '0'.repeat(32),
	spanId: '0'.repeat(16),
	traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`,
	setAttribute: () => {},
	recordError: () => {},
	end: () => {},
};

/** Traces nothing. */
export const silentTracer: Tracer = {
	startSpan: () => span,
	inSpan: (_name, _options, work) => work(span),
	shutdown: async () => {},
};

export interface EngineEars {
	/** A rollout could not be ticked: an exception of the core or of the store that nobody expects. */
	readonly rolloutFailed: (error: unknown) => void;
}

export const silentEngineTelemetry = ({ rolloutFailed }: EngineEars): EngineTelemetry => ({
	ticker: {
		ticked: () => {},
		rolloutFailed: (_rolloutId, error) => rolloutFailed(error),
		storeFailed: () => {},
		gatewaysLost: () => {},
	},
	cutOff: { gatewaysCutOff: () => {}, storeFailed: () => {} },
	retention: { agentsArchived: () => {}, storeFailed: () => {} },
	membership: { looked: () => {}, storeFailed: () => {} },
	enrolment: { enrolled: () => {}, enrolmentFailed: () => {} },
	dispatcher: {
		sent: () => ({ traceparent: null, ended: () => {} }),
		noSession: () => {},
		lost: () => {},
		directoryAway: () => {},
	},
	committed: () => {},
	leaseChanged: () => {},
	leaseRenewed: () => {},
	leaseFailed: () => {},
	refresh: async () => {},
});
