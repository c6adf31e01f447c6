// What is wrong with what agents saw, in words; nothing said: it is as it should be. Simulated worlds and real services are judged alike.
import { expect } from 'vitest';
import type { FleetEvent } from './fleet/ledger.js';

export const expectNothing = (wrong: readonly string[]) => expect(wrong, wrong.join('\n')).toEqual([]);

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

/** Where an agent, by its index, is in the order of a rollout; null: nowhere. */
export interface Place {
	readonly agent: number;
	readonly rank: number | null;
}

/** Whoever had a place has it still. */
export const displaced = (before: readonly Place[], after: readonly Place[]): string[] =>
	before.flatMap(({ agent, rank }) => {
		const now = after.find((place) => place.agent === agent)?.rank ?? null;
		return now === rank ? [] : [`agent ${agent} lost its place: it was number ${rank}, now ${now ?? 'none'}`];
	});

/** An agent is handed it once, under whatever uid. */
export const handedAgain = (handed: readonly Handed[]): string[] =>
	handed.flatMap(({ agent }, at) =>
		handed.findIndex((first) => first.agent === agent) < at ? [`agent ${agent} was handed it again`] : [],
	);

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

/** The agents reached by the end of each step are of the domains in proportion: each has its share, rounded up or down. */
export function uneven(agents: readonly { readonly domain: string; readonly step: number }[], steps: number): string[] {
	const domains = [...new Set(agents.map(({ domain }) => domain))];
	return Array.from({ length: steps }, (_, last) => last).flatMap((last) =>
		domains.flatMap((domain) => {
			const of = agents.filter((agent) => agent.domain === domain);
			const held = of.filter(({ step }) => step <= last).length;
			const share = (of.length * agents.filter(({ step }) => step <= last).length) / agents.length;
			if (Math.floor(share) <= held && held <= Math.ceil(share)) return [];
			return [`${held} agents of ${domain} up to step ${last}, their share is ${share}`];
		}),
	);
}
