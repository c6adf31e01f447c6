import type { Member, RolloutSpec } from '@ampora/rollout';
import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import { eq, lt, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { type FactsColumns, factsOf } from '../rollout_rows.js';
import { agent, rolloutPlan } from '../schema.js';

export interface PlanRow {
	readonly id: string;
	readonly groupId: GroupId;
	readonly versionId: VersionId;
	readonly spec: RolloutSpec;
	readonly digest: string;
	readonly content: unknown;
	readonly createdBy: string;
	readonly createdAt: Date;
}
export interface NewPlan extends Omit<PlanRow, 'createdAt'> {
	readonly agentIds: readonly string[];
}

/** An agent of a plan, as people know it. */
export interface PlannedAgentRow {
	readonly id: string;
	/** From 0, in the order of the plan. */
	readonly place: number;
	/** Null: it is not there any more. */
	readonly hostname: string | null;
	readonly instanceUid: string | null;
}

interface MemberColumns extends Omit<Member, 'facts' | 'domain'> {
	readonly agentId: AgentId;
	readonly assigned: VersionId | null;
	readonly domain: string | null;
	readonly facts: FactsColumns;
}

/** A member of a group as the rollout core sees it, and the version it is assigned now. */
export interface PlannableMember extends Member {
	readonly assigned: VersionId | null;
}

const planColumns = {
	id: rolloutPlan.id,
	groupId: sql<GroupId>`${rolloutPlan.groupId}`,
	versionId: sql<VersionId>`${rolloutPlan.versionId}`,
	spec: rolloutPlan.spec,
	digest: rolloutPlan.digest,
	content: rolloutPlan.content,
	createdBy: rolloutPlan.createdBy,
	createdAt: rolloutPlan.createdAt,
};

export function plansOn(db: Orm) {
	return {
		/** Every member of the group as a rollout of this version would find it now, with its failure domain by that attribute. */
		async members(groupId: string, versionId: string, spreadBy: string | null): Promise<readonly PlannableMember[]> {
			const { rows } = (await db.execute(sql`
				select a.id as "agentId", a.instance_uid as key, coalesce(a.hostname, '') as hostname,
					floor(extract(epoch from a.last_seen_at) * 1000)::float8 as "lastSeenMs", s.version_id as assigned,
					coalesce(
						a.description -> 'identifying' ->> ${spreadBy}::text, a.description -> 'nonIdentifying' ->> ${spreadBy}::text
					) as domain,
					agent_facts(true, q.agent_id is not null, a, g, s) as facts
				from agent a
				left join gateway g on g.id = a.gateway
				left join assignment s on s.agent_id = a.id
				left join quarantine q on q.agent_id = a.id and q.version_id = ${versionId}::uuid
				where a.group_id = ${groupId}::uuid and a.archived_at is null
				order by a.id`)) as { rows: readonly MemberColumns[] };
			return rows.map(({ agentId, key, hostname, lastSeenMs, assigned, domain, facts }) => ({
				...{ key, hostname, lastSeenMs, assigned, domain },
				facts: factsOf(agentId, facts),
			}));
		},

		/** Plans older than `keepMs` go at the same time. */
		async insert({ agentIds, ...plan }: NewPlan, keepMs: number): Promise<PlanRow> {
			await db
				.delete(rolloutPlan)
				.where(lt(rolloutPlan.createdAt, sql`now() - make_interval(secs => ${keepMs / 1_000})`));
			const [row] = await db
				.insert(rolloutPlan)
				.values({ ...plan, agentIds: [...agentIds] })
				.returning(planColumns);
			if (row === undefined) throw new Error('a plan was inserted and is not there');
			return row;
		},

		async find(id: string): Promise<PlanRow | null> {
			const [row] = await db.select(planColumns).from(rolloutPlan).where(eq(rolloutPlan.id, id));
			return row ?? null;
		},

		/** `count` agents of the plan from `place` on. */
		async agents(id: string, place: number, count: number): Promise<readonly PlannedAgentRow[]> {
			const { rows } = (await db.execute(sql`
				select listed.id, (listed.n + ${place} - 1)::int as place, a.hostname, a.instance_uid as "instanceUid"
				from ${rolloutPlan} p
				cross join lateral unnest(p.agent_ids[${place + 1}::int : ${place + count}::int]) with ordinality as listed (id, n)
				left join ${agent} a on a.id = listed.id
				where p.id = ${id}
				order by listed.n`)) as { rows: readonly PlannedAgentRow[] };
			return rows;
		},
	};
}
