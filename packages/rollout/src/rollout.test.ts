import { describe, expect, it } from 'vitest';
import { oneStep } from './testing/scenario.js';
import { applies, fails, RolloutWorld } from './testing/world.js';

describe('a rollout', () => {
	it('goes through its canary steps, bakes and completes', () => {
		const world = new RolloutWorld();
		world.addAgents(100);
		world.start();
		expect(world.rollout.state).toBe('InProgress');
		world.passUntil(({ rollout }) => rollout.state === 'Completed');
		expect(world.count('Applied')).toBe(100);
		expect([...world.steps.values()].map(({ quota }) => quota)).toEqual([5, 20, 25, 50]);
	});

	it('pauses at the first crossing and hands the version to nobody else', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 20 });
		const agents = world.addAgents(250);
		agents.forEach((agent, index) => {
			agent.behaviour = index % 3 === 0 ? fails : applies;
		});
		world.start();
		world.passUntil(({ rollout }) => rollout.state === 'Paused');
		expect(world.rollout.evidence[0]?.message).toBe('apply-failed-ratio: 20.4 % > 20 % (51 of 250)');
		const offered = world.offers.length;
		world.pass(600);
		expect(world.offers.length).toBe(offered);
		expect(offered).toBeLessThan(220);
	});

	it('is paused by hand, takes back what was not sent, and resumes in the same step', () => {
		const world = new RolloutWorld();
		world.addAgents(100);
		world.start();
		world.ask('pause');
		world.settle();
		expect(world.rollout.pauseReasons).toEqual(['manual']);
		world.pass(60);
		expect(world.rollout.currentStep).toBe(0);
		world.ask('resume');
		world.passUntil(({ rollout }) => rollout.state === 'Completed');
		expect(world.count('Applied')).toBe(100);
	});
});
