import type { AgentId, GroupId } from '@ampora/runtime';
import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { agent, agentGroup, rollout } from '../schema.js';
import { activeStates } from './configurations.js';
import { anyOf } from './drizzle.js';

export interface GroupRow {
	readonly id: GroupId;
	readonly name: string;
	readonly builtIn: boolean;
	readonly createdAt: Date;
	readonly agents: number;
	readonly connected: number;
	readonly activeRollout: string | null;
}

// Drizzle leaves the table out of column names where a query has one table only; inside a subquery that would be another column.
const groupId = sql.raw('agent_group.id');

export function groupsOn(db: Orm) {
	const active = sql.join(
		activeStates.map((state) => sql`${state}`),
		sql`, `,
	);
	const rows = () =>
		db
			.select({
				id: sql<GroupId>`${agentGroup.id}`,
				name: agentGroup.name,
				builtIn: agentGroup.builtIn,
				createdAt: agentGroup.createdAt,
				agents: sql<number>`(select count(*)::int from ${agent} a where a.group_id = ${groupId})`,
				connected: sql<number>`(select count(a.gateway)::int from ${agent} a where a.group_id = ${groupId})`,
				activeRollout: sql<
					string | null
				>`(select r.id from ${rollout} r where r.group_id = ${groupId} and r.state in (${active}))`,
			})
			.from(agentGroup);
	const grow = (ids: readonly string[]) =>
		db
			.update(agentGroup)
			.set({ membershipSeq: sql`${agentGroup.membershipSeq} + 1` })
			.where(anyOf(agentGroup.id, ids, 'uuid'));

	return {
		async insert(id: GroupId, name: string): Promise<void> {
			await db.insert(agentGroup).values({ id, name });
		},

		async find(by: { id: string } | { name: string }): Promise<GroupRow | null> {
			const match = 'id' in by ? eq(agentGroup.id, by.id) : eq(agentGroup.name, by.name);
			return (await rows().where(match))[0] ?? null;
		},

		/** In name order; `after` is the last name of the page before. */
		async list(limit: number, after: string | null): Promise<readonly GroupRow[]> {
			const query = rows();
			const paged = after === null ? query : query.where(gt(agentGroup.name, after));
			return paged.orderBy(asc(agentGroup.name)).limit(limit);
		},

		/** False when agents or rollouts refer to it. */
		async deleteUnused(id: GroupId): Promise<boolean> {
			const unused = sql`not exists (select from ${agent} a where a.group_id = ${groupId})
				and not exists (select from ${rollout} r where r.group_id = ${groupId})`;
			const deleted = await db
				.delete(agentGroup)
				.where(and(eq(agentGroup.id, id), eq(agentGroup.builtIn, false), unused))
				.returning({ id: agentGroup.id });
			return deleted.length > 0;
		},

		async builtIn(): Promise<GroupId> {
			const [row] = await db.select({ id: agentGroup.id }).from(agentGroup).where(eq(agentGroup.builtIn, true));
			if (row === undefined) throw new Error('there is no built-in group: the migrations have not run');
			return row.id as GroupId;
		},

		/**
		 * Moves the agents into a group and grows the membership_seq of every group that gained or lost one. `from` restricts it to
		 * members of one group. Returns how many moved; those already there are not touched.
		 */
		async moveAgents(ids: readonly AgentId[], to: GroupId, from: GroupId | null): Promise<number> {
			// In id order, so that two moves at once wait for each other instead of deadlocking.
			const moving = await db
				.select({ id: agent.id, groupId: agent.groupId })
				.from(agent)
				.where(
					and(anyOf(agent.id, ids, 'uuid'), sql`${agent.groupId} <> ${to}`, from ? eq(agent.groupId, from) : undefined),
				)
				.orderBy(asc(agent.id))
				.for('update');
			if (moving.length === 0) return 0;
			await db
				.update(agent)
				.set({ groupId: to })
				.where(
					anyOf(
						agent.id,
						moving.map(({ id }) => id),
						'uuid',
					),
				);
			const concerned = [...new Set([to, ...moving.map(({ groupId }) => groupId)])].sort();
			await db
				.select({ id: agentGroup.id })
				.from(agentGroup)
				.where(inArray(agentGroup.id, concerned))
				.orderBy(asc(agentGroup.id))
				.for('update');
			await grow(concerned);
			return moving.length;
		},
	};
}
