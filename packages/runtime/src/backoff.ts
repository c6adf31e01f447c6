import type { Random } from './random.js';

export interface BackoffOptions {
	/** Delay before the first retry, ms. */
	baseMs: number;
	/** No delay is longer than this, ms. */
	maxMs: number;
}

/** Delay before retry number `attempt` (from 0): doubling up to `maxMs`, the upper half of it random, so that a crowd spreads out. */
export function backoffDelayMs(attempt: number, { baseMs, maxMs }: BackoffOptions, random: Random): number {
	const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
	return Math.floor(ceiling / 2 + (random.next() * ceiling) / 2);
}
