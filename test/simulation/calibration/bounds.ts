// What the default gates promise, world by world, and how a number of runs is held against it.

import type { Harm } from './fleet.js';
import type { CalibrationRun } from './run.js';

export interface Bound {
	readonly agents: number;
	readonly harm: Harm;
	/** What must be rare. */
	readonly event: 'false pause' | 'completed' | 'past step 2';
	/** How rare, percent; 0: never. */
	readonly percentMax: number;
}

const bound = (agents: number, harm: Harm, event: Bound['event'], percentMax: number): Bound => ({
	...{ agents, harm, event, percentMax },
});

export const bounds: readonly Bound[] = [
	bound(3, 'none', 'false pause', 3),
	bound(10, 'none', 'false pause', 3),
	bound(100, 'none', 'false pause', 1),
	bound(1_000, 'none', 'false pause', 1),
	bound(10, 'reject', 'completed', 1),
	bound(10, 'unhealthy-soon', 'completed', 4),
	bound(10, 'session-lost', 'completed', 0),
	bound(100, 'reject', 'completed', 0.1),
	bound(100, 'unhealthy-soon', 'completed', 0.1),
	bound(100, 'session-lost', 'completed', 0.1),
	bound(100, 'unhealthy-late', 'completed', 15),
	bound(1_000, 'reject', 'completed', 0),
	bound(1_000, 'unhealthy-soon', 'completed', 0),
	bound(1_000, 'session-lost', 'completed', 0),
	bound(1_000, 'unhealthy-late', 'completed', 0.5),
	bound(100, 'reject', 'past step 2', 1),
	bound(100, 'unhealthy-soon', 'past step 2', 1),
	bound(1_000, 'reject', 'past step 2', 1),
	bound(1_000, 'unhealthy-soon', 'past step 2', 1),
];

const happened: Readonly<Record<Bound['event'], (run: CalibrationRun) => boolean>> = {
	'false pause': ({ state }) => state !== 'Completed',
	completed: ({ state }) => state === 'Completed',
	'past step 2': ({ state, step }) => state === 'Completed' || step > 2,
};

/** The chance of `k` or more in `runs` when one happens with `percent`: the exact binomial tail. */
export function chanceOfSoMany(k: number, runs: number, percent: number): number {
	if (k === 0) return 1;
	const p = percent / 100;
	if (p === 0) return 0;
	let term = (1 - p) ** runs;
	let below = 0;
	for (let count = 0; count < k; count += 1) {
		below += term;
		term *= ((runs - count) / (count + 1)) * (p / (1 - p));
	}
	return Math.max(0, 1 - below);
}

export interface Measured extends Bound {
	readonly runs: number;
	readonly count: number;
	/** The chance to see so many if the bound were just kept: tiny means that it is not. */
	readonly chance: number;
	/** The runs in which it happened, for a replay. */
	readonly seeds: readonly number[];
}

/** What the runs of the bound's world say of it. */
export function judge(bound: Bound, ran: readonly CalibrationRun[]): Measured {
	const seeds = ran.filter(happened[bound.event]).map(({ seed }) => seed);
	const chance = chanceOfSoMany(seeds.length, ran.length, bound.percentMax);
	return { ...bound, runs: ran.length, count: seeds.length, chance, seeds };
}

/** Each world once, with all that is promised of it. */
export function worldsOf(of: readonly Bound[]): readonly (readonly [Bound, ...Bound[]])[] {
	const worlds = new Map<string, [Bound, ...Bound[]]>();
	for (const one of of) {
		const key = `${one.agents} ${one.harm}`;
		const world = worlds.get(key);
		if (world) world.push(one);
		else worlds.set(key, [one]);
	}
	return [...worlds.values()];
}

/** Below this the runs speak against the bound. */
const significance = 0.01;

export const isBroken = ({ chance }: Measured): boolean => chance < significance;

export function measuredText({ agents, harm, event, percentMax, runs, count, chance, seeds }: Measured): string {
	const at = `N = ${agents}, ${harm}: ${event}`;
	const allowed = percentMax === 0 ? 'never' : `≤ ${percentMax} %`;
	const which = seeds.length === 0 ? '' : `; seeds ${seeds.slice(0, 5).join(' ')}`;
	return `${at} ${count} of ${runs} (${((100 * count) / runs).toFixed(2)} %), ${allowed}, chance ${chance.toPrecision(2)}${which}`;
}
