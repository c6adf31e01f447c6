import { expect, test } from 'vitest';
import { bounds, chanceOfSoMany, isBroken, judge, measuredText, worldsOf } from './bounds.js';
import { harms } from './fleet.js';
import { calibrationRun } from './run.js';

/** Few enough for a gate; `main.ts calibrate` runs thousands. The seeds are fixed: the same core gives the same figures. */
const runsOf = (agents: number): number => ({ 3: 100, 10: 60, 100: 12 })[agents] ?? 1;

test('the default gates stop bad versions and leave good ones alone as often as promised', () => {
	const measured = worldsOf(bounds).flatMap((of) => {
		const [{ agents, harm }] = of;
		const ran = Array.from({ length: runsOf(agents) }, (_, index) => calibrationRun(agents, harm, index + 1));
		return of.map((bound) => judge(bound, ran));
	});
	expect(measured).toHaveLength(19);
	expect(measured.filter(isBroken).map(measuredText)).toEqual([]);
});

test('a bound is broken by more than chance explains, and not by less', () => {
	expect(chanceOfSoMany(0, 100, 0)).toBe(1);
	expect(chanceOfSoMany(1, 100, 0)).toBe(0);
	expect(chanceOfSoMany(1, 100, 1)).toBeCloseTo(0.634, 3);
	expect(chanceOfSoMany(6, 100, 1)).toBeLessThan(0.01);
	expect(chanceOfSoMany(4, 100, 1)).toBeGreaterThan(0.01);
});

test('a good version of a hundred agents is completed, each of the bad ones is stopped', () => {
	const stopped = Object.keys(harms).map((harm) => [harm, calibrationRun(100, harm as keyof typeof harms, 1).state]);
	expect(Object.fromEntries(stopped)).toEqual({
		none: 'Completed',
		reject: 'Paused',
		'unhealthy-soon': 'Paused',
		'session-lost': 'Paused',
		'unhealthy-late': 'Paused',
	});
});

test('the same seed is the same run', () => {
	expect(calibrationRun(10, 'unhealthy-soon', 7)).toEqual(calibrationRun(10, 'unhealthy-soon', 7));
});
