import type { Member, RolloutSpec } from '@ampora/rollout';
import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import { eq, lt, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { type FactsColumns, factsOf } from '../rollout_rows.js';
import { agent, rolloutPlan } from '../schema.js';
import { anyOf } from './drizzle.js';

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
	/** Of each of them. */
	readonly agentNotes: readonly number[];
}

/** An agent of a plan, as people know it. */
export interface PlannedAgentRow {
	readonly id: string;
	/** From 0, in the order of the plan. */
	readonly place: number;
	/** As it was given with the plan; null in plans from before there were any. */
	readonly note: number | null;
	/** Null: it is not there any more. */
	readonly hostname: string | null;
	readonly instanceUid: string | null;
}

/** From a place, up to another (exclusive) or the end; of some notes, or of all. */
interface PlanPart {
	readonly from: number;
	readonly to: number | null;
	readonly notes: readonly number[] | null;
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
					agent_facts(true, q.agent_id is not null, a, g, s, v, w) as facts
				from agent a
				left join gateway g on g.id = a.gateway
				left join assignment s on s.agent_id = a.id
				left join configuration_version v on v.id = s.version_id
				left join configuration_version w on w.id = ${versionId}::uuid
				left join quarantine q on q.agent_id = a.id and q.version_id = ${versionId}::uuid
				where a.group_id = ${groupId}::uuid and a.archived_at is null
				order by a.id`)) as { rows: readonly MemberColumns[] };
			return rows.map(({ agentId, key, hostname, lastSeenMs, assigned, domain, facts }) => ({
				...{ key, hostname, lastSeenMs, assigned, domain },
				facts: factsOf(agentId, facts),
			}));
		},

		/** Plans older than `keepMs` go at the same time. */
		async insert({ agentIds, agentNotes, ...plan }: NewPlan, keepMs: number): Promise<PlanRow> {
			await db
				.delete(rolloutPlan)
				.where(lt(rolloutPlan.createdAt, sql`now() - make_interval(secs => ${keepMs / 1_000})`));
			const [row] = await db
				.insert(rolloutPlan)
				.values({ ...plan, agentIds: [...agentIds], agentNotes: [...agentNotes] })
				.returning(planColumns);
			if (row === undefined) throw new Error('a plan was inserted and is not there');
			return row;
		},

		async find(id: string): Promise<PlanRow | null> {
			const [row] = await db.select(planColumns).from(rolloutPlan).where(eq(rolloutPlan.id, id));
			return row ?? null;
		},

		/** The first `count` agents of that part of the plan. */
		async agents(id: string, { from, to, notes }: PlanPart, count: number): Promise<readonly PlannedAgentRow[]> {
			const last = to === null ? sql`cardinality(p.agent_ids)` : sql`${to}::int`;
			const noted = notes === null ? sql`true` : anyOf(sql`listed.note`, notes, 'int');
			const { rows } = (await db.execute(sql`
				select listed.id, listed.place, listed.note, a.hostname, a.instance_uid as "instanceUid"
				from (
					select listed.id, (listed.n + ${from} - 1)::int as place, listed.note
					from ${rolloutPlan} p
					cross join lateral unnest(p.agent_ids[${from + 1}::int : ${last}], p.agent_notes[${from + 1}::int : ${last}])
						with ordinality as listed (id, note, n)
					where p.id = ${id} and ${noted}
					order by listed.n
					limit ${count}
				) listed
				left join ${agent} a on a.id = listed.id
				order by listed.place`)) as { rows: readonly PlannedAgentRow[] };
			return rows;
		},
	};
}
