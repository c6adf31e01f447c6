export { createTestLogger, type LoggedLine, type TestLogger } from './log.js';
export { metricValue } from './metrics.js';
export { createTestTracer, type FinishedSpan, type TestTracer } from './tracer.js';
