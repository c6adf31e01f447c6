import { createHmac } from 'node:crypto';
import { assert } from '@ampora/runtime';
import type { Member, Order, RolloutSpec, StepSize, Strategy } from './model.js';

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** HMAC-SHA256(seed, key): the same seed and keys give the same order on every installation. */
export const rankHash = (seed: string, key: string): string => createHmac('sha256', seed).update(key).digest('hex');

/** The order in which members take part; ties go by agent id, so that it is total. */
export function orderMembers(members: readonly Member[], order: Order, seed: string): readonly Member[] {
	const tie = (a: Member, b: Member): number => compare(a.facts.agentId, b.facts.agentId);
	switch (order) {
		case 'hostname':
			return members.toSorted((a, b) => compare(a.hostname, b.hostname) || tie(a, b));
		case 'last-seen':
			return members.toSorted((a, b) => b.lastSeenMs - a.lastSeenMs || tie(a, b));
		case 'random': {
			const hashes = new Map(members.map((member) => [member, rankHash(seed, member.key)]));
			const hash = (member: Member): string => hashes.get(member) ?? '';
			return members.toSorted((a, b) => compare(hash(a), hash(b)) || tie(a, b));
		}
	}
}

/** More failure domains than this are no domains: the attribute is as good as a name of each agent. */
export const domainsMax = 1_000;

/** How many failure domains members stand in; those without one share one. */
export const domainCount = (members: readonly Member[]): number => domainsOf(members).length;

function domainsOf(members: readonly Member[]): readonly (readonly Member[])[] {
	const domains = new Map<string | null, Member[]>();
	for (const member of members) {
		const domain = domains.get(member.domain ?? null);
		if (domain === undefined) domains.set(member.domain ?? null, [member]);
		else domain.push(member);
	}
	return [...domains.values()];
}

/**
 * Mixes failure domains so that of every prefix, whatever steps it is cut into, each domain holds its share rounded down or up. The i-th
 * of a domain of s among N may come no earlier than its share allows, (i-1)·N/s, and must come by i·N/s: taking whoever is due first
 * among those that may come meets every such deadline. Inside a domain the order stays, and ties go to who ranked first.
 */
export function spread(members: readonly Member[]): readonly Member[] {
	const total = members.length;
	const domains = domainsOf(members).map((queue, tie) => ({ queue, tie, taken: 0 }));
	type Domain = (typeof domains)[number];
	const releases = new Map<number, Domain[]>([[0, domains]]);
	const ready: Domain[] = [];
	const dueAt = ({ queue, taken }: Domain): number => Math.ceil(((taken + 1) * total) / queue.length);
	const spreadOut: Member[] = [];
	for (let slot = 0; slot < total; slot += 1) {
		ready.push(...(releases.get(slot) ?? []));
		releases.delete(slot);
		const first = ready.reduce<Domain | null>(
			(best, domain) =>
				best === null || dueAt(domain) < dueAt(best) || (dueAt(domain) === dueAt(best) && domain.tie < best.tie)
					? domain
					: best,
			null,
		);
		const member = first?.queue[first.taken];
		assert(first !== null && member !== undefined, 'shares add up to one: somebody may always come');
		spreadOut.push(member);
		first.taken += 1;
		ready.splice(ready.indexOf(first), 1);
		if (first.taken === first.queue.length) continue;
		const from = Math.max(slot + 1, Math.floor((first.taken * total) / first.queue.length));
		releases.set(from, [...(releases.get(from) ?? []), first]);
	}
	return spreadOut;
}

/** The agents a strategy divides: `eligible` may still take part or do already; `planned` of them were ranked at the start. */
export interface Population {
	readonly eligible: number;
	readonly planned: number;
}

/** Steps of the strategy, dropped ones included. Batches are as many as the agents planned need. */
export const stepCount = (strategy: Strategy, planned: number): number =>
	ownStepCount(strategy, planned) + aheadOf(strategy);

/** Steps before the strategy's own. */
const aheadOf = ({ firstAgentAlone }: Strategy): number => (firstAgentAlone === true ? 1 : 0);

function ownStepCount(strategy: Strategy, planned: number): number {
	switch (strategy.kind) {
		case 'batch':
			return Math.max(1, Math.ceil(planned / strategy.batchSize));
		case 'percentage':
			return strategy.percentages.length;
		case 'canary':
			return strategy.steps.length;
	}
}

export interface StepSpec {
	readonly name: string | null;
	readonly size: StepSize;
	readonly dwellMs: number;
}

/** What there is to one step; sizes are cumulative. */
export function stepSpecAt(strategy: Strategy, index: number): StepSpec {
	const own = ownStepAt(strategy, Math.max(0, index - aheadOf(strategy)));
	return index < aheadOf(strategy) ? { ...own, name: 'first-agent', size: { kind: 'count', value: 1 } } : own;
}

function ownStepAt(strategy: Strategy, index: number): StepSpec {
	switch (strategy.kind) {
		case 'batch': {
			const value = (index + 1) * strategy.batchSize;
			return { name: null, size: { kind: 'count', value }, dwellMs: strategy.dwellMs };
		}
		case 'percentage': {
			const value = strategy.percentages[index] ?? 100;
			return { name: null, size: { kind: 'percent', value }, dwellMs: strategy.dwellMs };
		}
		case 'canary': {
			const step = strategy.steps[index];
			return {
				name: step?.name ?? null,
				size: step?.size ?? { kind: 'percent', value: 100 },
				dwellMs: step?.dwellMs ?? 0,
			};
		}
	}
}

/** How many agents all steps up to this one hold: the first rounded up, later ones half up, the last all. Integers only. */
export function cumulativeSize(strategy: Strategy, index: number, population: Population): number {
	const { eligible } = population;
	if (index >= stepCount(strategy, population.planned) - 1) return eligible;
	const { size } = stepSpecAt(strategy, index);
	if (size.kind === 'count') return Math.min(size.value, eligible);
	if (index === aheadOf(strategy)) return Math.floor((size.value * eligible + 99) / 100);
	return Math.floor((2 * size.value * eligible + 100) / 200);
}

export interface PlannedStep extends StepSpec {
	readonly index: number;
	/** Agents it adds to those placed before. */
	readonly quota: number;
}

/** The next step after `index` that adds anybody to those already placed; steps that add nobody are dropped. */
export function nextStep(
	strategy: Strategy,
	index: number | null,
	population: Population & { readonly placed: number },
): PlannedStep | null {
	const count = stepCount(strategy, population.planned);
	for (let at = index === null ? 0 : index + 1; at < count; at += 1) {
		const quota = cumulativeSize(strategy, at, population) - population.placed;
		if (quota > 0) return { ...stepSpecAt(strategy, at), index: at, quota };
	}
	return null;
}

/** The steps still to come, or all of them before the start. */
export function stepsAhead(
	strategy: Strategy,
	index: number | null,
	population: Population & { readonly placed: number },
): readonly PlannedStep[] {
	const steps: PlannedStep[] = [];
	let { placed } = population;
	for (let step = nextStep(strategy, index, population); step !== null; ) {
		steps.push(step);
		placed += step.quota;
		step = nextStep(strategy, step.index, { ...population, placed });
	}
	return steps;
}

export const isLastStep = (strategy: Strategy, index: number, planned: number): boolean =>
	index >= stepCount(strategy, planned) - 1;

/** Does a step that ended start the next one by itself. */
export const advancesAlone = (strategy: Strategy): boolean => strategy.kind === 'canary' || strategy.advance === 'auto';

const defaultInFlightPercent = 5;
const defaultInFlightMax = 1_000;

/** Agents that may be pushed and not yet answered at the same time. */
export function inFlightCap(spec: RolloutSpec, eligible: number): number {
	if (spec.maxInFlight === 'unlimited') return Number.MAX_SAFE_INTEGER;
	if (spec.maxInFlight !== null) return spec.maxInFlight;
	return Math.min(defaultInFlightMax, Math.max(1, Math.floor((defaultInFlightPercent * eligible) / 100)));
}

const domainInFlightPercent = 25;

/** How many of them may be in one failure domain of so many agents: who names a `maxInFlight` has said all there is to say. */
export function domainCap(spec: RolloutSpec, agents: number): number {
	if (!spec.spreadBy || spec.maxInFlight !== null) return Number.MAX_SAFE_INTEGER;
	return Math.max(1, Math.floor((domainInFlightPercent * agents) / 100));
}
