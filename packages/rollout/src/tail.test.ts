import { describe, expect, it } from 'vitest';
import { oneStep, until } from './testing/scenario.js';
import { fails, RolloutWorld } from './testing/world.js';

describe('the tail', () => {
	const withDeferred = (deferred: number, maxDeferredPercent = 20): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent, deferForMs: 3_600_000 });
		world.addAgents(10 - deferred);
		world.addAgents(deferred, { session: 'goodbye' });
		return world;
	};

	it('pushes agents that return, and stays Completed', () => {
		const world = withDeferred(2);
		world.start();
		until(world, 'Completed');
		expect(world.count('Deferred')).toBe(2);
		for (const agent of world.agents.values()) agent.session = 'live';
		world.pass(30);
		expect(world.count('Applied')).toBe(10);
		expect(world.rollout.state).toBe('Completed');
	});

	it('is closed by a gate that fires in it', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent: 100, deferForMs: 3_600_000 });
		world.addAgents(4);
		const late = world.addAgents(6, { session: 'goodbye', behaviour: fails });
		world.start();
		until(world, 'Completed');
		for (const agent of late) agent.session = 'live';
		world.pass(60);
		expect(world.rollout).toMatchObject({ state: 'Completed', tailUntilMs: null });
		expect(world.decisions.flatMap(({ events }) => events).some(({ kind }) => kind === 'tail-closed')).toBe(true);
		expect(world.offers.length).toBeLessThan(10);
	});

	it('ends with its time, and when a newer rollout takes over', () => {
		const world = withDeferred(1);
		world.start();
		until(world, 'Completed');
		world.environment = { ...world.environment, latestOfGroup: false };
		world.pass(10);
		expect(world.rollout.tailUntilMs).toBeNull();
	});

	it('is not reached with too many deferred: that waits for a person', () => {
		const world = withDeferred(3);
		world.start();
		until(world, 'Paused');
		expect(world.rollout.pauseReasons).toEqual(['deferred']);
		world.ask('resume');
		until(world, 'Completed', 10);
		expect(world.rollout.tailUntilMs).not.toBeNull();
	});
});
