import { createHash } from 'node:crypto';
import type { Decision, Snapshot } from './decision.js';

/** JSON with sorted keys and without absent values: the same value gives the same text, however it was built. */
export function canonicalJson(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
	if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
	const entries = Object.entries(value)
		.filter(([, item]) => item !== undefined)
		.toSorted(([a], [b]) => (a < b ? -1 : 1))
		.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
	return `{${entries.join(',')}}`;
}

/** What the journal keeps of a decision's input: all that `decide` was given, which is all that a replay needs (R3). */
export const journalInput = (snapshot: Snapshot): unknown => JSON.parse(canonicalJson(snapshot));

/** sha256 over the decision in canonical form: a replay of its input has to give the same bytes (R3). */
export const decisionDigest = (decision: Decision): Uint8Array =>
	new Uint8Array(createHash('sha256').update(canonicalJson(decision)).digest());
