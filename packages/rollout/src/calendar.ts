import { type Calendar, openUntil, type WindowState, windowState } from './change_windows.js';
import type { Draft } from './draft.js';
import type { Closed, PauseReason } from './model.js';
import { lift, pause } from './states.js';

const reasons = ['window', 'freeze'] as const satisfies readonly PauseReason[];

/** May the group change now. Undoing is never closed; what was journalled before there were windows is always open. */
export function calendarNow({ snapshot, rollout, nowMs }: Draft): WindowState {
	const { calendar } = snapshot.environment;
	if (calendar === undefined || rollout.rollingBack || rollout.rollbackOf !== null) return windowState([], [], nowMs);
	return windowState(calendar.windows, calendar.freezes, nowMs);
}

/** When what is open now closes: nothing that is decided now may be handed out from then on. Null: it is not in sight, or not open. */
export function closesAtMs(calendar: Calendar | undefined, nowMs: number): number | null {
	if (calendar === undefined || !windowState(calendar.windows, calendar.freezes, nowMs).open) return null;
	return openUntil(calendar.windows, calendar.freezes, nowMs);
}

/** Pauses where the calendar closes and lifts where it opens, by itself: nobody is pushed in between, for this comes before every push. */
export function settleCalendar(draft: Draft, now: WindowState): void {
	const { state, rollingBack, pauseReasons, tailUntilMs } = draft.rollout;
	const runs = !rollingBack && (state === 'InProgress' || state === 'Paused');
	show(draft, runs || tailUntilMs !== null ? now : null);
	if (!runs) return;
	const over = reasons.filter((reason) => reason !== now.closedBy && pauseReasons.includes(reason));
	if (now.closedBy !== null) pause(draft, now.closedBy, closedText(closedOf(now)));
	if (over.length > 0) lift(draft, over, now.open ? 'the group may change again' : now.why);
}

const closedOf = ({ why, nextOpenMs }: WindowState): Closed => ({ why, untilMs: nextOpenMs });

/** Keeps when it goes on with the rollout; nothing is written while that stays the same. */
function show(draft: Draft, now: WindowState | null): void {
	const closed = now === null || now.open ? null : closedOf(now);
	const before = draft.rollout.closed ?? null;
	if (before?.why === closed?.why && before?.untilMs === closed?.untilMs) return;
	draft.patch({ closed });
}

/** `outside the change windows "nights"; it goes on by itself at 2026-07-01T20:00:00.000Z` */
export function closedText({ why, untilMs }: Closed): string {
	if (untilMs === null) return `${why}; no window ever opens`;
	return `${why}; it goes on by itself at ${new Date(untilMs).toISOString()}`;
}
