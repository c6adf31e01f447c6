import { describe, expect, it } from 'vitest';
import { offersOf } from './offers.js';
import { canary, minute, oneStep, outcomeOf, until } from './testing/scenario.js';
import { applies, fails, keepsSilent, newVersion, oldVersion, RolloutWorld } from './testing/world.js';

/** Failures are not what this is about: no gate stops them. */
const lenient = { 'apply-failed-ratio': { thresholdPercent: 100 } };

describe('rollback', () => {
	const badRollout = (): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, onGate: 'rollback', maxInFlight: 'unlimited' });
		world.addAgents(20).forEach((agent, index) => {
			agent.behaviour = index < 8 ? fails : applies;
		});
		return world;
	};

	it('by a gate: every touched agent ends on its previous version', () => {
		const world = badRollout();
		world.start();
		until(world, 'RolledBack', 60);
		expect(world.count('RolledBack')).toBe(20);
		for (const agent of world.agents.values()) expect(agent.assignment?.versionId).toBe(oldVersion);
		expect(world.rollout.back).toEqual({ todo: 0, inFlight: 0, confirmed: 20, listed: 0 });
	});

	it('with 30 % offline lists those, and they get it when they return', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		world.start();
		world.pass(3);
		for (const agent of agents.slice(0, 3)) agent.session = 'lost';
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.rollout.back).toMatchObject({ confirmed: 7, listed: 3 });
		expect(agents.every((agent) => agent.assignment?.versionId === oldVersion)).toBe(true);
		for (const agent of agents) agent.session = 'live';
		world.pass(3);
		expect(world.count('RolledBack')).toBe(10);
		expect(world.rollout.state).toBe('RolledBack');
	});

	it('takes an agent back too that waits for its second attempt (R10)', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 1, onAgentFailure: 'leave', gates: lenient });
		const agents = world.addAgents(3);
		for (const agent of agents) agent.behaviour = fails;
		world.start();
		world.pass(10);
		expect(world.count('Failed')).toBe(3);
		for (const agent of agents) agent.behaviour = keepsSilent;
		world.ask('retry');
		world.pass(2);
		// One is pushed again, and does not answer; the others wait for its slot.
		expect(world.count('Pending')).toBe(2);
		for (const agent of agents) agent.behaviour = applies;
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		for (const agent of agents) expect(agent.assignment?.versionId).toBe(oldVersion);
		expect(world.rollout.back).toEqual({ todo: 0, inFlight: 0, confirmed: 3, listed: 0 });
	});

	it('leaves agents without a way back as they are, by name', () => {
		const world = new RolloutWorld({ strategy: oneStep, acceptNoWayBack: true, maxInFlight: 'unlimited' });
		world.addAgents(3);
		const [lone] = world.addAgents(1, { provenVersion: null });
		if (lone === undefined) throw new Error('there is one');
		world.start();
		expect(world.rollout.noWayBack).toBe(1);
		world.pass(3);
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(lone)).toMatchObject({ state: 'Applied', back: { state: 'listed', why: 'no-way-back' } });
		expect(lone.assignment?.versionId).toBe(newVersion);
	});

	it('hands the version to nobody any more, also where there is no way back (R1)', () => {
		const world = new RolloutWorld({ strategy: oneStep, acceptNoWayBack: true, maxInFlight: 'unlimited' });
		world.addAgents(3);
		const [lone] = world.addAgents(1, { provenVersion: null, behaviour: keepsSilent });
		world.start();
		world.pass(3);
		world.ask('rollback');
		world.settle();
		expect(lone?.assignment?.versionId).toBe(newVersion);
		expect(offersOf(world.rollout)).toBe('answered');
		until(world, 'RolledBack', 60);
		expect(offersOf(world.rollout)).toBe('answered');
	});

	it('goes on within maxInFlight, may be paused by hand, and times out those that do not confirm', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 4 });
		const agents = world.addAgents(12);
		world.start();
		world.pass(30);
		for (const agent of agents) agent.behaviour = keepsSilent;
		world.ask('rollback');
		world.settle();
		expect(world.rollout.back).toMatchObject({ inFlight: 4, todo: 8 });
		world.ask('pause');
		world.settle();
		expect(world.rollout).toMatchObject({ state: 'Paused', rollingBack: true });
		world.ask('resume');
		world.settle();
		expect(world.rollout.state).toBe('RollingBack');
		until(world, 'RolledBack', 1_200);
		expect(world.rollout.back).toMatchObject({ confirmed: 0, listed: 12 });
	});

	it('counts an agent written to in the very moment of the rollback', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(3, { behaviour: keepsSilent });
		world.ask('start');
		world.tick();
		world.tick();
		const [first] = agents;
		if (first?.assignment == null) throw new Error('it was admitted');
		const { assignment } = first;
		world.ask('rollback');
		world.tick(() => {
			assignment.answer = 'offered';
		});
		expect(world.rollout).toMatchObject({ state: 'RollingBack', back: { todo: 0 } });
		expect(agents.map((agent) => world.targetOf(agent).seq)).toEqual([1, null, null]);
		world.tick();
		expect(world.rollout.back.todo).toBe(1);
		for (const agent of agents) agent.behaviour = applies;
		world.deliver();
		applies(first, world);
		until(world, 'RolledBack', 60);
		expect(first.assignment.versionId).toBe(oldVersion);
		expect(agents.every(({ assignment }) => assignment?.versionId !== newVersion)).toBe(true);
	});

	it('of one that was restored before confirms without a second write', () => {
		const world = new RolloutWorld({ strategy: canary([50, 10 * minute], [100, 0]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(20);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const [failed] = world.agentsIn('Applied');
		if (failed === undefined) throw new Error('one applied');
		fails(failed, world);
		world.pass(2);
		expect(world.targetOf(failed)).toMatchObject({ state: 'Failed', back: { state: 'confirmed' } });
		expect(failed.assignment?.versionId).toBe(oldVersion);
		const seq = failed.assignment?.seq;
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(failed).state).toBe('RolledBack');
		expect(failed.assignment?.seq).toBe(seq);
		expect(agents.every(({ assignment }) => assignment?.versionId !== newVersion)).toBe(true);
	});

	it('by hand of an ended rollout is for a new one', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgent();
		world.start();
		until(world, 'Completed');
		const id = world.ask('rollback');
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
		expect(world.rollout.state).toBe('Completed');
	});
});
