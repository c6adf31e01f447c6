import type { GroupId } from '@ampora/runtime';
import type { MemoryState } from '@ampora/store/testing';
import { type CalendarPlan, type PlannedFreeze, type PlannedWindow, planFreeze, planWindow } from './calendar_plan.js';
import type { Stream } from './streams.js';

/** The people who say when groups may change: what they write is what the use cases write for them. */
export class CalendarKeepers {
	#made = 0;

	constructor(
		private readonly state: MemoryState,
		private readonly chance: Stream,
		private readonly say: (line: string) => void,
	) {}

	begin(groups: readonly [GroupId, GroupId], { windows, freezes }: CalendarPlan): void {
		for (const window of windows) this.#open(groups, window);
		for (const freeze of freezes) this.freeze(groups, freeze);
	}

	/** One window or freeze comes or goes. */
	edit(groups: readonly [GroupId, GroupId]): void {
		const { windows, freezes } = this.state;
		const kind = this.chance.weighted({ freeze: 5, thaw: 3, open: 1, close: 1 });
		if (kind === 'freeze') this.freeze(groups, planFreeze(this.chance));
		else if (kind === 'open') this.#open(groups, planWindow(this.chance, `window made later ${++this.#made}`));
		else if (kind === 'thaw') this.#remove(freezes, 'freeze');
		else this.#remove(windows, 'window');
	}

	freeze(groups: readonly [GroupId, GroupId], { group, fromMs, forMs }: PlannedFreeze): void {
		const name = `freeze ${++this.#made}`;
		const nowMs = this.state.nowMs() + fromMs;
		const freeze = { name, reason: 'nobody is in', fromMs: nowMs, untilMs: nowMs + forMs };
		this.state.freezes.push({ groupIds: group === null ? null : [groups[group]], freeze });
		this.say(`${name} of ${group ?? 'all'} for ${forMs} ms from ${fromMs} ms on`);
	}

	/** Somebody wants changes now, wherever none are allowed. */
	openUp(): void {
		const { windows, freezes } = this.state;
		if (windows.length + freezes.length === 0) return;
		windows.length = 0;
		freezes.length = 0;
		this.say('no windows and no freezes any more');
	}

	#open(groups: readonly [GroupId, GroupId], { group, window }: PlannedWindow): void {
		this.state.windows.push({ groupIds: group === null ? null : [groups[group]], window });
		const { name, days, from, to, timeZone } = window;
		this.say(`${name} of ${group ?? 'all'} on ${days.join(',')} from ${from} to ${to} in ${timeZone}`);
	}

	#remove<Row>(rows: Row[], what: string): void {
		if (rows.length === 0) return;
		rows.splice(this.chance.below(rows.length), 1);
		this.say(`${what} removed, ${rows.length} left`);
	}
}
