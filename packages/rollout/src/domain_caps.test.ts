import { describe, expect, it } from 'vitest';
import { domainCap } from './cohorts.js';
import { resolveSpec } from './spec.js';
import { oneStep, until } from './testing/scenario.js';
import { keepsSilent, RolloutWorld } from './testing/world.js';

describe('caps of failure domains', () => {
	it('are a quarter of the domain, at least one, and none where a number is named or nothing is spread', () => {
		const spread = resolveSpec({ seed: 'seed', spreadBy: 'zone' });
		expect([1, 3, 8, 11, 400].map((agents) => domainCap(spread, agents))).toEqual([1, 1, 2, 2, 100]);
		for (const spec of [{ ...spread, maxInFlight: 7 }, resolveSpec({ seed: 'seed' })]) {
			expect(domainCap(spec, 8)).toBe(Number.MAX_SAFE_INTEGER);
		}
	});

	it('hold back the agents of one domain and nobody else', () => {
		const world = new RolloutWorld({ strategy: oneStep, spreadBy: 'zone' });
		const slow = world.addAgents(8, { domain: 'slow', behaviour: keepsSilent });
		world.addAgents(92, { domain: 'quick' });
		world.start();
		world.pass(120);
		expect(world.rollout.domains?.map(({ agents }) => agents).toSorted((a, b) => a - b)).toEqual([8, 92]);
		expect(slow.filter(({ assignment }) => assignment?.versionId === world.rollout.versionId)).toHaveLength(2);
		expect(world.count('Applied')).toBe(92);
	});

	it('hold on the way back as well', () => {
		const world = new RolloutWorld({ strategy: oneStep, spreadBy: 'zone', bakeMs: 3_600_000 });
		const sick = world.addAgents(8, { domain: 'sick' });
		world.addAgents(92, { domain: 'well' });
		world.start();
		world.passUntil(() => world.count('Applied') === 100);
		for (const agent of sick) {
			agent.behaviour = keepsSilent;
			world.setHealth(agent, false);
		}
		world.ask('rollback');
		const back = () => sick.filter((agent) => world.targetOf(agent).back?.state === 'assigned').length;
		let most = 0;
		while (world.count('RolledBack') < 92 && world.nowMs < 10_000_000) {
			world.pass(1);
			most = Math.max(most, back());
		}
		// Two of eight at a time, however sick they are; nobody else waits for them.
		expect([most, back()]).toEqual([2, 2]);
		until(world, 'RolledBack', 4 * 3_600);
		expect(world.rollout.back).toMatchObject({ todo: 0, inFlight: 0, confirmed: 92, listed: 8 });
		expect(world.rollout.backByDomain).toEqual({});
	});

	it('count joiners, those of a new domain too', () => {
		const world = new RolloutWorld({ spreadBy: 'zone' });
		world.addAgents(20, { domain: 'a' });
		world.start();
		world.addAgents(4, { domain: null });
		world.addAgents(4, { domain: 'a' });
		until(world, 'Completed', 4 * 3_600);
		expect(world.rollout.domains).toEqual([
			{ name: 'a', agents: 24 },
			{ name: null, agents: 4 },
		]);
	});
});
