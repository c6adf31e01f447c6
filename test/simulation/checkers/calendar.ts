import type { ChangeWindow, Freeze } from '@ampora/rollout';
import type { GroupId } from '@ampora/runtime';
import type { DatabaseView } from './database_view.js';

const days: readonly string[] = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const formats = new Map<string, Intl.DateTimeFormat>();

/** Minute of the week that clocks on the wall show in a zone; minute 0 is the first of Sunday. */
function wallMinute(atMs: number, timeZone: string): number {
	const format =
		formats.get(timeZone) ??
		new Intl.DateTimeFormat('en-US', {
			weekday: 'short',
			hour: '2-digit',
			minute: '2-digit',
			hourCycle: 'h23',
			timeZone,
		});
	formats.set(timeZone, format);
	const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
	const day = days.indexOf(parts.get('weekday') ?? '');
	return day * 1_440 + Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
}

const minuteOf = (time: string): number => 60 * Number(time.slice(0, 2)) + Number(time.slice(3));

/** By looking at the clock on the wall, not by reckoning when the window opens as the core does. */
function isIn({ days: on, from, to, timeZone }: ChangeWindow, atMs: number): boolean {
	const now = wallMinute(atMs, timeZone);
	const lasts = (minuteOf(to) - minuteOf(from) + 1_440) % 1_440 || 1_440;
	return on.some((day) => {
		const opens = days.findIndex((name) => name.toLowerCase() === day) * 1_440 + minuteOf(from);
		return (now - opens + 10_080) % 10_080 < lasts;
	});
}

interface Calendar {
	readonly windows: readonly ChangeWindow[];
	readonly freezes: readonly Freeze[];
}

const mayChange = ({ windows, freezes }: Calendar, atMs: number): boolean =>
	(windows.length === 0 || windows.some((window) => isIn(window, atMs))) &&
	!freezes.some(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);

interface Seen {
	/** A window is in or out for whole minutes. */
	readonly calendar: string;
	readonly open: boolean;
	/** Virtual ms. */
	readonly sinceMs: number;
}

/** Since when the windows and freezes of each group have let it change, or not, by virtual time. */
export class CalendarHistory {
	readonly #groups = new Map<GroupId, Seen>();

	/** To be called at every event: what nobody looked at is not known. */
	look(db: DatabaseView, groupId: GroupId, nowMs: number): void {
		const rows = db.calendar(groupId);
		const atMs = db.nowMs();
		const names = [...rows.windows, ...rows.freezes].map(({ name }) => name).join();
		const frozen = rows.freezes.map(({ fromMs, untilMs }) => (fromMs <= atMs && atMs < untilMs ? 1 : 0)).join('');
		const calendar = `${Math.floor(atMs / 60_000)} ${names} ${frozen}`;
		const before = this.#groups.get(groupId);
		if (before?.calendar === calendar) return;
		const open = mayChange(rows, atMs);
		this.#groups.set(groupId, { calendar, open, sinceMs: before?.open === open ? before.sinceMs : nowMs });
	}

	/** Null: it may change. */
	closedSinceMs(groupId: GroupId): number | null {
		const seen = this.#groups.get(groupId);
		return seen === undefined || seen.open ? null : seen.sinceMs;
	}

	/** Null: it may not. */
	openSinceMs(groupId: GroupId): number | null {
		const seen = this.#groups.get(groupId);
		return seen === undefined ? 0 : seen.open ? seen.sinceMs : null;
	}
}
