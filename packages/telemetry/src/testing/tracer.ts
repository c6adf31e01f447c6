import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { type Tracer, tracerWith } from '../tracer.js';

export interface FinishedSpan {
	readonly name: string;
	readonly traceId: string;
	readonly spanId: string;
	readonly parentSpanId: string | undefined;
	/** As exported: names have the prefix `ampora.`. */
	readonly attributes: Readonly<Record<string, unknown>>;
	/** The message of the recorded error. */
	readonly error: string | undefined;
}

export interface TestTracer extends Tracer {
	/** In the order in which they ended. */
	finishedSpans(): FinishedSpan[];
}

/** A tracer that keeps ended spans in memory. */
export function createTestTracer(service = 'test'): TestTracer {
	const exporter = new InMemorySpanExporter();
	const tracer = tracerWith([new SimpleSpanProcessor(exporter)], { service });
	return {
		...tracer,
		finishedSpans: () =>
			exporter.getFinishedSpans().map((span) => ({
				name: span.name,
				...span.spanContext(),
				parentSpanId: span.parentSpanContext?.spanId,
				attributes: span.attributes,
				error: span.status.message,
			})),
	};
}
