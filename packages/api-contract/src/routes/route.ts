import { z } from 'zod';
import type { ErrorCode } from '../errors.js';
import { pageQuery, type Role } from '../fields.js';

export interface Route {
	readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
	/** With `:name` for parameters. */
	readonly path: string;
	/** The least role that may call it. */
	readonly role: Role;
	readonly summary: string;
	readonly tag: string;
	readonly params: z.ZodObject;
	readonly query: z.ZodType;
	readonly body: z.ZodType | null;
	/** Schema per success status. */
	readonly answers: Readonly<Record<number, z.ZodType>>;
	/** Errors besides those any route may give. */
	readonly errors: readonly ErrorCode[];
	/** Answers with server-sent events of this schema instead of one body. */
	readonly stream?: true;
}

/** What any route with a role may answer besides its own errors. */
export const anyRouteErrors: readonly ErrorCode[] = [
	'invalid-argument',
	'unauthenticated',
	'forbidden',
	'unavailable',
	'internal',
];

const none = z.strictObject({});
export const page = z.strictObject(pageQuery);
export const base = '/api/v1';

type Verb = Route['method'];
const defaults = { params: none, query: none, body: null, errors: [] as const };
/** Fills what a route does not say, and keeps the exact schemas for the types of clients and handlers. */
export function route<const Given extends Partial<Route> & Pick<Route, 'role' | 'summary' | 'tag' | 'answers'>>(
	method: Verb,
	path: string,
	given: Given,
): Omit<typeof defaults, keyof Given> & Given & { readonly method: Verb; readonly path: string } {
	return { ...defaults, ...given, method, path: `${base}${path}` };
}
