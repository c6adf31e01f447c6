// The preset canary-fast over 500 agents at its full length, in virtual time.
import { defaultSpec, presets, type RolloutSpec, resolveSpec } from '@ampora/rollout';
import { expect, test } from 'vitest';
import type { Outcome } from '../support/fleet/outcome.js';
import { Directed, type Directions } from './directed.js';

const agents = 500;
const minute = 60;
const { rollbackTo: _, ...spec }: RolloutSpec = {
	...defaultSpec('canary-fast'),
	...resolveSpec({ ...presets['canary-fast'], seed: 'canary-fast', acceptNoWayBack: true }),
	maxDeferredPercent: 40,
};

const sickens: Outcome = { kind: 'unhealthy', afterMs: minute * 1_000 };
const set = (directions: Omit<Directions, 'agents' | 'spec'>) => Directed.set({ agents, spec, ...directions });

/** Agents that ever had the version in this rollout. */
const handed = (on: Directed, id: Parameters<Directed['targets']>[0]) =>
	on.targets(id).filter(({ pushedAt }) => pushedAt !== null);

test('a good version reaches everybody', async () => {
	const on = await set({});
	const id = await on.begin();
	await on.untilState(id, 'Completed', 60 * minute);
	expect(on.count(id, 'Applied')).toBe(agents);
});

test('a version that 30 % reject is taken back', async () => {
	const on = await set({
		outcome: (index) =>
			index % 10 < 3 ? { kind: 'failed', error: 'no such exporter', afterMs: 50 } : { kind: 'instant' },
	});
	const id = await on.begin();
	await on.untilState(id, 'RolledBack', 60 * minute);
	expect(on.rollout(id).evidence).toMatchObject([{ gate: 'apply-failed-ratio' }]);
	expect(handed(on, id).length).toBeLessThanOrEqual(50);
});

test('a version that makes agents sick one fifth into the first dwell is handed to ten alone', async () => {
	const on = await set({ outcome: () => sickens });
	const id = await on.begin();
	await on.untilState(id, 'RolledBack', 20 * minute);
	expect(handed(on, id)).toHaveLength(10);
	expect(on.rollout(id).evidence).toMatchObject([{ gate: 'unhealthy-ratio', step: 0, n: 10 }]);
	expect(on.count(id, 'RolledBack')).toBe(10);
});

test('and so it is with 30 % asleep and a gateway killed in the first step', async () => {
	const on = await set({ outcome: () => sickens });
	for (const [index, agent] of on.world.agents.entries()) if (index % 10 < 3) agent.goodbye(120 * minute * 1_000);
	await on.world.runFor(5_000);
	const id = await on.begin();
	await on.until('the first step applied', () => on.count(id, 'Applied') === 10, 5 * minute);
	on.world.gateways[0]?.process.kill();
	await on.untilState(id, 'RolledBack', 30 * minute);
	expect(handed(on, id)).toHaveLength(10);
	expect(on.rollout(id).evidence).toMatchObject([{ gate: 'unhealthy-ratio' }]);
});
