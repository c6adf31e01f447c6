import { describe, expect, it } from 'vitest';
import { canary, minute, oneStep, outcomeOf, until } from './testing/scenario.js';
import { applies, fails, keepsSilent, RolloutWorld } from './testing/world.js';

describe('pause and resume', () => {
	it('takes back what no gateway wrote, and resumes in the same step', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(10);
		world.ask('start');
		world.tick();
		world.tick();
		expect(world.decisions.at(-1)?.assignments.length).toBe(10);
		world.ask('pause');
		world.settle();
		expect(world.rollout.state).toBe('Paused');
		expect([...world.agents.values()].every(({ assignment }) => assignment?.versionId === null)).toBe(true);
		world.pass(120);
		expect(world.offers).toEqual([]);
		world.ask('resume');
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(10);
	});

	it('pause and advance in the same tick: the pause wins and nobody is admitted', () => {
		const world = new RolloutWorld({
			strategy: { kind: 'percentage', percentages: [50, 100], advance: 'manual', dwellMs: minute },
		});
		world.addAgents(4);
		world.start();
		world.pass(120);
		const advance = world.ask('advance');
		const pause = world.ask('pause');
		world.settle();
		expect(outcomeOf(world, pause)?.accepted).toBe(true);
		expect(outcomeOf(world, advance)).toMatchObject({ accepted: false, code: 'overruled' });
		expect(outcomeOf(world, advance)?.message).toMatch(/pause/);
		world.pass(60);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.offers.length).toBe(2);
	});

	it('rollback, abort and pause in the same tick: the rollback wins', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		world.start();
		const ids = (['pause', 'abort', 'rollback'] as const).map((kind) => world.ask(kind));
		world.settle();
		expect(ids.map((id) => outcomeOf(world, id)?.code)).toEqual(['overruled', 'overruled', null]);
		expect(['RollingBack', 'RolledBack']).toContain(world.rollout.state);
	});

	it('dwell stands still while paused and starts again with the resume', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(250);
		world.ask('pause');
		world.pass(600);
		expect(world.rollout.currentStep).toBe(0);
		world.ask('resume');
		world.pass(290);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(20);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('resume lifts only the reasons it names', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(5, { behaviour: fails });
		world.start();
		until(world, 'Paused');
		world.ask('pause');
		world.settle();
		expect(world.rollout.pauseReasons).toEqual(['gate', 'manual']);
		world.ask('resume', { reasons: ['manual'] });
		world.settle();
		expect(world.rollout.pauseReasons).toEqual(['gate']);
		const id = world.ask('resume', { reasons: ['window'] });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
	});

	it('resume after a gate accepts what was shown, and new failures fire it again', () => {
		const world = new RolloutWorld({ strategy: oneStep, order: 'hostname', maxInFlight: 1 });
		world.addAgents(30).forEach((agent, index) => {
			agent.behaviour = index < 7 || index >= 24 ? fails : applies;
		});
		world.start();
		until(world, 'Paused');
		expect(world.rollout.evidence[0]).toMatchObject({ k: 7, n: 30 });
		world.ask('resume');
		world.settle();
		expect(world.rollout.state).toBe('InProgress');
		expect(world.steps.get(0)?.counters.gates['apply-failed-ratio']).toMatchObject({ accepted: 7, k: 0, n: 23 });
		until(world, 'Paused');
		expect(world.rollout.evidence[0]).toMatchObject({ k: 5, n: 23 });
		expect(world.rollout.evidence[0]?.message).toBe('apply-failed-ratio: 21.7 % > 20 % (5 of 23)');
	});

	it('a gate that fires while paused adds its reason', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.ask('pause');
		world.settle();
		for (const agent of agents) fails(agent, world);
		world.pass(1);
		expect(world.rollout.pauseReasons).toEqual(['manual', 'gate']);
	});

	it('abort while paused ends it', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		world.start();
		world.ask('pause');
		world.settle();
		world.ask('abort');
		world.settle();
		expect(world.rollout.state).toBe('Aborted');
		expect(world.rollout.pauseReasons).toEqual([]);
		const id = world.ask('resume');
		world.settle();
		expect(outcomeOf(world, id)?.message).toMatch(/resume.*Aborted/);
	});
});
