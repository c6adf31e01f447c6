import { decodeServerToAgent, type ReceivedMessage } from '@ampora/opamp/testing';
import { backoffDelayMs, type Clock, type Random, type Timer } from '@ampora/runtime';
import type { FleetAgent, Link } from './agent.js';
import type { FleetLedger } from './ledger.js';

/** Where and how the agents of a fleet connect. */
export interface LinkTarget {
	/** ws or wss URL; pollers use the same one with http or https. */
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	/** Source address of the connection; the system chooses when absent. */
	readonly localAddress?: string;
	/** First retry after a failed attempt, and the longest one, ms. */
	readonly reconnect: { readonly baseMs: number; readonly maxMs: number };
	/** A slow reader looks at its socket once in so many ms; others always. */
	readonly readEveryMs?: number;
}

/** What the links of one fleet share. */
export interface LinkContext {
	readonly clock: Clock;
	readonly random: Random;
	readonly ledger: FleetLedger;
	nextConnection(): number;
}

/** A link as the fleet steers it. */
export interface SteeredLink extends Link {
	readonly agents: readonly FleetAgent[];
	/** Connects, and stays connected. */
	start(): void;
	/** Says goodbye for every agent and closes; resolves when the connection is gone. */
	goodbye(): Promise<void>;
}

/** Which wait comes next: none before the first retry, then doubling, and never shorter than the server asked for. */
export class ReconnectPace {
	#failures = 0;
	#timer: Timer | undefined;

	constructor(
		readonly context: Pick<LinkContext, 'clock' | 'random'>,
		readonly options: LinkTarget['reconnect'],
	) {}

	succeeded(): void {
		this.#failures = 0;
	}

	/** Runs `again` after the wait. */
	retry(again: () => void, retryAfterMs = 0): void {
		const ownMs = this.#failures === 0 ? 0 : backoffDelayMs(this.#failures - 1, this.options, this.context.random);
		this.#failures += 1;
		this.after(Math.max(ownMs, retryAfterMs), again);
	}

	after(delayMs: number, again: () => void): void {
		this.cancel();
		this.#timer = this.context.clock.after(delayMs, again);
	}

	cancel(): void {
		this.#timer?.cancel();
		this.#timer = undefined;
	}
}

/** Retry-After as ms, given as seconds or as a date; undefined when there is none to read. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
	if (header === undefined) return undefined;
	if (/^\d+$/.test(header)) return Number(header) * 1000;
	const date = Date.parse(header);
	return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

export function countRefusal(ledger: FleetLedger, agents: readonly FleetAgent[], status: number): void {
	ledger.stats.refusals[status] = (ledger.stats.refusals[status] ?? 0) + 1;
	const first = agents[0];
	if (first) ledger.emit({ type: 'refused', agent: first.index, status });
}

/** The message in bytes a server sent; undefined when they are none. */
export function readReply(message: Uint8Array): ReceivedMessage | undefined {
	try {
		return decodeServerToAgent(message);
	} catch {
		return undefined;
	}
}
