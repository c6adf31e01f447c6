import type { AnswerOf, ChangeWindowAnswer, FreezeAnswer, InputOf } from '@ampora/api-contract';
import { type Weekday, windowProblem } from '@ampora/rollout';
import { newId, ok } from '@ampora/runtime';
import { type ChangeWindowRow, type FreezeRow, type Repositories, uniqueViolation } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { notFound, type Outcome, refuse } from './errors.js';
import type { ControlDeps } from './ports.js';
import { findGroup } from './references.js';
import { unitOfWork } from './unit_of_work.js';

/** More would make every look at a rollout slow. */
const kindMax = 200;
const freezeDaysMax = 366;
const dayMs = 86_400_000;

const toWindow = ({ groupIds, days, fromTime, toTime, createdAt, ...row }: ChangeWindowRow): ChangeWindowAnswer => ({
	...row,
	days: days as Weekday[],
	from: fromTime,
	to: toTime,
	groups: groupIds ?? [],
	createdAt: createdAt.toISOString(),
});
const toFreeze = ({ groupIds, fromAt, untilAt, createdAt, ...row }: FreezeRow): FreezeAnswer => ({
	...row,
	from: fromAt.toISOString(),
	until: untilAt.toISOString(),
	groups: groupIds ?? [],
	createdAt: createdAt.toISOString(),
});

async function groupIdsOf(repositories: Repositories, names: readonly string[] | undefined): Outcome<string[] | null> {
	if (names === undefined) return ok(null);
	const ids = new Set<string>();
	for (const name of names) {
		const group = await findGroup(repositories, name);
		if (!group.ok) return group;
		ids.add(group.value.id);
	}
	return ok([...ids]);
}

function freezeProblem({ from, until }: InputOf<'createFreeze'>, nowMs: number): string | null {
	const [fromMs, untilMs] = [Date.parse(from), Date.parse(until)];
	if (untilMs <= fromMs) return 'it ends before it begins';
	if (untilMs <= nowMs) return 'it is over already';
	return untilMs - fromMs > freezeDaysMax * dayMs ? `it lasts longer than ${freezeDaysMax} days` : null;
}

function pageOf<Row extends { readonly name: string }, Item>(
	rows: readonly Row[],
	limit: number,
	toItem: (row: Row) => Item,
) {
	const kept = rows.slice(0, limit);
	const last = kept.at(-1);
	const more = rows.length > limit && last !== undefined;
	return { items: kept.map(toItem), nextCursor: more ? textCursor(last.name) : null };
}

async function unlessTaken<T>(what: string, name: string, work: () => Outcome<T>): Outcome<T> {
	try {
		return await work();
	} catch (error) {
		if (uniqueViolation(error) === undefined) throw error;
		return refuse('already-exists', `there is a ${what} "${name}" already`, { details: { name } });
	}
}

const full = (what: string) => refuse('invalid-argument', `there are ${kindMax} ${what} already; delete some first`);

/** The engine looks at windows and freezes in every decision, so that nothing has to be told to it. */
export const calendarUseCases = ({ store }: ControlDeps) => ({
	async createChangeWindow(
		caller: Caller,
		{ groups, name, ...input }: InputOf<'createChangeWindow'>,
	): Outcome<AnswerOf<'createChangeWindow'>> {
		const problem = windowProblem(input);
		if (problem !== null) return refuse('invalid-argument', problem);
		return unlessTaken('change window', name, () =>
			unitOfWork(store, async (repositories) => {
				const groupIds = await groupIdsOf(repositories, groups);
				if (!groupIds.ok) return groupIds;
				if ((await repositories.calendar.windows(kindMax, null)).length >= kindMax) return full('change windows');
				const { days, from: fromTime, to: toTime, timeZone } = input;
				const row = await repositories.calendar.insertWindow({
					...{ id: newId(), name, groupIds: groupIds.value, days, fromTime, toTime, timeZone },
					createdBy: caller.actor,
				});
				const window = toWindow(row);
				await audit(repositories, caller, {
					...{ action: 'ChangeWindow.Created', entity: ['change-window', name], after: window },
				});
				return ok(window);
			}),
		);
	},

	async listChangeWindows(
		_: Caller,
		{ limit, cursor }: InputOf<'listChangeWindows'>,
	): Outcome<AnswerOf<'listChangeWindows'>> {
		const after = textAfter(cursor);
		if (!after.ok) return after;
		return ok(pageOf(await store.calendar.windows(limit + 1, after.value), limit, toWindow));
	},

	async deleteChangeWindow(
		caller: Caller,
		{ name }: InputOf<'deleteChangeWindow'>,
	): Outcome<AnswerOf<'deleteChangeWindow'>> {
		return unitOfWork(store, async (repositories) => {
			const row = await repositories.calendar.deleteWindow(name);
			if (row === null) return notFound('change window', name, 'ampora windows list');
			const window = toWindow(row);
			await audit(repositories, caller, {
				...{ action: 'ChangeWindow.Deleted', entity: ['change-window', name], before: window },
			});
			return ok(window);
		});
	},

	async createFreeze(caller: Caller, input: InputOf<'createFreeze'>): Outcome<AnswerOf<'createFreeze'>> {
		const { name, reason, from, until, groups } = input;
		const problem = freezeProblem(input, await store.rollouts.databaseNowMs());
		if (problem !== null) return refuse('invalid-argument', problem);
		return unlessTaken('freeze', name, () =>
			unitOfWork(store, async (repositories) => {
				const groupIds = await groupIdsOf(repositories, groups);
				if (!groupIds.ok) return groupIds;
				if ((await repositories.calendar.freezes(kindMax, null)).length >= kindMax) return full('freezes');
				const row = await repositories.calendar.insertFreeze({
					...{ id: newId(), name, reason, groupIds: groupIds.value, createdBy: caller.actor },
					...{ fromAt: new Date(from), untilAt: new Date(until) },
				});
				const freeze = toFreeze(row);
				await audit(repositories, caller, { action: 'Freeze.Created', entity: ['freeze', name], after: freeze });
				return ok(freeze);
			}),
		);
	},

	async listFreezes(_: Caller, { limit, cursor }: InputOf<'listFreezes'>): Outcome<AnswerOf<'listFreezes'>> {
		const after = textAfter(cursor);
		if (!after.ok) return after;
		return ok(pageOf(await store.calendar.freezes(limit + 1, after.value), limit, toFreeze));
	},

	async deleteFreeze(caller: Caller, { name }: InputOf<'deleteFreeze'>): Outcome<AnswerOf<'deleteFreeze'>> {
		return unitOfWork(store, async (repositories) => {
			const row = await repositories.calendar.deleteFreeze(name);
			if (row === null) return notFound('freeze', name, 'ampora freezes list');
			const freeze = toFreeze(row);
			await audit(repositories, caller, { action: 'Freeze.Deleted', entity: ['freeze', name], before: freeze });
			return ok(freeze);
		});
	},
});
