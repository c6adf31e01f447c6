// Agents that restart under another uid in the middle of a rollout, known by their attributes. Each scenario is run once more with
// agents known by their uids alone, and has to fail then.
import type { Flaws } from '@ampora/store/testing';
import { describe, expect, test } from 'vitest';
import { displaced, expectNothing, handedAgain } from '../support/judgements.js';
import { calmSpec, Directed, type Directions } from './directed.js';

/** Of the two of the first step the second fails. */
const world: Directions = {
	agents: 8,
	identity: ['service.name', 'host.name'],
	outcome: (index) => (index === 1 ? { kind: 'failed', error: 'no such exporter' } : { kind: 'instant' }),
	spec: {
		gates: {
			'apply-failed-ratio': { thresholdPercent: 60, windowMs: 0 },
			'apply-timeout-ratio': { thresholdPercent: 20, windowMs: 8_000 },
			'disconnect-ratio': { thresholdPercent: 20, windowMs: 3_000 },
			'effective-mismatch-ratio': { thresholdPercent: 20, windowMs: 3_000 },
			'unhealthy-ratio': { thresholdPercent: 20, windowMs: 2_000 },
		},
	},
};

async function afterItsFirstStep(flaws?: Flaws, dwellMs = 4_000) {
	const { strategy } = calmSpec;
	const steps = strategy.kind === 'canary' ? strategy.steps.map((step) => ({ ...step, dwellMs })) : [];
	const spec = { ...world.spec, strategy: { kind: 'canary', steps } } as const;
	const on = await Directed.set({ ...world, spec, ...(flaws && { flaws }) });
	const id = await on.begin();
	await on.until('the first step answered', () => on.count(id, 'Applied') === 1 && on.count(id, 'Failed') === 1);
	await on.until('the second has its version back', () => on.assignment(1)?.answer === 'applied');
	return { on, id };
}

/** One that has the version, one on which it failed, one whose step comes next, one of the last step. */
async function keepTheirPlaces(flaws?: Flaws): Promise<void> {
	const { on, id } = await afterItsFirstStep(flaws);
	const some = [0, 1, 2, 6];
	const before = on.places(id, some);
	const seqs = [0, 1].map((index) => on.assignment(index)?.seq);
	await on.reborn(some);
	expectNothing(displaced(before, on.places(id, some)));
	expect([0, 1].map((index) => on.assignment(index)?.seq)).toEqual(seqs);
	await on.untilState(id, 'Completed');
	expectNothing(displaced(before, on.places(id, some)));
	expect(on.targets(id)).toHaveLength(8);
	expect([on.count(id, 'Applied'), on.count(id, 'Failed')]).toEqual([7, 1]);
	expectNothing(handedAgain(on.handed('new version')));
	await on.expectRest();
}

/** What failed on an agent stays away from it, whatever it calls itself (R9). */
async function failsOnce(flaws?: Flaws): Promise<void> {
	const { on, id } = await afterItsFirstStep(flaws);
	await on.reborn([1]);
	await on.untilState(id, 'Completed');
	expectNothing(handedAgain(on.handed('new version')));
	expect(on.count(id, 'Failed')).toBe(1);
	await on.expectRest();
}

/** Its host died and nobody heard of it: it is back before its gateway knows, and waits for its place. */
async function waitForTheirPlaces(flaws?: Flaws): Promise<void> {
	const { on, id } = await afterItsFirstStep(flaws, 60_000);
	const some = [1, 6];
	const before = on.places(id, some);
	await on.reborn(some, { unheard: true });
	expect(displaced(before, on.places(id, some))).toHaveLength(2);
	await on.until('their places', () => displaced(before, on.places(id, some)).length === 0, 60);
	await on.untilState(id, 'Completed', 300);
	expectNothing(displaced(before, on.places(id, some)));
	expectNothing(handedAgain(on.handed('new version')));
	expect(on.targets(id)).toHaveLength(8);
	expect([on.count(id, 'Applied'), on.count(id, 'Failed')]).toEqual([7, 1]);
	await on.expectRest();
}

describe.each([
	['agents that come back under another uid keep their places', keepTheirPlaces, /lost its place/],
	['a version that failed is not handed to the same agent again', failsOnce, /agent 1 was handed it again/],
	[
		'agents that come back before anybody knew that they had gone get their places later',
		waitForTheirPlaces,
		/their places/,
	],
] as const)('%s', (_, scenario, lacks) => {
	test('holds', () => scenario());
	test('does not where only uids count', () => expect(scenario({ ignoreIdentity: true })).rejects.toThrow(lacks));
});
