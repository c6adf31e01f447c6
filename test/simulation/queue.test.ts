// Rollouts on a group that has one already, with the real engine, gateways and dispatch. Every invariant is checked throughout (R15).
// Each feature is taken out once, and its scenario has to fail then.
import type { Flaws } from '@ampora/store/testing';
import { describe, expect, test } from 'vitest';
import { always, expectNothing, handedWhileClosed } from '../support/judgements.js';
import { Directed } from './directed.js';

/** Until a tick decided, and a gateway lets nothing of it out any more (R1). */
const graceMs = 2_100;
const told = (text: string) => `# next\n# ${text}`;
/** Two are to follow a rollout that is under way: the newer one does, when it has ended. */
async function takesItsTurn(flaws?: Flaws): Promise<void> {
	const on = await Directed.set({ agents: 8, ...(flaws && { flaws }) });
	const first = await on.begin();
	await on.until('the first step applied', () => on.count(first, 'Applied') === 2);
	const second = await on.follow(0, 'queue');
	const third = await on.follow(1, 'queue');
	expect(on.rollout(second).state).toBe('Cancelled');
	await on.until('the newer one is handed out', () => on.handed(told('1')).length > 0);
	const { endedAtMs } = on.rollout(first);
	expectNothing(handedWhileClosed(on.handed(told('1')), [{ ...always, untilMs: endedAtMs ?? always.untilMs }]));
	expect(on.rollout(first).state).toBe('Completed');
	await on.untilState(third, 'Completed');
	expect(on.count(third, 'Applied')).toBe(8);
	expectNothing(handedWhileClosed(on.handed(told('0')), [always]));
	await on.expectRest();
}

/** Another version instead: the one under way reaches nobody more, and whoever proved it goes back to it, everybody else to before. */
async function makesWay(busy: 'queue' | 'supersede'): Promise<void> {
	const on = await Directed.set({ agents: 12 });
	const first = await on.begin();
	await on.until('the first step applied', () => on.count(first, 'Applied') === 2);
	const fromMs = on.world.servers.state.nowMs() + graceMs;
	const second = await on.follow(0, busy);
	await on.until('half of them have the other one', () => on.count(second, 'Applied') === 6);
	expectNothing(handedWhileClosed(on.handed('new version'), [{ ...always, fromMs }]));
	expect(on.rollout(first).state).toBe('Superseded');
	await on.ask(second, { kind: 'rollback' });
	await on.untilState(second, 'RolledBack');
	const { baseline, new: versions } = on.world.versions ?? {};
	const back = on.world.agents.map((_, index) => on.assignment(index)?.versionId);
	expect(back).toEqual([...Array(2).fill(versions?.[0]), ...Array(10).fill(baseline)]);
	await on.expectRest();
}

describe('a queued rollout starts by itself when the one before has ended, and a newer one replaces it', () => {
	test('holds', () => takesItsTurn());
	test('does not without it', () =>
		expect(takesItsTurn({ ignoreBusy: true })).rejects.toThrow(/handed it while closed/));
});

describe('a superseded rollout hands its version to nobody else, and agents go back to what they proved', () => {
	test('holds', () => makesWay('supersede'));
	test('does not without it', () => expect(makesWay('queue')).rejects.toThrow(/handed it while closed/));
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
