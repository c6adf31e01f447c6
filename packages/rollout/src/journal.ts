import { createHash } from 'node:crypto';
import type { Decision, Snapshot } from './decision.js';

/** JSON with sorted keys and without absent values: the same value gives the same text, however it was built. */
export function canonicalJson(value: unknown): string {
	if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
	if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
	let text = '';
	const record = value as Readonly<Record<string, unknown>>;
	for (const key of Object.keys(record).sort()) {
		if (record[key] === undefined) continue;
		text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(record[key])}`;
	}
	return `{${text}}`;
}

/** What the journal keeps of a decision's input, plain JSON: all that `decide` was given, which is all that a replay needs (R3). */
export const journalInput = (snapshot: Snapshot): Snapshot => snapshot;

/** sha256 over the decision in canonical form: a replay of its input has to give the same bytes (R3). */
export const decisionDigest = (decision: Decision): Uint8Array =>
	new Uint8Array(createHash('sha256').update(canonicalJson(decision)).digest());
