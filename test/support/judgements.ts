// What is wrong with what agents saw, in words; nothing said: it is as it should be. Simulated worlds and real services are judged alike.
import type { FleetEvent } from './fleet/ledger.js';

/** An agent was handed a version. */
export interface Handed {
	/** Its index. */
	readonly agent: number;
	readonly atMs: number;
}

/** From an instant up to, not with, another, on the clock of what is judged by it. */
export interface Span {
	readonly fromMs: number;
	readonly untilMs: number;
}

export const always: Span = { fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY };

/** While closed, nobody is handed it. */
export const handedWhileClosed = (handed: readonly Handed[], closed: readonly Span[]): string[] =>
	handed.flatMap(({ agent, atMs }) =>
		closed.some(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs)
			? [`agent ${agent} was handed it while closed, at ${Math.round(atMs)}`]
			: [],
	);

/** Whoever came back is handed it from then on. */
export const leftOut = (returned: readonly Handed[], handed: readonly Handed[]): string[] =>
	returned
		.filter((back) => !handed.some(({ agent, atMs }) => agent === back.agent && atMs >= back.atMs))
		.map(({ agent }) => `agent ${agent} came back and was never handed it`);

/** At most so many of a domain have it without having answered; agents of no domain do not count. */
export function crowds(
	events: readonly FleetEvent[],
	domainOf: (agent: number) => string | undefined,
	most: number,
): string[] {
	const waiting = new Map<string, Set<number>>();
	return events.flatMap((event) => {
		const domain = domainOf(event.agent);
		if (domain === undefined) return [];
		const agents = waiting.get(domain) ?? new Set();
		waiting.set(domain, agents);
		if (event.type === 'answered' && event.status !== 'applying') agents.delete(event.agent);
		if (event.type !== 'offered') return [];
		agents.add(event.agent);
		return agents.size > most ? [`${agents.size} agents of ${domain} had it at once without an answer`] : [];
	});
}
