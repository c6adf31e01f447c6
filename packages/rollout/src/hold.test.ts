import { describe, expect, it } from 'vitest';
import { canary, minute, oneStep, outcomeOf } from './testing/scenario.js';
import { fails, keepsSilent, RolloutWorld } from './testing/world.js';

describe('our faults', () => {
	const lost = (world: RolloutWorld) => ({
		...world.environment,
		unheardGateways: [{ gateway: 'gw-2', why: 'cut off' as const, sinceMs: world.nowMs, agents: 3 }],
	});

	it('stop the clocks and the admission, and blame no agent', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 5 });
		world.addAgents(20, { behaviour: keepsSilent });
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		world.pass(200);
		expect(world.rollout.hold?.cause).toBe('gateway gw-2 cut off');
		const { observedMs } = world.rollout;
		world.pass(60);
		expect(world.rollout.observedMs).toBe(observedMs);
		expect(world.count('TimedOut')).toBe(0);
		expect(world.offers.length).toBe(1);
		world.environment = environment;
		world.pass(2);
		expect(world.rollout.hold).toBeNull();
		expect(world.rollout.state).toBe('InProgress');
	});

	/** Held for so long that it paused; `environment` is that without the cause. */
	function paused() {
		const world = new RolloutWorld({ strategy: canary([100, 30 * minute]) });
		world.addAgents(5);
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		world.pass(310);
		expect(world.rollout.pauseReasons).toEqual(['control-plane']);
		return { world, environment };
	}

	it('pause with control-plane after five minutes, which lifts by itself two minutes after the cause', () => {
		const { world, environment } = paused();
		const id = world.ask('resume');
		world.settle();
		expect(outcomeOf(world, id)?.accepted).toBe(false);
		world.environment = environment;
		world.pass(100);
		expect(world.rollout.state).toBe('Paused');
		world.pass(30);
		expect(world.rollout.state).toBe('InProgress');
	});

	it('are over two minutes after the cause, also when the clock was set back meanwhile', () => {
		const { world, environment } = paused();
		world.nowMs -= 45 * minute;
		world.environment = environment;
		world.pass(130);
		expect(world.rollout).toMatchObject({ state: 'InProgress', hold: null });
	});

	it('a failure is still the agent’s own word, but no automatic rollback starts', () => {
		const world = new RolloutWorld({ strategy: oneStep, onGate: 'rollback', maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		for (const agent of agents) {
			agent.behaviour = fails;
			fails(agent, world);
		}
		world.pass(2);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		world.environment = environment;
		world.pass(10);
		expect(world.rollout.state).toBe('RolledBack');
	});

	it('a gateway counts for two minutes after it was lost, then its missing agents are gone', () => {
		const world = new RolloutWorld({ strategy: canary([100, 30 * minute]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		world.start();
		world.pass(2);
		for (const agent of agents.slice(0, 3)) agent.session = 'unheard';
		world.environment = {
			...world.environment,
			unheardGateways: [{ gateway: 'gw-1', why: 'lost', sinceMs: world.nowMs, agents: 3 }],
		};
		world.pass(119);
		expect(world.rollout.hold?.cause).toBe('gateway gw-1 lost');
		world.pass(5);
		expect(world.rollout.hold).toBeNull();
		world.pass(310);
		expect(world.count('Disconnected')).toBe(3);
	});

	it('agents lost outside the rollout hold it: more than 5 %, at least 5', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(5);
		world.start();
		world.environment = { ...world.environment, controlLost: 4, controlConnected: 10 };
		world.pass(1);
		expect(world.rollout.hold).toBeNull();
		world.environment = { ...world.environment, controlLost: 5, controlConnected: 100 };
		world.pass(1);
		expect(world.rollout.hold).toBeNull();
		world.environment = { ...world.environment, controlLost: 6, controlConnected: 100 };
		world.pass(1);
		expect(world.rollout.hold?.cause).toMatch(/6 of 100/);
	});

	it('a clock that jumps passes no dwell and fires no timeout', () => {
		const world = new RolloutWorld({ strategy: canary([50, 30 * minute], [100, 0]), maxInFlight: 'unlimited' });
		world.addAgents(4);
		world.addAgents(4, { behaviour: keepsSilent });
		world.start();
		world.nowMs += 3_600_000;
		world.settle();
		expect(world.count('TimedOut')).toBe(0);
		world.nowMs -= 7_200_000;
		world.pass(30);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.rollout.observedMs).toBeGreaterThanOrEqual(29_000);
		expect(world.rollout.observedMs).toBeLessThanOrEqual(45_000);
	});
});
