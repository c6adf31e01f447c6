export { type CohortMember, showCohorts } from './cohort_series.js';
export {
	agentSpansPerEnvelope,
	type FieldName,
	type FieldValue,
	fieldNames,
	type SpanName,
	spanNames,
} from './fields.js';
export {
	addServiceCheck,
	createHealth,
	type FailingCheck,
	type Health,
	type HealthCheck,
	type HealthOptions,
	type ServiceLife,
} from './health.js';
export { createLogger, type LogFields, type Logger, type LoggerOptions, type LogLevel, silentLogger } from './log.js';
export {
	describeMetrics,
	type MetricDescription,
	type MetricGroup,
	metricsReference,
	metricTable,
} from './metric_table.js';
export {
	type Counter,
	createMetrics,
	createMetricsRegistry,
	type Gauge,
	type Histogram,
	labelLimiter,
	type Metrics,
	type MetricsRegistry,
} from './metrics.js';
export { type OperationsOptions, type OperationsServer, serveOperations } from './operations.js';
export { redactText, redactValue } from './redact.js';
export { formatTraceparent, parseTraceparent, type TraceContext } from './traceparent.js';
export {
	createTracer,
	currentTraceparent,
	type Span,
	type SpanAttributes,
	type SpanOptions,
	type Tracer,
	type TracerOptions,
} from './tracer.js';
