// A group that may change in some minutes only. The same once more without what says so: it has to fail.
import type { Flaws } from '@ampora/store/testing';
import { memoryWorld } from '@ampora/store/testing';
import { describe, expect, test } from 'vitest';
import { expectNothing, handedWhileClosed } from '../support/judgements.js';
import { Directed } from './directed.js';

const minuteMs = 60_000;
/** Until a tick saw that it is closed, and a gateway that it is paused (R1). */
const graceMs = 2_100;
const timeZone = 'Asia/Kathmandu';
const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' });

interface Kept {
	readonly windows?: boolean;
	readonly freezes?: boolean;
	readonly flaws?: Flaws;
}

/** Forty agents, one after the other, three seconds each; two windows of the day, and a freeze within the second. */
async function keepsToItsCalendar({ windows = true, freezes = true, flaws }: Kept): Promise<void> {
	const on = await Directed.set({
		agents: 40,
		outcome: () => ({ kind: 'applied', afterMs: 3_000 }),
		spec: {
			strategy: { kind: 'canary', steps: [{ size: { kind: 'percent', value: 100 }, dwellMs: 4_000 }] },
			maxInFlight: 1,
		},
		...(flaws && { flaws }),
	});
	const { state } = on.world.servers;
	const rows = memoryWorld(state);
	const beginMs = Math.ceil(state.nowMs() / minuteMs) * minuteMs;
	const at = (minutes: number): number => beginMs + minutes * minuteMs;
	const window = (name: string, from: number, to: number) =>
		rows.addWindow(
			{ name, days: ['mon', 'tue'], from: clock.format(at(from)), to: clock.format(at(to)), timeZone },
			null,
		);
	if (windows) await window('first', 1, 2);
	if (windows) await window('second', 3, 9);
	if (freezes) await rows.addFreeze({ name: 'launch', reason: 'a launch', fromMs: at(3.5), untilMs: at(4.5) }, null);
	const closed = [
		{ fromMs: 0, untilMs: at(1) },
		{ fromMs: at(2) + graceMs, untilMs: at(3) },
		{ fromMs: at(3.5) + graceMs, untilMs: at(4.5) },
	];

	const id = await on.begin();
	const shown = new Set<string>();
	await on.until(
		'it is over',
		() => {
			const { pauseReasons, closed } = on.rollout(id);
			if (closed) shown.add(`${pauseReasons} until ${((closed.untilMs ?? 0) - beginMs) / minuteMs}`);
			return on.rollout(id).state === 'Completed';
		},
		480,
	);
	expectNothing(handedWhileClosed(on.handed('new version'), closed));
	expect([...shown]).toEqual(['window until 1', 'window until 3', 'freeze until 4.5']);
	expect(on.count(id, 'Applied')).toBe(40);
	await on.expectRest();
}

describe('nobody is handed a version outside the change windows or in a freeze', () => {
	test('holds', () => keepsToItsCalendar({}));
	test.each([
		['windows', { windows: false }],
		['freezes', { freezes: false }],
		['a look at the calendar', { flaws: { ignoreCalendar: true } }],
	])('does not without %s', (_, without) =>
		expect(keepsToItsCalendar(without)).rejects.toThrow(/handed it while closed/),
	);
});
