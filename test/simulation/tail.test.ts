// Agents that were away to the end, and come back. The same once more without the tail: it has to fail.
import type { RolloutSpec } from '@ampora/rollout';
import { describe, expect, test } from 'vitest';
import { crowds, expectNothing, leftOut } from '../support/judgements.js';
import { Directed } from './directed.js';

const away = 4;
/** Four of ten come back after the end: they are handed the version, one after the other. */
async function reachesThem(feature: Partial<RolloutSpec>): Promise<void> {
	const on = await Directed.set({
		agents: 10,
		outcome: () => ({ kind: 'applied', afterMs: 1_000 }),
		spec: { deferForMs: 3_600_000, maxInFlight: 1, ...feature },
	});
	const late = on.world.agents.slice(0, away);
	for (const agent of late) agent.goodbye(90_000);
	await on.world.runFor(1_000);
	const id = await on.begin();
	await on.untilState(id, 'Completed', 80);
	expect(on.count(id, 'Deferred')).toBe(away);
	expect(late.some(({ connected }) => connected)).toBe(false);
	const backAtMs = on.world.servers.state.nowMs();
	await on.until('they are back', () => late.every(({ connected }) => connected));
	await on.world.runFor(30_000);
	const back = late.map(({ index }) => ({ agent: index, atMs: backAtMs }));
	expectNothing(leftOut(back, on.handed('new version')));
	expectNothing(crowds(on.heard('new version'), () => 'the group', 1));
	expect(on.rollout(id).state).toBe('Completed');
	expect(on.count(id, 'Applied')).toBe(10);
	await on.expectRest();
}

describe('agents that were deferred are handed the version when they return, no more at once than at any time', () => {
	test('holds', () => reachesThem({}));
	test.each([
		['it', { deferForMs: 0 }, /agent 0 came back and was never handed it/],
		['a limit', { maxInFlight: 'unlimited' }, /had it at once/],
	] as const)('does not without %s', (_, without, lacks) => expect(reachesThem(without)).rejects.toThrow(lacks));
});
