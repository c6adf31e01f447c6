import { and, desc, eq, lt } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { auditEvent } from '../schema.js';

export type AuditRow = typeof auditEvent.$inferSelect;
export type NewAuditRow = Omit<typeof auditEvent.$inferInsert, 'id' | 'at'>;

export interface AuditFilter {
	readonly entityType?: string | undefined;
	readonly entityId?: string | undefined;
	readonly actor?: string | undefined;
	readonly action?: string | undefined;
}

export function auditOn(db: Orm) {
	return {
		async append(row: NewAuditRow): Promise<void> {
			await db.insert(auditEvent).values(row);
		},

		/** Newest first; `before` is the last id of the page before. */
		async list(filter: AuditFilter, limit: number, before: number | null): Promise<readonly AuditRow[]> {
			const { entityType, entityId, actor, action } = filter;
			return db
				.select()
				.from(auditEvent)
				.where(
					and(
						entityType === undefined ? undefined : eq(auditEvent.entityType, entityType),
						entityId === undefined ? undefined : eq(auditEvent.entityId, entityId),
						actor === undefined ? undefined : eq(auditEvent.actor, actor),
						action === undefined ? undefined : eq(auditEvent.action, action),
						before === null ? undefined : lt(auditEvent.id, before),
					),
				)
				.orderBy(desc(auditEvent.id))
				.limit(limit);
		},
	};
}
