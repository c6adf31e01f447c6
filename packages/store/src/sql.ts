import { isRepeatable } from './store_unavailable.js';

export type Row = Record<string, unknown>;

/** `snapshot`: everything read is of one moment, and nothing is written. `write`: read committed. */
export type TransactionKind = 'snapshot' | 'write';

/**
 * Postgres as the hot statements need it, the same over a pool and over the embedded database. Whole numbers of any width arrive as
 * `number`, `bytea` as Uint8Array, JSON parsed. Every error that means "away" is a `StoreUnavailable`.
 */
export interface Sql {
	query<T extends Row>(text: string, params?: readonly unknown[]): Promise<readonly T[]>;
	/** Commits when `work` resolves, rolls back and rethrows when it rejects. Inside, only the `Sql` that is handed in may be used. */
	transaction<T>(kind: TransactionKind, work: (sql: Sql) => Promise<T>): Promise<T>;
}

const repeatsMax = 5;

/** Locks are taken in the order of ids, so deadlocks are rare; what Postgres breaks up nevertheless is simply done again. */
export async function repeating<T>(work: () => Promise<T>): Promise<T> {
	for (let repeat = 0; ; repeat += 1) {
		try {
			return await work();
		} catch (error) {
			if (repeat === repeatsMax || !isRepeatable(error)) throw error;
		}
	}
}

export const beginOf: Record<TransactionKind, string> = {
	snapshot: 'begin isolation level repeatable read read only',
	write: 'begin isolation level read committed',
};

/** The one row of a statement that returns exactly one. */
export function onlyRow<T>(rows: readonly T[]): T {
	const [row] = rows;
	if (row === undefined) throw new Error('the statement returned no row');
	return row;
}

/** bytea in the text form that Postgres reads back: how bytes travel inside JSON parameters. */
export const hex = (bytes: Uint8Array | null | undefined): string | null =>
	bytes === null || bytes === undefined ? null : `\\x${Buffer.from(bytes).toString('hex')}`;

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.slice(2), 'hex'));
