import { type ChangeWindow, weekdays } from '@ampora/rollout';
import { wallStartMs } from './sim_process.js';
import type { Stream } from './streams.js';

/** When the groups of a world may change, and how often somebody changes that. */
export interface CalendarPlan {
	/** In force once all agents proved the baseline. */
	readonly windows: readonly PlannedWindow[];
	readonly freezes: readonly PlannedFreeze[];
	/** Mean virtual ms between two changes of windows or freezes. */
	readonly editEveryMs: number;
}

/** Which of the two groups; null: all there are. */
type Concerned = 0 | 1 | null;

export interface PlannedWindow {
	readonly group: Concerned;
	readonly window: ChangeWindow;
}

export interface PlannedFreeze {
	readonly group: Concerned;
	/** From when it is made, by the database's clock. */
	readonly fromMs: number;
	readonly forMs: number;
}

/** All around the clock, with offsets that are no whole hours, and with midnight close to where the worlds begin. */
const zones = [
	'UTC',
	'Europe/Berlin',
	'America/New_York',
	'America/Los_Angeles',
	'Asia/Kathmandu',
	'Asia/Tokyo',
	'Pacific/Auckland',
	'Pacific/Chatham',
	'Pacific/Kiritimati',
	'Pacific/Pago_Pago',
] as const;

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** The wall clock of a zone: `HH:MM`, and the day of the week. */
function wallClock(
	atMs: number,
	timeZone: string,
): { readonly time: string; readonly day: ChangeWindow['days'][number] } {
	const format = new Intl.DateTimeFormat('en-US', {
		...({ weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const),
		timeZone,
	});
	const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
	const day = weekdays.find((name) => name === parts.get('weekday')?.toLowerCase());
	if (day === undefined) throw new Error(`no day of the week at ${atMs} in ${timeZone}`);
	return { time: `${parts.get('hour')}:${parts.get('minute')}`, day };
}

/** Most open or close within the minutes a world lasts; some are open all along, some only tomorrow. */
export function planWindow(chance: Stream, name: string): PlannedWindow {
	const timeZone = chance.pick(zones);
	const opensMs = chance.pick([-180, -90, -4, -2, -1, 1, 2, 3, 4]) * minuteMs;
	const lastsMs = chance.pick([1, 2, 3, 4, 6, 120]) * minuteMs;
	const from = wallClock(wallStartMs + opensMs, timeZone);
	const to = wallClock(wallStartMs + opensMs + lastsMs, timeZone);
	const tomorrow = wallClock(wallStartMs + opensMs + dayMs, timeZone).day;
	const days = { every: weekdays, today: [from.day], tomorrow: [tomorrow] } as const;
	return {
		group: chance.pick([0, 1, null]),
		window: {
			name,
			days: days[chance.weighted({ every: 5, today: 4, tomorrow: 1 })],
			from: from.time,
			to: to.time === '00:00' && chance.chance(0.5) ? '24:00' : to.time,
			timeZone,
		},
	};
}

export const planFreeze = (chance: Stream): PlannedFreeze => ({
	group: chance.pick([0, 1, null]),
	fromMs: chance.pick([-5, 0, 0, 5, 20]) * 1_000,
	forMs: chance.whole(8, 60) * 1_000,
});

/** Null: a world without any. */
export function planCalendar(chance: Stream): CalendarPlan | null {
	if (!chance.chance(0.4)) return null;
	return {
		windows: Array.from({ length: chance.pick([0, 0, 1, 1, 2, 3]) }, (_, index) =>
			planWindow(chance, `window ${index}`),
		),
		freezes: chance.chance(0.4) ? [planFreeze(chance)] : [],
		editEveryMs: chance.pick([Number.POSITIVE_INFINITY, 40_000, 15_000]),
	};
}
