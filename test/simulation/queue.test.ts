// Rollouts on a group that has one already, with the real engine, gateways and dispatch. Every invariant is checked throughout (R15).
import { expect, test } from 'vitest';
import { Directed } from './directed.js';

test('a queued rollout starts by itself when the one before has ended, and a newer one replaces it', async () => {
	const on = await Directed.set({ agents: 8 });
	const first = await on.begin();
	await on.until('the first step applied', () => on.count(first, 'Applied') === 2);
	const second = await on.begin(0, 'queue');
	const third = await on.begin(0, 'queue');
	expect(on.rollout(second).state).toBe('Cancelled');
	await on.world.runFor(2_000);
	expect(on.rollout(third).state).toBe('Queued');
	expect(on.targets(third)).toEqual([]);
	await on.untilState(first, 'Completed');
	await on.untilState(third, 'Completed');
	expect(on.count(third, 'AlreadyApplied')).toBe(8);
	expect(on.targets(second)).toEqual([]);
	await on.expectRest();
});

test('a superseded rollout hands its version to nobody else, and agents go back to what they proved', async () => {
	const on = await Directed.set({ agents: 12 });
	const first = await on.begin();
	await on.until('the first step applied', () => on.count(first, 'Applied') === 2);
	const second = await on.begin(0, 'supersede');
	await on.untilState(first, 'Superseded', 5);
	const pushed = on.count(first, 'Applied');
	await on.untilState(second, 'Completed');
	expect(on.count(first, 'Applied')).toBe(pushed);
	await on.expectRest();
});

test('supersede and rollback in the same tick: the rollback wins, and what was to follow never starts', async () => {
	const on = await Directed.set({ agents: 8 });
	const first = await on.begin();
	await on.until('the first step applied', () => on.count(first, 'Applied') === 2);
	const second = await on.begin(0, 'supersede');
	await on.ask(first, { kind: 'rollback' });
	await on.untilState(first, 'RolledBack');
	await on.untilState(second, 'Rejected', 5);
	expect(on.targets(second)).toEqual([]);
	await on.expectRest();
});
