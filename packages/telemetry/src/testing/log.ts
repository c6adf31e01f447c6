import { createLogger, type Logger } from '../log.js';

export type LoggedLine = { readonly level: string; readonly msg: string } & Readonly<Record<string, unknown>>;

export interface TestLogger {
	readonly logger: Logger;
	readonly lines: readonly LoggedLine[];
}

/** The real logger, its lines parsed and kept in memory. */
export function createTestLogger(service = 'test'): TestLogger {
	const lines: LoggedLine[] = [];
	const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
	return { logger: createLogger({ service, level: 'debug', destination }), lines };
}
