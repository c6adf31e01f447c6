import { describe, expect, it } from 'vitest';
import { type ChangeWindow, type Freeze, outlook, weekdays, windowProblem, windowState } from './change_windows.js';

const at = (text: string): number => Date.parse(text);
const window = (from: string, to: string, timeZone = 'Europe/Berlin', days = weekdays as ChangeWindow['days']) => ({
	...{ name: 'nights', days, from, to, timeZone },
});
const freeze = (from: string, until: string): Freeze => ({
	...{ name: 'year end', reason: 'nobody is in', fromMs: at(from), untilMs: at(until) },
});
const state = (windows: readonly ChangeWindow[], now: string, freezes: readonly Freeze[] = []) => {
	const { open, nextOpenMs } = windowState(windows, freezes, at(now));
	return [open, nextOpenMs === null ? null : new Date(nextOpenMs).toISOString()];
};

describe('change windows', () => {
	it('are open always when there are none', () => {
		expect(state([], '2026-07-01T10:00:00Z')).toEqual([true, '2026-07-01T10:00:00.000Z']);
	});

	it('are open from their start up to, not with, their end, in local time', () => {
		const windows = [window('09:00', '17:00', 'Europe/Berlin', ['mon', 'tue', 'wed', 'thu', 'fri'])];
		expect(state(windows, '2026-07-01T06:59:59.999Z')).toEqual([false, '2026-07-01T07:00:00.000Z']);
		expect(state(windows, '2026-07-01T07:00:00Z')[0]).toBe(true);
		expect(state(windows, '2026-07-01T14:59:59.999Z')[0]).toBe(true);
		expect(state(windows, '2026-07-01T15:00:00Z')).toEqual([false, '2026-07-02T07:00:00.000Z']);
		expect(state(windows, '2026-07-03T15:00:00Z')).toEqual([false, '2026-07-06T07:00:00.000Z']);
	});

	it('cross midnight on the day they opened', () => {
		const windows = [window('22:00', '04:00', 'America/New_York', ['fri'])];
		expect(state(windows, '2026-07-03T07:59:00Z')[0]).toBe(false);
		expect(state(windows, '2026-07-04T02:00:00Z')[0]).toBe(true);
		expect(state(windows, '2026-07-04T07:59:59Z')[0]).toBe(true);
		expect(state(windows, '2026-07-04T08:00:00Z')).toEqual([false, '2026-07-11T02:00:00.000Z']);
	});

	it.each([
		['Europe/Berlin', '2026-03-29T00:59:59Z', '2026-03-29T01:00:00.000Z', '2026-03-29T01:30:00Z'],
		['America/New_York', '2026-03-08T06:59:59Z', '2026-03-08T07:00:00.000Z', '2026-03-08T07:30:00Z'],
	])('whose start %s leaves out open when the clock jumps', (zone, before, opens, closes) => {
		const windows = [window('02:30', '03:30', zone)];
		expect(state(windows, before)).toEqual([false, opens]);
		expect(state(windows, opens)[0]).toBe(true);
		expect(state(windows, closes)[0]).toBe(false);
	});

	it.each([
		['Europe/Berlin', '2026-03-29T00:30:00Z', '2026-03-30T00:15:00.000Z'],
		['America/New_York', '2026-03-08T06:30:00Z', '2026-03-09T06:15:00.000Z'],
	])('that %s leaves out whole do not open that day', (zone, before, opens) => {
		expect(state([window('02:15', '02:45', zone)], before)).toEqual([false, opens]);
	});

	it.each([
		['Europe/Berlin', '2026-10-25T00:15:00Z', '2026-10-25T00:45:00Z', '2026-10-25T01:20:00Z'],
		['America/New_York', '2026-11-01T05:15:00Z', '2026-11-01T05:45:00Z', '2026-11-01T06:20:00Z'],
	])('in the hour that %s has twice open once, in the first', (zone, opens, closes, again) => {
		const hour = zone === 'Europe/Berlin' ? '02' : '01';
		const windows = [window(`${hour}:15`, `${hour}:45`, zone)];
		expect(state(windows, opens)[0]).toBe(true);
		expect(state(windows, closes)[0]).toBe(false);
		expect(state(windows, again)[0]).toBe(false);
	});

	it('follow zones that are no whole hours off, and switches of half an hour', () => {
		expect(state([window('09:00', '10:00', 'Asia/Kathmandu')], '2026-07-01T00:00:00Z')[1]).toBe(
			'2026-07-01T03:15:00.000Z',
		);
		// Lord Howe Island goes from 02:00 to 02:30.
		expect(state([window('02:15', '05:00', 'Australia/Lord_Howe')], '2026-10-03T15:29:59Z')[1]).toBe(
			'2026-10-03T15:30:00.000Z',
		);
	});

	it('to midnight and a whole week leave no gap', () => {
		const windows = [window('00:00', '24:00')];
		for (let hour = 0; hour < 24 * 400; hour += 1) {
			expect(windowState(windows, [], at('2026-01-01T00:00:00Z') + hour * 3_600_000).open).toBe(true);
		}
	});

	it('give way to freezes, and say when both allow it again', () => {
		const frozen = [freeze('2026-12-20T00:00:00Z', '2027-01-02T12:00:00Z')];
		const nightly = [window('22:00', '23:00', 'UTC')];
		expect(state([], '2026-12-24T10:00:00Z', frozen)).toEqual([false, '2027-01-02T12:00:00.000Z']);
		expect(state(nightly, '2026-12-19T23:30:00Z', frozen)).toEqual([false, '2027-01-02T22:00:00.000Z']);
		expect(windowState(nightly, frozen, at('2026-12-24T22:30:00Z'))).toMatchObject({
			closedBy: 'freeze',
			why: 'freeze "year end": nobody is in',
		});
	});

	it('pass over freezes that follow one another', () => {
		const frozen = [
			freeze('2026-12-20T00:00:00Z', '2026-12-22T00:00:00Z'),
			freeze('2026-12-22T00:00:00Z', '2026-12-24T00:00:00Z'),
		];
		expect(state([], '2026-12-20T00:00:00Z', frozen)[1]).toBe('2026-12-24T00:00:00.000Z');
	});

	it('are refused when they say nothing that could be kept', () => {
		const good = window('22:00', '06:00');
		expect(windowProblem(good)).toBeNull();
		expect(windowProblem({ ...good, days: [] })).toContain('at least one day');
		expect(windowProblem({ ...good, from: '24:00' })).toContain('not a time');
		expect(windowProblem({ ...good, to: '6:00' })).toContain('not a time');
		expect(windowProblem({ ...good, to: '22:00' })).toContain('ends when it starts');
		expect(windowProblem({ ...good, timeZone: 'Europe/Berlinn' })).toContain('no IANA time zone');
		expect(windowProblem({ ...good, timeZone: '+02:00' })).toContain('no IANA time zone');
	});
});

describe('the outlook', () => {
	const hour = 3_600_000;
	const text = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString().slice(5, 16));
	const ahead = (windows: readonly ChangeWindow[], from: string, hours: number, freezes: readonly Freeze[] = []) => {
		const { beginsMs, closesMs, endsMs } = outlook({ windows, freezes }, at(from), hours * hour);
		return [text(beginsMs), text(closesMs), text(endsMs)];
	};
	const nights = window('22:00', '02:00', 'UTC');

	it('without windows is all open', () => {
		expect(ahead([], '2026-07-01T10:00:00Z', 5)).toEqual(['07-01T10:00', null, '07-01T15:00']);
		expect(ahead([window('00:00', '24:00', 'UTC')], '2026-07-01T10:00:00Z', 100)).toEqual([
			...['07-01T10:00', null, '07-05T14:00'],
		]);
	});

	it('waits for the next opening, and goes on in as many as it takes', () => {
		expect(ahead([nights], '2026-07-01T10:00:00Z', 4)).toEqual(['07-01T22:00', null, '07-02T02:00']);
		expect(ahead([nights], '2026-07-02T01:00:00Z', 4)).toEqual(['07-02T01:00', '07-02T02:00', '07-03T01:00']);
		expect(ahead([nights], '2026-07-01T22:00:00Z', 10)).toEqual(['07-01T22:00', '07-02T02:00', '07-04T00:00']);
		expect(ahead([nights], '2026-07-01T22:00:00Z', 4 * 60 + 1)[2]).toBeNull();
	});

	it('takes windows that meet or overlap for one', () => {
		const windows = [nights, { ...window('02:00', '05:00', 'UTC'), name: 'early' }];
		expect(ahead(windows, '2026-07-01T22:00:00Z', 7)).toEqual(['07-01T22:00', null, '07-02T05:00']);
	});

	it('is cut by freezes, and has nothing where they leave nothing', () => {
		const cut = [freeze('2026-07-01T23:00:00Z', '2026-07-02T01:00:00Z')];
		expect(ahead([nights], '2026-07-01T22:00:00Z', 2, cut)).toEqual(['07-01T22:00', '07-01T23:00', '07-02T02:00']);
		expect(ahead([], '2026-07-01T22:00:00Z', 2, cut)).toEqual(['07-01T22:00', '07-01T23:00', '07-02T02:00']);
		const never = [{ ...nights, days: [] }];
		expect(ahead(never, '2026-07-01T22:00:00Z', 2)).toEqual([null, null, null]);
	});
});
