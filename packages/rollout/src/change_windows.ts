/** Days of the week as `ChangeWindow.days` names them. */
export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof weekdays)[number];

/** When changes are allowed, every week. The day is the one on which it opens; one that ends at or before it starts crosses midnight. */
export interface ChangeWindow {
	readonly name: string;
	readonly days: readonly Weekday[];
	/** Local time, `HH:MM`; `24:00` as an end is midnight. */
	readonly from: string;
	readonly to: string;
	/** IANA name, as `Europe/Berlin`. */
	readonly timeZone: string;
}

/** When nothing changes, whatever the windows say: from an instant up to, not with, another. */
export interface Freeze {
	readonly name: string;
	readonly reason: string;
	readonly fromMs: number;
	readonly untilMs: number;
}

/** Everything that says when a group may change. No windows: always, but for freezes. */
export interface Calendar {
	readonly windows: readonly ChangeWindow[];
	readonly freezes: readonly Freeze[];
}

/** May a group change now. `nextOpenMs`: when it may next, now when it is open; null: never, as things stand. */
export interface WindowState {
	readonly open: boolean;
	/** What closes it; null when it is open. */
	readonly closedBy: 'window' | 'freeze' | null;
	/** `freeze "year end": nobody is in`, `outside the change windows "nights"`, `open` */
	readonly why: string;
	readonly nextOpenMs: number | null;
}

interface Interval {
	readonly fromMs: number;
	readonly untilMs: number;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** A window that a switch of the clock swallows opens a week later: two weeks hold every opening of a weekly window. */
const daysAhead = 15;

/** May a group with these windows and freezes change at `nowMs`, and when may it next. */
export function windowState(windows: readonly ChangeWindow[], freezes: readonly Freeze[], nowMs: number): WindowState {
	const frozen = freezeAt(freezes, nowMs);
	const openNow = openFrom(windows, nowMs) === nowMs;
	if (frozen === null && openNow) return { open: true, closedBy: null, why: 'open', nextOpenMs: nowMs };
	const nextOpenMs = nextOpening(windows, freezes, nowMs);
	if (frozen !== null) {
		return { open: false, closedBy: 'freeze', why: `freeze "${frozen.name}": ${frozen.reason}`, nextOpenMs };
	}
	const names = windows.map(({ name }) => `"${name}"`).join(', ');
	return { open: false, closedBy: 'window', why: `outside the change windows ${names}`, nextOpenMs };
}

/** The freeze that ends last of those in force. */
function freezeAt(freezes: readonly Freeze[], nowMs: number): Freeze | null {
	const inForce = freezes.filter(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs);
	return inForce.toSorted((a, b) => b.untilMs - a.untilMs || (a.name < b.name ? -1 : 1))[0] ?? null;
}

/** Each round ends past a freeze, so there is at most one more than there are freezes. */
function nextOpening(windows: readonly ChangeWindow[], freezes: readonly Freeze[], nowMs: number): number | null {
	let at: number | null = nowMs;
	for (let round = 0; round <= freezes.length && at !== null; round += 1) {
		at = openFrom(windows, at);
		const frozen: Freeze | null = at === null ? null : freezeAt(freezes, at);
		if (frozen === null) return at;
		at = frozen.untilMs;
	}
	return at;
}

/** The first instant from `atMs` on at which a window is open; null: none ever is. */
function openFrom(windows: readonly ChangeWindow[], atMs: number): number | null {
	if (windows.length === 0) return atMs;
	let first: number | null = null;
	for (const window of windows) {
		for (const { fromMs, untilMs } of openings(window, atMs)) {
			if (untilMs <= atMs) continue;
			const openMs = Math.max(fromMs, atMs);
			if (first === null || openMs < first) first = openMs;
			break;
		}
		if (first === atMs) return first;
	}
	return first;
}

/** How open time lies ahead. */
export interface Outlook {
	/** When the group may change next; null: never, as things stand. */
	readonly beginsMs: number | null;
	/** When it closes before the time needed is over; null: it does not. */
	readonly closesMs: number | null;
	/** When so much open time has passed; null: not in sight. */
	readonly endsMs: number | null;
}

/** Openings that are looked at; what needs more has no end in sight. */
const openingsMax = 60;

/** Finds `neededMs` of open time from `fromMs` on. */
export function outlook({ windows, freezes }: Calendar, fromMs: number, neededMs: number): Outlook {
	const beginsMs = nextOpening(windows, freezes, fromMs);
	let closesMs: number | null = null;
	let left = neededMs;
	for (let at = beginsMs, round = 0; at !== null && round < openingsMax; round += 1) {
		const until = openUntil(windows, freezes, at);
		if (until === null || until - at >= left) return { beginsMs, closesMs, endsMs: at + left };
		closesMs ??= until;
		left -= until - at;
		at = nextOpening(windows, freezes, until);
	}
	return { beginsMs, closesMs, endsMs: null };
}

/** When what is open at `atMs` closes; null: not within the days looked at. */
export function openUntil(windows: readonly ChangeWindow[], freezes: readonly Freeze[], atMs: number): number | null {
	const frozen = freezes.filter(({ fromMs }) => fromMs > atMs).map(({ fromMs }) => fromMs);
	const frozenFrom = frozen.length === 0 ? null : Math.min(...frozen);
	let until = atMs;
	// Windows that meet or overlap are one.
	for (let ends = closings(windows, until); windows.length > 0 && ends.length > 0; ends = closings(windows, until)) {
		until = Math.max(...ends);
		if (until - atMs > daysAhead * dayMs) return frozenFrom;
	}
	if (windows.length === 0) return frozenFrom;
	return frozenFrom === null ? until : Math.min(until, frozenFrom);
}

/** When the windows that are open at that instant close. */
function closings(windows: readonly ChangeWindow[], atMs: number): readonly number[] {
	const ends: number[] = [];
	for (const window of windows) {
		for (const { fromMs, untilMs } of openings(window, atMs)) {
			if (fromMs > atMs) break;
			if (untilMs > atMs) ends.push(untilMs);
		}
	}
	return ends;
}

/** In order, beginning the day before: it may have opened then. */
function* openings({ days, from, to, timeZone }: ChangeWindow, atMs: number): Generator<Interval> {
	const fromMinute = minuteOf(from);
	const toMinute = minuteOf(to);
	const crosses = toMinute <= fromMinute;
	const today = localDay(atMs, timeZone);
	for (let day = today - 1; day <= today + daysAhead; day += 1) {
		// Day 0 of the epoch was a Thursday.
		const weekday = weekdays[(((day + 4) % 7) + 7) % 7];
		if (weekday === undefined || !days.includes(weekday)) continue;
		const fromMs = instantOf(day, fromMinute, timeZone);
		const untilMs = instantOf(crosses ? day + 1 : day, toMinute, timeZone);
		if (fromMs < untilMs) yield { fromMs, untilMs };
	}
}

const minuteOf = (time: string): number => 60 * Number(time.slice(0, 2)) + Number(time.slice(3, 5));

const localDay = (atMs: number, timeZone: string): number => Math.floor((atMs + offsetMs(atMs, timeZone)) / dayMs);

/** A local time that comes twice means its first; one that is left out means the instant at which the clock jumps over it. */
function instantOf(day: number, minute: number, timeZone: string): number {
	const localMs = day * dayMs + minute * minuteMs;
	const before = offsetMs(localMs - dayMs, timeZone);
	const after = offsetMs(localMs + dayMs, timeZone);
	const fitting = [before, after]
		.map((offset) => localMs - offset)
		.filter((at) => at + offsetMs(at, timeZone) === localMs);
	return fitting.length > 0 ? Math.min(...fitting) : jumpBetween(localMs - after, localMs - before, timeZone);
}

/** The first instant in (from, until] with the offset of `until`. */
function jumpBetween(from: number, until: number, timeZone: string): number {
	const offset = offsetMs(until, timeZone);
	let low = Math.min(from, until);
	let high = Math.max(from, until);
	while (high - low > 1) {
		const middle = low + Math.floor((high - low) / 2);
		if (offsetMs(middle, timeZone) === offset) high = middle;
		else low = middle;
	}
	return high;
}

/** Formats are slow to make; there are only so many zones. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
	const known = formats.get(timeZone);
	if (known !== undefined) return known;
	const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
	const format = new Intl.DateTimeFormat('en-US', {
		...numeric,
		second: 'numeric',
		hourCycle: 'h23',
		era: 'short',
		timeZone,
	});
	formats.set(timeZone, format);
	return format;
}

/** How far the zone's clock is ahead of UTC at that instant, whole ms. */
function offsetMs(atMs: number, timeZone: string): number {
	const at = Math.floor(atMs / 1_000) * 1_000;
	const parts = new Map(
		formatOf(timeZone)
			.formatToParts(at)
			.map(({ type, value }) => [type, Number(value)]),
	);
	const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
	const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
	return local - at;
}

/** What is wrong with a window as somebody wrote it; null: nothing. */
export function windowProblem({ days, from, to, timeZone }: Omit<ChangeWindow, 'name'>): string | null {
	if (days.length === 0) return 'name at least one day';
	if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(from)) return `from is "${from}", not a time as 22:00`;
	if (!/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/.test(to)) return `to is "${to}", not a time as 06:00`;
	if (from === to) return `it ends when it starts, at ${from}; for a whole day write 00:00 to 24:00`;
	return isTimeZone(timeZone) ? null : `"${timeZone}" is no IANA time zone, as Europe/Berlin or UTC`;
}

/** An offset like +02:00 is no zone: it would not follow the switches of the clock. */
function isTimeZone(name: string): boolean {
	if (!/^[A-Za-z]/.test(name)) return false;
	try {
		new Intl.DateTimeFormat('en-US', { timeZone: name });
		return true;
	} catch {
		return false;
	}
}
