// Cursors are opaque to callers: base64url JSON of where a page ended.
import { uuidShape } from '@ampora/api-contract';
import { ok, type Result } from '@ampora/runtime';
import type { Cursor } from '@ampora/store';
import { type ControlError, refuse } from './errors.js';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decode(cursor: string): unknown {
	try {
		return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
	} catch {
		return undefined;
	}
}

function after<T>(
	cursor: string | undefined,
	read: (decoded: unknown) => T | undefined,
): Result<T | null, ControlError> {
	if (cursor === undefined) return ok(null);
	const value = read(decode(cursor));
	if (value !== undefined) return ok(value);
	return refuse('invalid-argument', 'this cursor is not one of ours', {
		details: { field: 'cursor' },
		action: 'Pass nextCursor of the page before, unchanged, or none for the first page.',
	});
}

export const rowCursor = (next: Cursor | null): string | null => (next === null ? null : encode([next.value, next.id]));
/** Postgres casts the sort value, so that its shape is checked here: a number or an instant of the sort, or free text. */
export const rowAfter = (cursor: string | undefined, shape: RegExp = /^/): Result<Cursor | null, ControlError> =>
	after(cursor, (decoded) => {
		if (!Array.isArray(decoded)) return undefined;
		const [value, id] = decoded as unknown[];
		if (typeof value !== 'string' || typeof id !== 'string') return undefined;
		return uuidShape.test(id) && shape.test(value) ? { value, id } : undefined;
	});
export const instantShape = /^(infinity|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:?\d\d)?)$/;
export const wholeShape = /^\d{1,9}$/;

export const numberCursor = (value: number): string => encode(value);
export const numberAfter = (cursor: string | undefined): Result<number | null, ControlError> =>
	after(cursor, (decoded) => (Number.isSafeInteger(decoded) ? (decoded as number) : undefined));

export const textCursor = (value: string): string => encode(value);
export const textAfter = (cursor: string | undefined, shape: RegExp = /^/): Result<string | null, ControlError> =>
	after(cursor, (decoded) => (typeof decoded === 'string' && shape.test(decoded) ? decoded : undefined));
