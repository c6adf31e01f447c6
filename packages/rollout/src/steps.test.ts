import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import { canary, inStep, minute, oneStep, until } from './testing/scenario.js';
import { applies, keepsSilent, RolloutWorld } from './testing/world.js';

describe('steps', () => {
	it('wait for the dwell after the last answer', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(299);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(10);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('without a dwell last until the longest window has passed', () => {
		const world = new RolloutWorld({ strategy: canary([50, 0], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(595);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(15);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('advanced by hand wait for advance, and say so', () => {
		const world = new RolloutWorld({ strategy: { kind: 'batch', batchSize: 2, advance: 'manual', dwellMs: minute } });
		world.addAgents(6);
		world.start();
		world.pass(120);
		expect(world.steps.get(0)?.phase).toBe('ended');
		expect(decide(world.snapshot()).waitsFor).toBe('advance');
		world.ask('advance');
		world.settle();
		expect(world.rollout.currentStep).toBe(1);
	});

	it('never begin with a sick agent while there is another, and count none of them', () => {
		const world = new RolloutWorld({ strategy: canary([10, minute], [100, minute]), order: 'hostname' });
		const sick = world.addAgents(3, { healthy: false });
		world.addAgents(17);
		world.start();
		world.pass(1);
		expect(inStep(world).some((agent) => sick.includes(agent))).toBe(false);
		until(world, 'Completed');
		expect(sick.map((agent) => world.targetOf(agent).step)).toEqual([1, 1, 1]);
		expect(world.steps.get(1)?.counters.gates['unhealthy-ratio'].n).toBe(15);
	});

	it('of nothing but sick agents still take the fix', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4, { healthy: false });
		world.start();
		world.passUntil(({ rollout }) => rollout.pauseReasons.includes('inconclusive'));
		expect(world.count('Applied')).toBe(2);
	});

	it('7 % of 100 are seven', () => {
		const world = new RolloutWorld({ strategy: canary([7, minute], [100, minute]) });
		world.addAgents(100);
		world.start();
		expect(world.steps.get(0)?.quota).toBe(7);
	});

	it('0 of 0: a step that would add nobody is dropped', () => {
		const world = new RolloutWorld({ strategy: canary([5, minute], [25, minute], [50, minute], [100, minute]) });
		world.addAgents(3);
		world.start();
		until(world, 'Completed');
		expect([...world.steps.keys()]).toEqual([0, 2, 3]);
	});

	it('0 of 0: with nobody connected the first step waits for somebody', () => {
		const world = new RolloutWorld();
		const agents = world.addAgents(3, { session: 'lost' });
		world.start();
		world.pass(30);
		expect(world.rollout.state).toBe('InProgress');
		expect(decide(world.snapshot()).waitsFor).toMatch(/connect \(3 deferred\)/);
		for (const agent of agents) agent.session = 'live';
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(3);
	});

	it('a late joiner during the canary comes with the last step', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(5);
		const joiner = world.addAgent();
		until(world, 'Completed');
		expect(world.targetOf(joiner)).toMatchObject({ step: 1, state: 'Applied', rank: 4 });
	});

	it('a late joiner stays out of a canary that has room', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]), maxDeferredPercent: 100 });
		world.addAgent();
		world.addAgents(3, { session: 'lost' });
		world.start();
		world.pass(2);
		const joiner = world.addAgent();
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
		world.pass(2);
		expect(world.targetOf(joiner)).toMatchObject({ step: 1, state: 'Applied' });
	});

	it('are not gone through empty when everybody comes back at once behind a late joiner', () => {
		const world = new RolloutWorld({ strategy: canary([10, minute], [100, minute]), maxDeferredPercent: 100 });
		world.addAgents(10, { session: 'lost' });
		world.start();
		world.pass(2);
		const joiner = world.addAgent();
		world.pass(5);
		expect(world.steps.get(0)).toMatchObject({ phase: 'pushing', exhausted: true });
		for (const agent of world.agents.values()) agent.session = 'live';
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
		expect([...world.targets.values()].filter(({ step }) => step === 0)).toMatchObject([{ state: 'Applied' }]);
		expect(world.targetOf(joiner).step).not.toBe(0);
	});

	it('that are the last wait for those who come back late', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(9);
		const [late] = world.addAgents(1, { session: 'lost', behaviour: keepsSilent });
		if (late === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		late.session = 'live';
		world.pass(120);
		expect(world.targetOf(late).state).toBe('Applying');
		expect(world.steps.get(0)?.phase).toBe('dwelling');
		applies(late, world);
		until(world, 'Completed');
	});

	it('are over only when an agent pushed in the bake has answered', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(9);
		const [late] = world.addAgents(1, { session: 'lost', behaviour: keepsSilent });
		if (late === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ rollout }) => rollout.bakedMs > 9 * minute);
		late.session = 'live';
		world.pass(120);
		expect(world.rollout.state).toBe('InProgress');
		applies(late, world);
		world.pass(2);
		expect(world.rollout.state).toBe('Completed');
	});

	it('a member that leaves before its push is skipped, after it keeps counting', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(5);
		const waiting = world.agentsIn('Pending')[0];
		const pushed = world.agentsIn('Applied')[0];
		if (waiting === undefined || pushed === undefined) throw new Error('both kinds exist');
		waiting.inGroup = false;
		pushed.inGroup = false;
		world.pass(2);
		expect(world.targetOf(waiting)).toMatchObject({ state: 'Skipped', reason: 'left-group' });
		expect(world.targetOf(pushed)).toMatchObject({ state: 'Applied', step: 0 });
	});
});
