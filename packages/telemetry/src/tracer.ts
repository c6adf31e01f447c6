import { systemClock } from '@ampora/runtime';
import * as otel from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { activeSpan } from './active_span.js';
import type { FieldName, FieldValue, SpanName } from './fields.js';
import { redactText } from './redact.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

export type SpanAttributes = { readonly [K in FieldName]?: FieldValue };

export interface Span {
	readonly traceId: string;
	readonly spanId: string;
	/** What makes another span, here or in another process, a child of this one. */
	readonly traceparent: string;
	setAttribute(name: FieldName, value: FieldValue): void;
	/** Marks the span as failed. The message is cleaned of secrets. */
	recordError(error: unknown): void;
	/** Idempotent. `atMs`: wall time, for what is recorded after the fact. */
	end(atMs?: number): void;
}

export interface SpanOptions {
	readonly attributes?: SpanAttributes;
	/** A traceparent; null starts a new trace. When absent: the span whose `inSpan` this is inside of, if any. An invalid one counts as null. */
	readonly parent?: string | null;
	/** Wall time, ms; now when absent. */
	readonly startMs?: number;
}

export interface Tracer {
	/** The caller ends it. */
	startSpan(name: SpanName, options?: SpanOptions): Span;
	/** Runs `work` inside a span, ends it, and records what `work` throws before throwing it on. */
	inSpan<T>(name: SpanName, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
	/** Sends what is left, for at most `graceMs`, and stops. Never fails: telemetry does not hold up an exit. */
	shutdown(graceMs?: number): Promise<void>;
}

/** The span this code runs inside of, as a traceparent. */
export const currentTraceparent = (): string | null => activeSpan.getStore()?.traceparent ?? null;

export interface TracerOptions {
	readonly service: string;
	readonly instance?: string;
	/** Base URL of an OTLP/HTTP receiver, such as `http://collector:4318`. Without it ids are made and passed on, and nothing is sent. */
	readonly otlpEndpoint?: string;
}

export function createTracer({ otlpEndpoint, ...identity }: TracerOptions): Tracer {
	if (otlpEndpoint === undefined) return tracerWith([], identity);
	const url = `${otlpEndpoint.replace(/\/+$/, '')}/v1/traces`;
	return tracerWith([new BatchSpanProcessor(new OTLPTraceExporter({ url }))], identity);
}

export function tracerWith(
	spanProcessors: SpanProcessor[],
	{ service, instance }: Omit<TracerOptions, 'otlpEndpoint'>,
): Tracer {
	const resource = resourceFromAttributes({
		'service.name': `ampora-${service}`,
		...(instance !== undefined && { 'service.instance.id': instance }),
	});
	const provider = new BasicTracerProvider({ resource, spanProcessors });
	const tracer = provider.getTracer('ampora');

	const startSpan = (name: SpanName, { attributes = {}, parent, startMs }: SpanOptions = {}): Span => {
		const context = contextOf(parent === undefined ? currentTraceparent() : parent);
		const settings = { attributes: namedAttributes(attributes), ...(startMs !== undefined && { startTime: startMs }) };
		return wrap(tracer.startSpan(name, settings, context));
	};

	return {
		startSpan,
		async inSpan(name, options, work) {
			const span = startSpan(name, options);
			try {
				return await activeSpan.run(span, () => work(span));
			} catch (error) {
				span.recordError(error);
				throw error;
			} finally {
				span.end();
			}
		},
		async shutdown(graceMs = 2000) {
			const done = new AbortController();
			const stopped = provider.shutdown().catch(() => {});
			await Promise.race([stopped, systemClock.sleep(graceMs, done.signal)]);
			done.abort();
		},
	};
}

function contextOf(parent: string | null): otel.Context {
	const remote = parseTraceparent(parent);
	if (remote === undefined) return otel.ROOT_CONTEXT;
	const { traceId, spanId, sampled } = remote;
	const traceFlags = sampled ? otel.TraceFlags.SAMPLED : otel.TraceFlags.NONE;
	return otel.trace.setSpanContext(otel.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function wrap(span: otel.Span): Span {
	const { traceId, spanId, traceFlags } = span.spanContext();
	let ended = false;
	return {
		traceId,
		spanId,
		traceparent: formatTraceparent({ traceId, spanId, sampled: (traceFlags & otel.TraceFlags.SAMPLED) !== 0 }),
		setAttribute(name, value) {
			span.setAttribute(attributeName(name), attributeValue(value));
		},
		recordError(error) {
			const message = redactText(error instanceof Error ? error.message : String(error));
			span.recordException({ name: error instanceof Error ? error.name : 'Error', message });
			span.setStatus({ code: otel.SpanStatusCode.ERROR, message });
		},
		end(atMs) {
			if (ended) return;
			ended = true;
			span.end(atMs);
		},
	};
}

const attributeName = (name: FieldName): string => `ampora.${name}`;

const attributeValue = (value: FieldValue): string | number | boolean =>
	typeof value === 'bigint' ? value.toString() : typeof value === 'string' ? redactText(value) : value;

function namedAttributes(attributes: SpanAttributes): otel.Attributes {
	const named: otel.Attributes = {};
	for (const [name, value] of Object.entries(attributes))
		named[attributeName(name as FieldName)] = attributeValue(value);
	return named;
}
