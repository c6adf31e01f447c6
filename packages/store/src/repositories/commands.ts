import type { CommandKind } from '@ampora/rollout';
import { and, asc, eq, isNull } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { rolloutCommand } from '../schema.js';

export type CommandRow = typeof rolloutCommand.$inferSelect & { readonly kind: CommandKind };
export type NewCommand = Pick<
	typeof rolloutCommand.$inferInsert,
	'id' | 'rolloutId' | 'args' | 'actor' | 'idempotencyKey' | 'traceparent'
> & { readonly kind: CommandKind };

export function commandsOn(db: Orm) {
	return {
		/** Runs into `rollout_command_idempotency` when the actor's key was used on this rollout (R11). */
		async insert(row: NewCommand): Promise<void> {
			await db.insert(rolloutCommand).values(row);
		},

		async find(rolloutId: string, id: string): Promise<CommandRow | null> {
			const match = and(eq(rolloutCommand.rolloutId, rolloutId), eq(rolloutCommand.id, id));
			return ((await db.select().from(rolloutCommand).where(match))[0] as CommandRow | undefined) ?? null;
		},

		async findByKey(rolloutId: string, actor: string, key: string): Promise<CommandRow | null> {
			const match = and(
				eq(rolloutCommand.rolloutId, rolloutId),
				eq(rolloutCommand.actor, actor),
				eq(rolloutCommand.idempotencyKey, key),
			);
			return ((await db.select().from(rolloutCommand).where(match))[0] as CommandRow | undefined) ?? null;
		},

		/** Not decided yet, in order of arrival. */
		async open(rolloutId: string): Promise<readonly CommandRow[]> {
			const rows = await db
				.select()
				.from(rolloutCommand)
				.where(and(eq(rolloutCommand.rolloutId, rolloutId), isNull(rolloutCommand.decidedAt)))
				.orderBy(asc(rolloutCommand.createdAt), asc(rolloutCommand.id));
			return rows as CommandRow[];
		},
	};
}
