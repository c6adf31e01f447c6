import type { Calendar, Weekday } from '@ampora/rollout';
import type { GroupId } from '@ampora/runtime';
import { asc, eq, gt, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { changeWindow, freeze } from '../schema.js';

export type ChangeWindowRow = typeof changeWindow.$inferSelect;
export type FreezeRow = typeof freeze.$inferSelect;

/** As the engine reads them: whatever the language of the database. */
const inNameOrder = sql`name collate "C"`;

/** Change windows and freezes. */
export function calendarOn(db: Orm) {
	return {
		async insertWindow(row: typeof changeWindow.$inferInsert): Promise<ChangeWindowRow> {
			return only(await db.insert(changeWindow).values(row).returning());
		},
		async insertFreeze(row: typeof freeze.$inferInsert): Promise<FreezeRow> {
			return only(await db.insert(freeze).values(row).returning());
		},

		/** In name order; `after` is the last name of the page before. */
		async windows(limit: number, after: string | null): Promise<readonly ChangeWindowRow[]> {
			const query = db.select().from(changeWindow);
			const paged = after === null ? query : query.where(gt(changeWindow.name, after));
			return paged.orderBy(asc(changeWindow.name)).limit(limit);
		},
		async freezes(limit: number, after: string | null): Promise<readonly FreezeRow[]> {
			const query = db.select().from(freeze);
			return (after === null ? query : query.where(gt(freeze.name, after))).orderBy(asc(freeze.name)).limit(limit);
		},

		/** By name; null when there is none. */
		async deleteWindow(name: string): Promise<ChangeWindowRow | null> {
			return (await db.delete(changeWindow).where(eq(changeWindow.name, name)).returning())[0] ?? null;
		},
		async deleteFreeze(name: string): Promise<FreezeRow | null> {
			return (await db.delete(freeze).where(eq(freeze.name, name)).returning())[0] ?? null;
		},

		/** Everything that says when the group may change, as the rollout core's `windowState` takes it. */
		async of(groupId: GroupId): Promise<Calendar> {
			const concerns = sql`(group_ids is null or ${groupId}::uuid = any(group_ids))`;
			const windows = await db.select().from(changeWindow).where(concerns).orderBy(inNameOrder);
			const freezes = await db.select().from(freeze).where(concerns).orderBy(inNameOrder);
			return {
				windows: windows.map(({ name, days, fromTime, toTime, timeZone }) => ({
					...{ name, days: days as Weekday[], from: fromTime, to: toTime, timeZone },
				})),
				freezes: freezes.map(({ name, reason, fromAt, untilAt }) => ({
					...{ name, reason, fromMs: fromAt.getTime(), untilMs: untilAt.getTime() },
				})),
			};
		},
	};
}

function only<Row>(rows: readonly Row[]): Row {
	const [row] = rows;
	if (row === undefined) throw new Error('an insert returned no row');
	return row;
}
