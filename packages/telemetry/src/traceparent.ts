/** A position in a W3C trace, as `traceparent` headers, Postgres rows and envelopes carry it. */
export interface TraceContext {
	/** 32 hexadecimal digits. */
	readonly traceId: string;
	/** 16 hexadecimal digits. */
	readonly spanId: string;
	readonly sampled: boolean;
}

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceContext): string =>
	`00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;

/** Undefined for anything that is no valid traceparent: the trace then starts anew, as W3C Trace Context asks. */
export function parseTraceparent(text: string | null | undefined): TraceContext | undefined {
	const [, version, traceId = '', spanId = '', flags = '', rest] = shape.exec(text ?? '') ?? [];
	if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
	if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
	return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
