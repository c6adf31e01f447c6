import type { AgentId } from '@ampora/runtime';
import { and, eq, isNotNull, isNull, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { agent, agentEffectiveConfig, agentGroup, assignment, quarantine } from '../schema.js';
import { anyOf, type Cursor, escapeLike, type Page, pageOf } from './drizzle.js';

export interface AgentFilter {
	readonly groupId?: string | undefined;
	readonly connected?: boolean | undefined;
	readonly healthy?: boolean | undefined;
	/** Of the agent's software. */
	readonly version?: string | undefined;
	/** Assigned to it. */
	readonly versionId?: string | undefined;
	/** Part of hostname, type or instance uid. */
	readonly search?: string | undefined;
	/** Those that are archived instead of those that are not. */
	readonly archived?: boolean | undefined;
}

export interface AgentOrder {
	readonly sort: 'id' | 'hostname' | 'last-seen';
	readonly descending: boolean;
}

type AssignmentRow = typeof assignment.$inferSelect;
export interface AgentRow {
	readonly agent: typeof agent.$inferSelect;
	readonly group: string;
	readonly assignment: AssignmentRow | null;
	readonly cursorValue: string;
}

// A connected agent is as fresh as its gateway's lease, so it sorts after everyone who is away.
const sortValues: Record<AgentOrder['sort'], { expression: SQL; type: SQL }> = {
	id: { expression: sql`${agent.id}`, type: sql`uuid` },
	hostname: { expression: sql`coalesce(${agent.hostname}, '')`, type: sql`text` },
	'last-seen': {
		expression: sql`(case when ${agent.gateway} is null then ${agent.lastSeenAt} else 'infinity'::timestamptz end)`,
		type: sql`timestamptz`,
	},
};

function matching({ groupId, connected, healthy, version, versionId, search, archived }: AgentFilter): SQL | undefined {
	const part = search === undefined ? undefined : `%${escapeLike(search)}%`;
	return and(
		archived === true ? isNotNull(agent.archivedAt) : isNull(agent.archivedAt),
		groupId === undefined ? undefined : eq(agent.groupId, groupId),
		connected === undefined ? undefined : connected ? isNotNull(agent.gateway) : isNull(agent.gateway),
		healthy === undefined ? undefined : eq(agent.healthy, healthy),
		version === undefined ? undefined : eq(agent.agentVersion, version),
		versionId === undefined ? undefined : eq(assignment.versionId, versionId),
		part === undefined
			? undefined
			: or(
					sql`${agent.hostname} ilike ${part}`,
					sql`${agent.agentType} ilike ${part}`,
					sql`${agent.instanceUid}::text ilike ${part}`,
				),
	);
}

const sharingShownMax = 20;

export function agentsOn(db: Orm) {
	const rows = (cursorValue: SQL) =>
		db
			.select({ agent, group: agentGroup.name, assignment, cursorValue: sql<string>`${cursorValue}::text` })
			.from(agent)
			.innerJoin(agentGroup, eq(agentGroup.id, agent.groupId))
			.leftJoin(assignment, eq(assignment.agentId, agent.id));

	return {
		async list(
			filter: AgentFilter,
			{ sort, descending }: AgentOrder,
			{ limit, after }: { limit: number; after: Cursor | null },
		): Promise<Page<AgentRow>> {
			const { expression, type } = sortValues[sort];
			const direction = descending ? sql`desc` : sql`asc`;
			const past =
				after === null
					? undefined
					: sql`(${expression}, ${agent.id}) ${descending ? sql`<` : sql`>`} (${after.value}::${type}, ${after.id}::uuid)`;
			const found = await rows(expression)
				.where(and(matching(filter), past))
				.orderBy(sql`${expression} ${direction}, ${agent.id} ${direction}`)
				.limit(limit + 1);
			return pageOf(found, limit, (row) => row.agent.id);
		},

		/** By internal id, or by the uid it has or had. */
		async find(idOrUid: string): Promise<AgentRow | null> {
			const match = or(
				eq(agent.id, idOrUid),
				eq(agent.instanceUid, idOrUid),
				sql`(${agent.formerUids} <> '{}' and ${agent.formerUids} @> array[${idOrUid}]::uuid[])`,
				sql`(${agent.earlierUids} <> '{}' and ${agent.earlierUids} @> array[${idOrUid}]::uuid[])`,
			);
			const present = sql`(${agent.id} = ${idOrUid} or ${agent.instanceUid} = ${idOrUid}) desc`;
			const found = await rows(sql`''`).where(match).orderBy(present).limit(1);
			return found[0] ?? null;
		},

		/** Internal ids of agents named by id or uid; names that fit nobody are missing. */
		async resolve(idsOrUids: readonly string[]): Promise<ReadonlyMap<string, AgentId>> {
			const found = await db
				.select({ id: agent.id, uid: agent.instanceUid })
				.from(agent)
				.where(or(anyOf(agent.id, idsOrUids, 'uuid'), anyOf(agent.instanceUid, idsOrUids, 'uuid')));
			const ids = new Map<string, AgentId>();
			for (const { id, uid } of found) ids.set(uid, id as AgentId);
			for (const { id } of found) ids.set(id, id as AgentId);
			return ids;
		},

		/** Others known by the same attributes with the same values, oldest first. */
		async sharingIdentity({ id, identity }: AgentRow['agent']): Promise<readonly AgentId[]> {
			if (identity === null) return [];
			const others = await db
				.select({ id: agent.id })
				.from(agent)
				.where(and(eq(agent.identity, identity), ne(agent.id, id)))
				.orderBy(agent.id)
				.limit(sharingShownMax);
			return others.map((other) => other.id as AgentId);
		},

		async effectiveConfig(id: string): Promise<typeof agentEffectiveConfig.$inferSelect | null> {
			return (await db.select().from(agentEffectiveConfig).where(eq(agentEffectiveConfig.agentId, id)))[0] ?? null;
		},

		async quarantined(id: string): Promise<readonly (typeof quarantine.$inferSelect)[]> {
			return db.select().from(quarantine).where(eq(quarantine.agentId, id));
		},

		/** Archived ones are left out, but for the number of them. */
		async counts() {
			const kept = isNull(agent.archivedAt);
			const counted = (what: SQL) => sql<number>`(count(*) filter (where ${what}))::int`;
			const connected = sql<number>`count(${agent.gateway})::int`;
			const [totals, byGroup, byVersion] = await Promise.all([
				db
					.select({
						agents: counted(kept),
						archived: counted(isNotNull(agent.archivedAt)),
						connected,
						healthy: counted(sql`${agent.healthy} and ${kept}`),
						unhealthy: counted(sql`not ${agent.healthy} and ${kept}`),
					})
					.from(agent),
				db
					.select({ group: agentGroup.name, agents: sql<number>`count(${agent.id})::int`, connected })
					.from(agentGroup)
					.leftJoin(agent, and(eq(agent.groupId, agentGroup.id), kept))
					.where(isNull(agentGroup.deletedAt))
					.groupBy(agentGroup.name)
					.orderBy(agentGroup.name),
				db
					.select({ agentType: agent.agentType, agentVersion: agent.agentVersion, agents: sql<number>`count(*)::int` })
					.from(agent)
					.where(kept)
					.groupBy(agent.agentType, agent.agentVersion)
					.orderBy(sql`count(*) desc`)
					.limit(50),
			]);
			const total = totals[0] ?? { agents: 0, archived: 0, connected: 0, healthy: 0, unhealthy: 0 };
			return { ...total, byGroup, byVersion };
		},
	};
}
