import { createHash } from 'node:crypto';
import type { CurrentAssignment } from './ports.js';

/** How far an answer is: of two for the same assignment the higher is kept (R16). */
export const answerRank: Record<CurrentAssignment['answer'], number> = {
	none: 0,
	offered: 1,
	applying: 2,
	applied: 3,
	failed: 4,
	reverted: 4,
};

/** SHA-256 of the content hash and the attempt as four bytes, most significant first: what the SQL computes where it writes an assignment. */
export function offeredHashOf(contentHash: Uint8Array, attempt: number): Uint8Array {
	const counter = Buffer.alloc(4);
	counter.writeInt32BE(attempt);
	return Uint8Array.from(createHash('sha256').update(contentHash).update(counter).digest());
}
