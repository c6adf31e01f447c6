import type { AuditEvent, InputOf } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import type { AuditRow, Repositories } from '@ampora/store';
import type { Caller } from './caller.js';
import { numberAfter, numberCursor } from './cursor.js';
import type { Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';

export interface AuditedChange {
	/** `Rollout.Created`, `Version.Published`, … */
	readonly action: string;
	readonly entity: readonly [type: string, id: string];
	readonly before?: unknown;
	readonly after?: unknown;
}

/** Belongs into the transaction of the change it tells of. Never give it secrets or configuration bodies. */
export async function audit(
	{ audit }: Pick<Repositories, 'audit'>,
	caller: Caller,
	{ action, entity, before, after }: AuditedChange,
): Promise<void> {
	const [entityType, entityId] = entity;
	const { actor, role, sourceAddress, traceparent } = caller;
	const traceId = traceparent?.split('-')[1] ?? null;
	await audit.append({ actor, role, action, entityType, entityId, before, after, sourceAddress, traceId });
}

const toEvent = (row: AuditRow): AuditEvent => ({ ...row, at: row.at.toISOString() });

export const auditUseCases = ({ store }: ControlDeps) => ({
	async listAudit(
		_caller: Caller,
		input: InputOf<'listAudit'>,
	): Outcome<{ items: AuditEvent[]; nextCursor: string | null }> {
		const after = numberAfter(input.cursor);
		if (!after.ok) return after;
		const { entityType, entity, actor, action, limit } = input;
		const filter = { entityType, entityId: entity, actor, action };
		const rows = await store.audit.list(filter, limit + 1, after.value);
		const page = rows.slice(0, limit);
		return ok({
			items: page.map(toEvent),
			nextCursor: rows.length > limit ? numberCursor(page.at(-1)?.id ?? 0) : null,
		});
	},
});
