import { describe, expect, it } from 'vitest';
import { oneStep, outcomeOf, until } from './testing/scenario.js';
import { newVersion, oldVersion, RolloutWorld } from './testing/world.js';

describe('a start', () => {
	it('is refused when agents have no way back, and says how many', () => {
		const world = new RolloutWorld();
		world.addAgents(3);
		world.addAgents(2, { provenVersion: null });
		const id = world.ask('start');
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'no-way-back' });
		expect(outcomeOf(world, id)?.message).toMatch(/^2 of 5 agents/);
		expect(world.rollout.state).toBe('Pending');
		expect(world.targets.size).toBe(0);
	});

	it('of a protected group is refused to whoever did not say that it is meant, by hand and by itself', () => {
		const protectedGroup = (spec: ConstructorParameters<typeof RolloutWorld>[0] = {}) => {
			const world = new RolloutWorld(spec);
			world.environment = { ...world.environment, protectedGroup: true };
			world.addAgents(3);
			return world;
		};
		const world = protectedGroup();
		const id = world.ask('start', { replan: true });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'protected-group' });
		expect(world.rollout.state).toBe('Pending');
		const timed = protectedGroup({ startAtMs: 0 });
		timed.settle();
		expect(timed.rollout.state).toBe('Rejected');
		const meant = protectedGroup({ acceptProtected: true });
		meant.start();
		expect(meant.rollout.state).toBe('InProgress');
	});

	it('completes at once when every agent already runs the version', () => {
		const world = new RolloutWorld();
		const assignment = {
			seq: 4,
			versionId: newVersion,
			rolloutId: null,
			attempt: 1,
			answer: 'applied',
			error: null,
			effective: 'match',
		} as const;
		world.addAgent({ assignment: { ...assignment } });
		world.start();
		expect(world.rollout.state).toBe('Completed');
		expect(world.count('AlreadyApplied')).toBe(1);
		expect(world.offers).toEqual([]);
	});

	it('leaves alone who applied another version of the same meaning, also later', () => {
		const assigned = (answer: 'applied' | 'applying', sameMeaning: boolean) => ({
			...{ seq: 4, versionId: oldVersion, rolloutId: null, attempt: 1, error: null },
			...({ effective: 'match', answer, sameMeaning } as const),
		});
		const world = new RolloutWorld();
		world.addAgent({ assignment: assigned('applied', true) });
		world.start();
		expect(world.rollout.state).toBe('Completed');
		expect(world.count('AlreadyApplied')).toBe(1);

		const mixed = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const same = mixed.addAgent({ assignment: assigned('applied', true) });
		const others = [
			mixed.addAgent({ assignment: assigned('applying', true) }),
			mixed.addAgent({ assignment: assigned('applied', false) }),
			// The id alone says nothing where the meaning is known.
			mixed.addAgent({ assignment: { ...assigned('applied', false), versionId: newVersion } }),
		];
		mixed.start();
		expect(mixed.count('AlreadyApplied')).toBe(1);
		mixed.passUntil(() => mixed.offers.length === others.length);
		expect(new Set(mixed.offers.map(({ agentId }) => agentId))).toEqual(new Set(others.map(({ agentId }) => agentId)));
		mixed.ask('rollback');
		until(mixed, 'RolledBack');
		expect(mixed.targets.get(same.agentId)).toMatchObject({ state: 'AlreadyApplied', back: null, seq: null });
	});

	it('skips agents that cannot take a config or confirm it, by name of the reason', () => {
		const world = new RolloutWorld();
		world.addAgent({ reports: { remoteConfig: false, configStatus: true, effectiveConfig: true, health: true } });
		world.addAgent({ reports: { remoteConfig: true, configStatus: false, effectiveConfig: false, health: true } });
		world.addAgent({ quarantined: true });
		world.start();
		expect([...world.targets.values()].map(({ reason }) => reason).toSorted()).toEqual([
			'cannot-confirm',
			'no-remote-config',
			'quarantined',
		]);
		expect(world.rollout.state).toBe('Failed');
	});

	it('of a group of one works', () => {
		const world = new RolloutWorld();
		world.addAgent();
		world.start();
		until(world, 'Completed');
		expect(world.steps.size).toBe(1);
	});
});
