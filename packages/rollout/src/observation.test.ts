import { describe, expect, it } from 'vitest';
import { forecast } from './forecast.js';
import { canary, inStep, minute, oneStep, outcomeOf, until } from './testing/scenario.js';
import { applies, type Behaviour, fails, goesAway, keepsSilent, RolloutWorld } from './testing/world.js';

describe('gates', () => {
	it('a breach in the last step is not Completed', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]), onAgentFailure: 'leave' });
		world.addAgents(10);
		world.start();
		world.pass(30);
		for (const agent of world.agentsIn('Pending')) agent.behaviour = fails;
		world.pass(3_600);
		expect(world.rollout.state).toBe('Paused');
		expect(world.rollout.evidence[0]?.gate).toBe('apply-failed-ratio');
	});

	it('applied, then unhealthy one fifth into the first dwell: stopped in the first step', () => {
		const world = new RolloutWorld({ strategy: canary([20, 5 * minute], [100, minute]) });
		world.addAgents(50);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		world.pass(60);
		for (const agent of world.agentsIn('Applied')) world.setHealth(agent, false);
		until(world, 'Paused', 120);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.rollout.evidence[0]?.message).toBe('unhealthy-ratio: 20 % > 10 % (2 of 10)');
	});

	it('health that breaks between two looks is no unbroken illness', () => {
		const world = new RolloutWorld({ strategy: canary([100, 5 * minute]) });
		world.addAgents(10);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		for (let turn = 0; turn < 4; turn += 1) {
			for (const agent of world.agents.values()) {
				world.setHealth(agent, true);
				world.setHealth(agent, false);
			}
			world.pass(40);
		}
		expect(world.rollout.evidence).toEqual([]);
	});

	it('agents that never answer time out on connected time only', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.pass(200);
		const [away] = agents;
		if (away === undefined) throw new Error('there are agents');
		away.session = 'lost';
		world.pass(30);
		away.session = 'live';
		world.pass(75);
		expect(world.count('TimedOut')).toBe(9);
		expect(world.targetOf(away).state).toBe('Applying');
		world.pass(30);
		expect(world.targetOf(away).state).toBe('TimedOut');
		expect(world.rollout.pauseReasons).toContain('gate');
		applies(away, world);
		world.pass(1);
		expect(world.targetOf(away).state).toBe('Applied');
		expect(world.rollout.evidence.length).toBe(1);
	});

	it('agents that vanish count after the window, and come back', () => {
		const world = new RolloutWorld({ strategy: canary([100, 10 * minute]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		agents.slice(0, 3).forEach((agent) => {
			agent.behaviour = goesAway;
		});
		world.start();
		world.pass(290);
		expect(world.count('Disconnected')).toBe(0);
		until(world, 'Paused', 30);
		expect(world.rollout.evidence[0]?.message).toBe('disconnect-ratio: 30 % > 20 % (3 of 10)');
		for (const agent of agents) {
			agent.session = 'live';
			applies(agent, world);
		}
		world.pass(1);
		expect(world.count('Applied')).toBe(10);
		expect(world.rollout.state).toBe('Paused');
	});

	it('an agent that applied and vanished stays Disconnected until it is heard again', () => {
		const world = new RolloutWorld({ strategy: canary([100, 10 * minute]), maxInFlight: 'unlimited' });
		const [agent] = world.addAgents(10);
		if (agent === undefined) throw new Error('there are agents');
		world.start();
		world.pass(2);
		agent.session = 'lost';
		world.pass(310);
		expect(world.targetOf(agent).state).toBe('Disconnected');
		agent.restarts += 1;
		world.pass(2);
		expect(world.targetOf(agent).state).toBe('Disconnected');
		agent.session = 'live';
		world.pass(2);
		expect(world.targetOf(agent).state).toBe('Applied');
	});

	it('a step that turns out smaller than it was to be fires before the next admission', () => {
		const world = new RolloutWorld({ strategy: oneStep, order: 'hostname', maxInFlight: 1 });
		const agents = world.addAgents(10);
		agents.slice(0, 2).forEach((agent) => {
			agent.behaviour = fails;
		});
		world.start();
		world.passUntil(() => world.count('Failed') === 2);
		expect(world.rollout.state).toBe('InProgress');
		for (const agent of agents.slice(world.offers.length, world.offers.length + 4)) agent.session = 'lost';
		until(world, 'Paused', 10);
		expect(world.rollout.evidence[0]?.message).toBe('apply-failed-ratio: 33.3 % > 20 % (2 of 6)');
		expect(world.offers.length).toBeLessThanOrEqual(4);
	});

	it('an agent that says goodbye to apply, and returns, is no harm', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const [agent] = world.addAgents(4);
		if (agent === undefined) throw new Error('there are agents');
		agent.behaviour = (self) => {
			self.session = 'goodbye';
		};
		world.start();
		world.pass(20);
		agent.session = 'live';
		applies(agent, world);
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(4);
	});

	it('effective config that differs for the whole window counts', () => {
		const world = new RolloutWorld({ strategy: canary([100, 0]), maxInFlight: 'unlimited' });
		const differs: Behaviour = (agent, self) => {
			applies(agent, self);
			if (agent.assignment !== null) agent.assignment.effective = 'mismatch';
		};
		world.addAgents(10).forEach((agent, index) => {
			agent.behaviour = index < 3 ? differs : applies;
		});
		world.start();
		world.pass(595);
		expect(world.rollout.evidence).toEqual([]);
		until(world, 'Paused', 30);
		expect(world.rollout.evidence[0]?.message).toBe('effective-mismatch-ratio: 30 % > 20 % (3 of 10)');
	});

	it('a config that severs the management channel is stopped in the first step', () => {
		const world = new RolloutWorld({ strategy: canary([10, 5 * minute], [100, 0]) });
		world.addAgents(100, { behaviour: goesAway });
		world.start();
		until(world, 'Paused');
		expect(world.rollout.currentStep).toBe(0);
		expect(world.offers.length).toBeLessThanOrEqual(10);
	});

	it('three restarts within the window are a revert', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent({
			behaviour: (self, all) => {
				applies(self, all);
				self.restarts += 3;
			},
		});
		world.start();
		world.pass(2);
		expect(world.targetOf(agent)).toMatchObject({ state: 'Reverted', reason: 'restarted 3 times' });
		expect(agent.quarantined).toBe(true);
	});

	it('a step in which nobody is Applied and well is extended once, then inconclusive', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(2, { behaviour: keepsSilent });
		world.start();
		until(world, 'Paused');
		expect(world.rollout.pauseReasons).toEqual(['inconclusive']);
		expect(world.steps.get(0)).toMatchObject({ extendedForCoverage: true, extendedMs: minute });
		expect(world.count('TimedOut')).toBe(1);
		world.ask('resume');
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
	});

	it('a step of agents that were all sick before asks what the whole rollout saw of their health', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]), maxInFlight: 'unlimited' });
		world.addAgents(4);
		world.addAgents(4, { healthy: false });
		const foreseen = forecast(world.rollout, world.snapshot().members);
		expect(foreseen.steps.map(({ gates }) => gates['unhealthy-ratio'].step.kind)).toEqual(['armed', 'not-applicable']);
		world.start();
		until(world, 'Completed');
		expect(inStep(world).map(({ healthy }) => healthy)).toEqual([false, false, false, false]);
	});

	it('where everybody was sick before, nothing shows that the version does no harm', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(4, { healthy: false });
		const foreseen = forecast(world.rollout, world.snapshot().members);
		expect(foreseen.steps[0]?.gates['unhealthy-ratio']).toMatchObject({
			...{ step: { kind: 'inconclusive' }, rollout: { kind: 'inconclusive' } },
		});
		world.start();
		until(world, 'Paused');
		expect(world.rollout.pauseReasons).toEqual(['inconclusive']);
		expect(world.rollout.evidence.map(({ gate }) => gate)).toEqual(['unhealthy-ratio']);
	});

	it('advance by force needs a reason, and overrides missing evidence only', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]) });
		world.addAgents(10);
		world.start();
		const early = world.ask('advance');
		world.settle();
		expect(outcomeOf(world, early)?.code).toBe('not-answered');
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const soon = world.ask('advance');
		world.settle();
		expect(outcomeOf(world, soon)?.code).toBe('inconclusive');
		const mute = world.ask('advance', { force: true });
		world.settle();
		expect(outcomeOf(world, mute)?.code).toBe('reason-required');
		const forced = world.ask('advance', { force: true, reason: 'incident 7' });
		world.settle();
		expect(outcomeOf(world, forced)?.accepted).toBe(true);
		expect(world.rollout.currentStep).toBe(1);
		expect(world.steps.get(0)?.unprovenAccepted).toBe(true);
	});

	it('agents without status are Applied when their effective config matches, and TimedOut when nothing is said', () => {
		const world = new RolloutWorld({ strategy: oneStep, unconfirmed: 'push', maxInFlight: 'unlimited' });
		const showing = world.addAgents(5, {
			reports: { remoteConfig: true, configStatus: false, effectiveConfig: true, health: true },
			behaviour: (agent) => {
				if (agent.assignment !== null) agent.assignment.effective = 'match';
			},
		});
		const mute = world.addAgent({
			reports: { remoteConfig: true, configStatus: false, effectiveConfig: false, health: true },
			behaviour: keepsSilent,
		});
		world.start();
		world.pass(310);
		expect(showing.map((agent) => world.targetOf(agent).state)).toEqual(Array.from({ length: 5 }, () => 'Applied'));
		expect(world.targetOf(mute)).toMatchObject({ state: 'TimedOut', reason: 'unconfirmed', against: {} });
	});
});
