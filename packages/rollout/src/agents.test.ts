import { describe, expect, it } from 'vitest';
import { canary, minute, oneStep, outcomeOf, until } from './testing/scenario.js';
import { applies, fails, keepsSilent, newVersion, oldVersion, RolloutWorld } from './testing/world.js';

describe('single agents', () => {
	it('an old status that crosses the offer changes nothing', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent({ behaviour: keepsSilent });
		world.start();
		world.pass(1);
		expect(world.targetOf(agent).state).toBe('Applying');
		// What it answered to its former assignment is no answer to this one.
		const former = {
			seq: 0,
			versionId: oldVersion,
			rolloutId: world.rollout.id,
			attempt: 1,
			answer: 'applied',
		} as const;
		const { assignment } = agent;
		agent.assignment = { ...former, error: null, effective: 'match' };
		world.pass(5);
		expect(world.targetOf(agent).state).toBe('Applying');
		agent.assignment = assignment;
		until(world, 'Paused', 1_000);
		expect(world.targetOf(agent).state).toBe('TimedOut');
	});

	it('a failed agent gets its previous version back, unless it is to be left', () => {
		for (const [onAgentFailure, version] of [
			['restore', oldVersion],
			['leave', newVersion],
		] as const) {
			const world = new RolloutWorld({ strategy: oneStep, onAgentFailure });
			world.addAgents(9);
			const [bad] = world.addAgents(1, { behaviour: fails });
			if (bad === undefined) throw new Error('there is one');
			world.start();
			until(world, 'Completed');
			expect(world.targetOf(bad)).toMatchObject({ state: 'Failed', error: 'no such exporter' });
			expect(bad.assignment?.versionId).toBe(version);
			expect(bad.quarantined).toBe(true);
		}
	});

	it('a failed agent is tried again when asked, as a new attempt', () => {
		const world = new RolloutWorld({ strategy: canary([100, 5 * minute]) });
		world.addAgents(9);
		const [bad] = world.addAgents(1, { behaviour: fails });
		if (bad === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const wrong = world.ask('retry', {
			agentIds: world
				.agentsIn('Applied')
				.slice(0, 1)
				.map(({ agentId }) => agentId),
		});
		world.settle();
		expect(outcomeOf(world, wrong)?.code).toBe('not-allowed');
		bad.behaviour = applies;
		const id = world.ask('retry');
		world.pass(5);
		expect(outcomeOf(world, id)?.accepted).toBe(true);
		expect(world.targetOf(bad)).toMatchObject({ state: 'Applied', attempt: 2, error: null });
		expect(bad.assignment?.attempt).toBe(2);
		expect(bad.quarantined).toBe(false);
		until(world, 'Completed');
	});

	it('a failed agent of an earlier step is tried again there', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, 5 * minute]), order: 'hostname' });
		const [bad] = world.addAgents(1, { behaviour: fails });
		world.addAgents(19);
		if (bad === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
		bad.behaviour = applies;
		world.ask('retry');
		world.pass(10);
		expect(world.targetOf(bad)).toMatchObject({ state: 'Applied', step: 0 });
	});

	it('an excluded agent is skipped, one that was pushed is not', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(3);
		const [waiting] = world.agentsIn('Pending');
		const [pushed] = world.agentsIn('Applied');
		if (waiting === undefined || pushed === undefined) throw new Error('both kinds exist');
		const no = world.ask('exclude', { agentIds: [pushed.agentId] });
		const yes = world.ask('exclude', { agentIds: [waiting.agentId] });
		const who = world.ask('exclude', { agentIds: ['nobody' as typeof waiting.agentId] });
		world.settle();
		expect([no, yes, who].map((id) => outcomeOf(world, id)?.code)).toEqual(['not-allowed', null, 'unknown-agent']);
		until(world, 'Completed');
		expect(world.targetOf(waiting)).toMatchObject({ state: 'Skipped', reason: 'excluded' });
		expect(waiting.assignment).toBeNull();
	});

	it('one that loses its session before its frame was written waits again', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const [agent] = world.addAgents(2);
		if (agent === undefined) throw new Error('there are agents');
		world.ask('start');
		world.tick();
		world.tick();
		agent.session = 'lost';
		world.settle();
		expect(world.targetOf(agent)).toMatchObject({ state: 'Deferred', seq: null });
		expect(agent.assignment?.versionId).toBeNull();
	});

	it('one that another rollout moved on is left', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(3);
		world.start();
		world.pass(3);
		const [moved] = agents;
		if (moved?.assignment == null) throw new Error('it was pushed');
		moved.assignment = {
			...moved.assignment,
			seq: moved.assignment.seq + 1,
			rolloutId: 'rollout-2' as typeof world.rollout.id,
		};
		world.pass(1);
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(moved).back).toEqual({ state: 'listed', why: 'moved-on' });
		expect(moved.assignment.rolloutId).toBe('rollout-2');
	});
});
