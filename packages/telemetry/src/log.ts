import { pino } from 'pino';
import { activeSpan } from './active_span.js';
import type { FieldName, FieldValue } from './fields.js';
import { redactText, redactValue } from './redact.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Known names first (`fieldNames`); others are allowed for what belongs to one place only. */
export type LogFields = { readonly [K in FieldName]?: FieldValue | null } & {
	readonly error?: unknown;
	readonly [other: string]: unknown;
};

/** One JSON object per line. Fields and messages are cleaned of secrets and configuration bodies; inside a span the ids of its trace are added. */
export interface Logger {
	debug(message: string, fields?: LogFields): void;
	info(message: string, fields?: LogFields): void;
	warn(message: string, fields?: LogFields): void;
	error(message: string, fields?: LogFields): void;
	/** A logger that adds `fields` to every line. */
	child(fields: LogFields): Logger;
}

export interface LoggerOptions {
	/** What runs, such as `gateway`. */
	readonly service: string;
	/** Which one, such as `gw-1`. */
	readonly instance?: string;
	readonly level?: LogLevel | 'silent';
	/** Gets each line with its line end; standard output when absent. */
	readonly destination?: { write(line: string): void };
}

export function createLogger({ service, instance, level = 'info', destination }: LoggerOptions): Logger {
	const sink = pino(
		{
			level,
			base: { service, ...(instance !== undefined && { instance }) },
			timestamp: pino.stdTimeFunctions.isoTime,
			formatters: { level: (label) => ({ level: label }) },
		},
		destination ?? pino.destination({ dest: 1, sync: true }),
	);
	return withFields(sink, {});
}

export const silentLogger: Logger = {
	debug: () => {},
	info: () => {},
	warn: () => {},
	error: () => {},
	child: () => silentLogger,
};

function withFields(sink: pino.Logger, bound: LogFields): Logger {
	const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
		if (!sink.isLevelEnabled(level)) return;
		const span = activeSpan.getStore();
		const ids = span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
		sink[level](redactValue({ ...ids, ...bound, ...fields }), redactText(message));
	};
	return {
		debug: at('debug'),
		info: at('info'),
		warn: at('warn'),
		error: at('error'),
		child: (fields) => withFields(sink, { ...bound, ...fields }),
	};
}
