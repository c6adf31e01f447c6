import type { AgentId } from '@ampora/runtime';
import * as statements from '../gen/sql.js';
import type { SelectorRow, SelectorStore, SelectorSubject, SelectorWork } from '../ports.js';
import { onlyRow, type Row, repeating, type Sql } from '../sql.js';

type WorkRow = Row &
	Omit<SelectorWork, 'changed'> & { readonly everything: boolean; readonly changed: readonly string[][] };

/** What the keeper of dynamic groups asks of Postgres. */
export const createSelectorStore = (sql: Sql): SelectorStore => ({
	dynamicGroups: () =>
		sql.query<SelectorRow & Row>(
			`select id, selector, priority, extract(epoch from created_at)::float8 * 1000 as "createdAtMs",
				case when sweep is not null then json_build_object('kind', sweep, 'seq', sweep_seq, 'after', sweep_after) end as sweep
			from agent_group where selector is not null and deleted_at is null order by id`,
		),
	async selectorWork(limit) {
		const rows = await sql.query<WorkRow>(statements.readSelectorWork, [limit]);
		return rows.map(({ agentId, workIds, everything, changed }) => ({
			agentId,
			workIds,
			changed: everything ? null : [...new Set(changed.flat())],
		}));
	},
	async describedAgents(after, limit) {
		const rows = await sql.query<{ id: AgentId }>(
			`select id from agent where ($1::uuid is null or id > $1) and description is not null order by id limit $2::int`,
			[after, limit],
		);
		return rows.map(({ id }) => id);
	},
	subjects: (agentIds) => sql.query<SelectorSubject & Row>(statements.readSubjects, [agentIds]),
	async writeSelection({ name, holder, epoch }, { selections, workIds, sweep }) {
		const found = selections.map(({ agentId, foundIn, moveTo, standing }) => ({
			agent_id: agentId,
			found_in: foundIn,
			move_to: moveTo,
			matches: standing?.matches,
			errors: standing?.errors,
		}));
		const progress = [sweep?.groupId ?? null, sweep?.seq ?? null, sweep?.after ?? null];
		const params = [name, holder, epoch, JSON.stringify(found), workIds, ...progress];
		return onlyRow(
			await repeating(() => sql.query<{ held: boolean; moved: number }>(statements.writeSelection, params)),
		);
	},
});
