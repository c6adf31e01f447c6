import { eq } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { setting } from '../schema.js';

export function settingsOn(db: Orm) {
	const named = (name: string) => db.select({ value: setting.value }).from(setting).where(eq(setting.name, name));
	return {
		/** What was stored under this name; null: nothing, the product's default holds. */
		async read(name: string): Promise<unknown> {
			return (await named(name))[0]?.value ?? null;
		},

		/** Like `read`, and nobody else changes it before this transaction ends; `absent` is what is there when nothing was. */
		async readForChange(name: string, absent: unknown): Promise<unknown> {
			await db.insert(setting).values({ name, value: absent }).onConflictDoNothing();
			return (await named(name).for('update'))[0]?.value ?? null;
		},

		async write(name: string, value: unknown): Promise<void> {
			await db.insert(setting).values({ name, value }).onConflictDoUpdate({ target: setting.name, set: { value } });
		},
	};
}
