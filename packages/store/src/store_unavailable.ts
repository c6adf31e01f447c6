/** `away`: Postgres does not answer or refuses us. `lapsed`: this gateway's lease is not current any more; renew, re-admit, repeat. */
export type UnavailableReason = 'away' | 'lapsed';

/**
 * Postgres could not be asked, or not in time. What was being written is not in the database, or is and may be written again. The
 * cause is the driver's own error.
 */
export class StoreUnavailable extends Error {
	override readonly name = 'StoreUnavailable';
	constructor(
		readonly reason: UnavailableReason,
		message: string,
		cause?: unknown,
	) {
		super(message, { cause });
	}
}

/** Codes of node's sockets that say the server is not there. */
const socketCodes = new Set([
	'ECONNREFUSED',
	'ECONNRESET',
	'ECONNABORTED',
	'EPIPE',
	'ETIMEDOUT',
	'ENOTFOUND',
	'EAI_AGAIN',
	'EHOSTUNREACH',
	'ENETUNREACH',
	'ENOENT',
]);

/** SQLSTATEs by which a server that is there says: not now. Shutting down, starting, too many clients, read-only after a failover, timeouts. */
const awayStates = /^(08...|57P0[1-5]|57014|53...|25006|25P0[34])$/;

/** What drivers say without any code. */
const awayMessages =
	/^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Query read timeout|PGlite is clos|Cannot use a pool after calling end|Client was closed)/i;

const codeOf = (error: unknown): string =>
	typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Two transactions met and this one was chosen to be repeated. */
export const isRepeatable = (error: unknown): boolean => codeOf(error) === '40P01' || codeOf(error) === '40001';

function isAway(error: unknown): boolean {
	const code = codeOf(error);
	return socketCodes.has(code) || awayStates.test(code) || (error instanceof Error && awayMessages.test(error.message));
}

/** The error as callers of a store see it: everything that is not Postgres being away is a bug and stays what it is. */
export function asStoreError(error: unknown): unknown {
	if (error instanceof StoreUnavailable || !isAway(error)) return error;
	return new StoreUnavailable('away', error instanceof Error ? error.message : 'Postgres is away', error);
}
