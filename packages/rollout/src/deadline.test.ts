import { describe, expect, it } from 'vitest';
import { canary, minute, oneStep, until } from './testing/scenario.js';
import { keepsSilent, RolloutWorld } from './testing/world.js';

/** Apply timeouts so late that nothing but the deadline can end the waiting. */
const patient = { gates: { 'apply-timeout-ratio': { thresholdPercent: 100, windowMs: 600 * minute } } } as const;

describe('progress deadline', () => {
	it('pauses when no agent changes state though all are waited for, and a resume starts it again', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited', ...patient });
		world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.pass(29 * 60);
		expect(world.rollout.state).toBe('InProgress');
		until(world, 'Paused', 90);
		expect(world.rollout.pauseReasons).toEqual(['deadline']);
		world.pass(40 * 60);
		world.ask('resume');
		world.settle();
		world.pass(29 * 60);
		expect(world.rollout.state).toBe('InProgress');
		until(world, 'Paused', 90);
		expect(world.rollout.pauseReasons).toEqual(['deadline']);
	});

	it('starts again for a resume that comes before the next look, too', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited', ...patient });
		world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		until(world, 'Paused', 31 * 60);
		world.ask('resume');
		world.settle();
		expect(world.rollout.state).toBe('InProgress');
		world.pass(29 * 60);
		expect(world.rollout.state).toBe('InProgress');
	});

	it('starts again with every agent that changes state', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited', ...patient });
		const agents = world.addAgents(4, { behaviour: keepsSilent });
		world.start();
		for (const agent of agents) {
			world.pass(25 * 60);
			if (agent.assignment !== null) agent.assignment.answer = 'applied';
		}
		expect(world.rollout.pauseReasons).toEqual([]);
		expect(world.count('Applied')).toBe(3);
	});

	it('is not about dwells and bakes, a step started by hand, or a group that is all away', () => {
		const dwelling = new RolloutWorld({ strategy: canary([50, 90 * minute], [100, 90 * minute]), bakeMs: 90 * minute });
		dwelling.addAgents(10);
		dwelling.start();
		until(dwelling, 'Completed', 6 * 3_600);
		const byHand = new RolloutWorld({
			strategy: { kind: 'batch', batchSize: 5, advance: 'manual', dwellMs: 0 },
		});
		byHand.addAgents(10);
		byHand.start();
		byHand.pass(3 * 3_600);
		expect(byHand.rollout.state).toBe('InProgress');
		const away = new RolloutWorld();
		away.addAgents(10, { session: 'goodbye' });
		away.start();
		away.pass(3_600);
		expect(away.rollout.state).toBe('InProgress');
	});

	it('stands still while our own side cannot hear (R12)', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited', ...patient });
		world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.pass(60);
		world.environment = { ...world.environment, controlLost: 50, controlConnected: 100 };
		world.pass(3_600);
		expect(world.rollout.pauseReasons).toEqual(['control-plane']);
		world.environment = { ...world.environment, controlLost: 0 };
		until(world, 'InProgress', 300);
		world.pass(28 * 60);
		expect(world.rollout.pauseReasons).toEqual([]);
	});
});
