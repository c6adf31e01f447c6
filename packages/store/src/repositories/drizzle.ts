import { DrizzleQueryError, type SQL, sql } from 'drizzle-orm';
import { asStoreError, StoreUnavailable } from '../store_unavailable.js';

/** Where a page ends: the sort value as Postgres writes it, and the id that breaks ties. */
export interface Cursor {
	readonly value: string;
	readonly id: string;
}

export interface Page<Row> {
	readonly rows: readonly Row[];
	/** Null on the last page. */
	readonly next: Cursor | null;
}

/** Cuts a page out of up to `limit + 1` rows: the extra one only tells that there is more. */
export function pageOf<Row extends { readonly cursorValue: string }>(
	rows: readonly Row[],
	limit: number,
	idOf: (row: Row) => string,
): Page<Row> {
	const kept = rows.slice(0, limit);
	const last = kept.at(-1);
	const more = rows.length > limit && last !== undefined;
	return { rows: kept, next: more ? { value: last.cursorValue, id: idOf(last) } : null };
}

export const escapeLike = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&');

/** `expression = any(array)` with one parameter however long the list is. */
export const anyOf = (
	column: SQL | { getSQL(): SQL },
	values: readonly (string | number)[],
	type: 'uuid' | 'text' | 'int',
): SQL => sql`${column} = any(${sql.param([...values])}::${sql.raw(type)}[])`;

/** The driver's own error, without what drizzle wraps around it (the statement with its parameters). */
export function driverError(error: unknown): unknown {
	return error instanceof DrizzleQueryError && error.cause !== undefined ? driverError(error.cause) : error;
}

/** Does this error, or what caused it, say that Postgres is away. */
export function isStoreAway(error: unknown): boolean {
	for (let at = error; at instanceof Error; at = at.cause) {
		if (asStoreError(at) instanceof StoreUnavailable) return true;
	}
	return false;
}

/** The name of the unique constraint a statement ran into; undefined for any other error. */
export function uniqueViolation(error: unknown): string | undefined {
	return violation(error, '23505');
}

export const foreignKeyViolation = (error: unknown): string | undefined => violation(error, '23503');

function violation(error: unknown, sqlState: string): string | undefined {
	for (let at = error; at instanceof Error; at = at.cause) {
		if ('code' in at && at.code === sqlState) {
			return 'constraint' in at && typeof at.constraint === 'string' ? at.constraint : '';
		}
	}
	return undefined;
}
