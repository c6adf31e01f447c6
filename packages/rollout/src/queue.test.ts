import type { RolloutId } from '@ampora/runtime';
import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import { outcomeOf, until } from './testing/scenario.js';
import { idleEnvironment, keepsSilent, RolloutWorld } from './testing/world.js';
import { turnOfGroup } from './wake.js';

const other = 'rollout-0' as RolloutId;
const next = 'rollout-2' as RolloutId;

function queued(supersedes: RolloutId | null = null): RolloutWorld {
	const world = new RolloutWorld();
	world.addAgents(4);
	world.rollout = { ...world.rollout, state: 'Queued', supersedes };
	world.environment = { ...idleEnvironment, busyWith: other };
	return world;
}

describe('a queued rollout', () => {
	it('pushes nobody while the group is busy, and says what it waits for', () => {
		const world = queued();
		world.settle();
		expect(world.rollout.state).toBe('Queued');
		expect(world.offers).toEqual([]);
		expect(world.tick()).toMatchObject({ nextWakeAtMs: null, waitsFor: turnOfGroup });
	});

	it('starts by itself when its turn has come', () => {
		const world = queued();
		world.settle();
		world.environment = idleEnvironment;
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(4);
	});

	it('is not started by hand before its turn', () => {
		const world = queued();
		const early = world.ask('start');
		world.settle();
		expect(outcomeOf(world, early)).toMatchObject({ accepted: false, code: 'busy' });
		expect(outcomeOf(world, early)?.message).toContain(other);
		expect(world.rollout.state).toBe('Queued');
	});

	it('that may not start when its turn has come is rejected, with the reason', () => {
		const world = queued();
		world.addAgents(1, { provenVersion: null });
		world.environment = idleEnvironment;
		world.settle();
		expect(world.rollout.state).toBe('Rejected');
		expect(world.decisions.at(-1)?.events.at(-1)).toMatchObject({ to: 'Rejected', why: /^1 of 5 agents/ });
	});

	it('that was created on something starts by itself only when somebody looked whether that holds', () => {
		const grounds = { selector: null, risks: [], lacking: [] };
		const waiting = (changedGrounds?: readonly string[]) => {
			const approved = { eligible: 4, untilMs: Number.MAX_SAFE_INTEGER, grounds };
			const world = new RolloutWorld({ approved });
			world.addAgents(4);
			world.rollout = { ...world.rollout, state: 'Queued' };
			const snapshot = world.snapshot();
			return decide({ ...snapshot, ...(changedGrounds && { changedGrounds }) });
		};
		expect(waiting().rollout.state).toBe('Queued');
		expect(waiting([]).rollout.state).toBe('InProgress');
		const refused = waiting(['a new risk: endpoint-changed', 'the freeze "launch" was added']);
		expect(refused.rollout.state).toBe('Rejected');
		expect(refused.events.at(-1)).toMatchObject({
			why: expect.stringContaining('a new risk: endpoint-changed; the freeze "launch" was added'),
		});
	});

	it.each([
		['more agents than were foreseen', { eligible: 3, untilMs: Number.MAX_SAFE_INTEGER }, '15 agents are to be pushed'],
		['a plan of the day before', { eligible: 15, untilMs: 0 }, 'more than 24 hours ago'],
	])('is rejected when its turn has come with %s', (_, approved, why) => {
		const world = new RolloutWorld({ approved });
		world.nowMs = 2 * 86_400_000;
		world.addAgents(15);
		world.rollout = { ...world.rollout, state: 'Queued' };
		world.settle();
		expect(world.rollout.state).toBe('Rejected');
		expect(world.decisions.at(-1)?.events.at(-1)).toMatchObject({ why: expect.stringContaining(why) });
		expect(world.offers).toEqual([]);
	});

	it.each(['RollingBack', 'RolledBack', 'Aborted'] as const)(
		'never follows one it was to supersede that is %s',
		(state) => {
			const world = queued(other);
			world.environment = { ...idleEnvironment, superseded: state };
			world.settle();
			expect(world.rollout.state).toBe('Rejected');
			expect(world.offers).toEqual([]);
		},
	);

	it('follows the one it supersedes', () => {
		const world = queued(other);
		world.environment = { ...idleEnvironment, superseded: 'Superseded' };
		until(world, 'Completed');
	});
});

describe('supersede', () => {
	function underWay(): RolloutWorld {
		const world = new RolloutWorld();
		world.addAgents(8, { behaviour: keepsSilent });
		world.start();
		return world;
	}

	it('ends the rollout, takes back what was not sent, and says by which', () => {
		const world = underWay();
		const offered = world.offers.length;
		const id = world.ask('supersede', { successor: next });
		world.settle();
		expect(outcomeOf(world, id)?.accepted).toBe(true);
		expect(world.rollout.state).toBe('Superseded');
		const ended = world.decisions.find(({ rollout }) => rollout.state === 'Superseded');
		expect(ended?.withdrawUnsent).toBe(true);
		expect(ended?.events).toContainEqual(
			expect.objectContaining({ to: 'Superseded', why: expect.stringContaining(next) }),
		);
		expect(world.offers).toHaveLength(offered);
	});

	it('of one that had not begun leaves nothing behind', () => {
		const world = new RolloutWorld();
		world.addAgents(2);
		world.ask('supersede', { successor: next });
		world.settle();
		expect(world.rollout.state).toBe('Cancelled');
	});

	it.each(['rollback', 'abort', 'pause'] as const)('loses against %s, and is told so', (kind) => {
		const world = underWay();
		const id = world.ask('supersede', { successor: next });
		world.ask(kind);
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'overruled' });
	});

	it('is refused while rolling back', () => {
		const world = underWay();
		world.ask('rollback');
		world.settle();
		const id = world.ask('supersede', { successor: next });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false });
		expect(world.rollout.state).not.toBe('Superseded');
	});
});

describe('a rollout with an instant to start at', () => {
	function planned(): { readonly world: RolloutWorld; readonly atMs: number } {
		const atMs = 1_000_000 + 3_600_000;
		const world = new RolloutWorld({ startAtMs: atMs });
		world.addAgents(4);
		return { world, atMs };
	}

	it('does not start when it was cancelled', () => {
		const { world, atMs } = planned();
		world.ask('cancel');
		world.settle();
		world.nowMs = atMs;
		world.settle();
		expect(world.rollout.state).toBe('Cancelled');
	});

	it('that may not start then is rejected', () => {
		const { world, atMs } = planned();
		world.addAgents(1, { provenVersion: null });
		world.nowMs = atMs;
		world.settle();
		expect(world.rollout.state).toBe('Rejected');
	});
});
