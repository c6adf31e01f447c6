import type { EnrolmentState } from '@ampora/rollout';
import type { AgentId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import { and, asc, eq, gt, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import { agent, agentGroup, agentSelection, assignment, enrolment, rollout, selectorWork } from '../schema.js';
import { ungroupedGroupId } from '../ungrouped.js';
import { activeStates } from './configurations.js';
import { anyOf } from './drizzle.js';

export interface GroupRow {
	readonly id: GroupId;
	readonly name: string;
	readonly builtIn: boolean;
	readonly createdAt: Date;
	readonly deletedAt: Date | null;
	readonly agents: number;
	readonly connected: number;
	readonly activeRollout: string | null;
	/** Null: static. */
	readonly selector: string | null;
	readonly priority: number;
	/** Whoever starts a rollout here says that it is meant. */
	readonly protected: boolean;
	/** All agents are being looked at after a change. */
	readonly settling: boolean;
	/** Whom that moves is not given the default of its new group by it. */
	readonly holding: boolean;
	/** What newcomers are given; null: they keep what they run. */
	readonly defaultVersion: VersionId | null;
	readonly enrolment: EnrolmentState | null;
	/** Members that wait for the default, those being watched with it among them. */
	readonly awaiting: number;
	readonly watched: number;
}

/** Agents that the selectors of two groups match. */
export interface OverlapRow {
	readonly groupId: GroupId;
	readonly otherId: GroupId;
	readonly agents: number;
}

/** Agents for which the selector of a group errors; `example` is one of the messages. */
export interface SelectorErrorRow {
	readonly groupId: GroupId;
	readonly agents: number;
	readonly example: string;
}

/** What a group gives to whoever comes to it. */
export interface GroupGives {
	/** Null: newcomers keep what they run. */
	readonly defaultVersion: VersionId | null;
	/** The one under way, which takes newcomers in; it stands before the default. */
	readonly rollout: { readonly id: RolloutId; readonly versionId: VersionId } | null;
	/** Whom a sweep under way brings here is not given the default: a planned rollout does it. */
	readonly holding: boolean;
	readonly members: number;
}

// Drizzle leaves the table out of column names where a query has one table only; inside a subquery that would be another column.
const groupId = sql.raw('agent_group.id');
const holding = sql.raw('(agent_group.sweep is not null and agent_group.sweep_holds)');
/** Archived ones are no members. */
const member = sql`${agent} a where a.group_id = ${groupId} and a.archived_at is null`;

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
				deletedAt: agentGroup.deletedAt,
				selector: agentGroup.selector,
				priority: agentGroup.priority,
				protected: agentGroup.protected,
				settling: sql<boolean>`agent_group.sweep is not null`,
				holding: sql<boolean>`${holding}`,
				defaultVersion: sql<VersionId | null>`${agentGroup.defaultVersion}`,
				enrolment: agentGroup.enrolment,
				awaiting: sql<number>`(select count(*)::int from ${member} and a.enrolment_due_at is not null)`,
				watched: sql<number>`(select count(*)::int from ${enrolment} e join ${agent} a on a.id = e.agent_id where e.group_id = ${groupId} and a.enrolment_due_at is not null)`,
				agents: sql<number>`(select count(*)::int from ${member})`,
				connected: sql<number>`(select count(a.gateway)::int from ${member})`,
				activeRollout: sql<
					string | null
				>`(select r.id from ${rollout} r where r.group_id = ${groupId} and r.state in (${active}) order by r.state = 'Queued' limit 1)`,
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

		/**
		 * Sets them, and has all agents looked at: evaluated when the selector is another, only decided anew otherwise. `holds`: whom that
		 * moves is not given the default of its new group by it; so it stays for whom an earlier change has still to move.
		 */
		async setSelector(
			id: GroupId,
			{ selector, priority, holds }: Pick<GroupRow, 'selector' | 'priority'> & { readonly holds: boolean },
		): Promise<void> {
			const other = sql`${agentGroup.selector} is distinct from ${selector}::text`;
			await db
				.update(agentGroup)
				.set({
					selector,
					priority,
					sweep: sql`case when ${selector}::text is null then null when ${other} or sweep = 'evaluate' then 'evaluate' else 'decide' end`,
					sweepSeq: sql`${agentGroup.sweepSeq} + 1`,
					sweepAfter: null,
					sweepHolds: sql`${holds}::boolean or ${holding}`,
				})
				.where(eq(agentGroup.id, id));
		},

		/** Has it decided anew of all agents who is in these; nobody whom that, or any look before its end, moves there is enrolled by it. */
		async holdMoves(ids: readonly GroupId[]): Promise<void> {
			await db
				.update(agentGroup)
				.set({
					sweep: sql`coalesce(sweep, 'decide')`,
					sweepSeq: sql`${agentGroup.sweepSeq} + 1`,
					sweepAfter: null,
					sweepHolds: true,
				})
				.where(and(anyOf(agentGroup.id, ids, 'uuid'), isNotNull(agentGroup.selector), isNull(agentGroup.deletedAt)));
		},

		/** Of every group, by id. */
		async gives(): Promise<ReadonlyMap<GroupId, GroupGives>> {
			const underWay = sql`${rollout} r where r.group_id = ${groupId} and r.state in ('InProgress', 'Paused')
				and (r.machine -> 'rollingBack') is distinct from 'true' and r.only_agents is null`;
			const rows = await db
				.select({
					id: sql<GroupId>`agent_group.id`,
					defaultVersion: sql<VersionId | null>`${agentGroup.defaultVersion}`,
					rollout: sql<
						GroupGives['rollout']
					>`(select json_build_object('id', r.id, 'versionId', r.version_id) from ${underWay})`,
					holding: sql<boolean>`${holding}`,
					members: sql<number>`(select count(*)::int from ${member})`,
				})
				.from(agentGroup)
				.orderBy(asc(agentGroup.id));
			return new Map(rows.map(({ id, ...row }) => [id, row]));
		},

		/** Members that are assigned something else, or nothing. */
		async notAssigned(id: GroupId, versionId: VersionId): Promise<number> {
			const other = sql`${assignment.versionId} is distinct from ${versionId}`;
			const [row] = await db
				.select({ n: sql<number>`count(*)::int` })
				.from(agent)
				.leftJoin(assignment, eq(assignment.agentId, agent.id))
				.where(and(eq(agent.groupId, id), isNull(agent.archivedAt), other));
			return row?.n ?? 0;
		},

		/** From now on newcomers are given it, and members that are assigned something else wait for it; null: nobody waits any more. */
		async setDefault(id: GroupId, versionId: VersionId | null): Promise<void> {
			await db.update(agentGroup).set({ defaultVersion: versionId }).where(eq(agentGroup.id, id));
			const other = sql`not exists (select from ${assignment} s where s.agent_id = agent.id and s.version_id = ${versionId})`;
			await db
				.update(agent)
				.set({ enrolmentDueAt: versionId === null ? null : sql`clock_timestamp()` })
				.where(and(eq(agent.groupId, id), versionId === null ? isNotNull(agent.enrolmentDueAt) : other));
		},

		/** The default that the completion of this rollout replaced is the group's again, unless it has another one by now. */
		async undoDefault(rolloutId: string): Promise<void> {
			const before = sql`case when r.default_before = r.version_id then null else r.default_before end`;
			await db.execute(sql`update ${agentGroup} set default_version = ${before}
				from ${rollout} r where r.id = ${rolloutId} and agent_group.id = r.group_id and default_version = r.version_id`);
		},

		/** Locked until the end of the transaction. */
		async enrolmentForChange(id: GroupId): Promise<EnrolmentState | null> {
			const [row] = await db
				.select({ enrolment: agentGroup.enrolment })
				.from(agentGroup)
				.where(eq(agentGroup.id, id))
				.for('no key update');
			return row?.enrolment ?? null;
		},
		/** What the keeper decided meanwhile has no effect. */
		async setEnrolment(id: GroupId, state: EnrolmentState): Promise<void> {
			const enrolmentSeq = sql`${agentGroup.enrolmentSeq} + 1`;
			await db.update(agentGroup).set({ enrolment: state, enrolmentSeq }).where(eq(agentGroup.id, id));
		},

		async setProtected(id: GroupId, value: boolean): Promise<void> {
			await db.update(agentGroup).set({ protected: value }).where(eq(agentGroup.id, id));
		},

		/** Of agents that are in a dynamic group or in none. */
		async overlaps(): Promise<readonly OverlapRow[]> {
			return db
				.select({
					groupId: sql<GroupId>`m.id`,
					otherId: sql<GroupId>`o.id`,
					agents: sql<number>`count(*)::int`,
				})
				.from(agentSelection)
				.innerJoin(sql`lateral unnest(${agentSelection.matches}) as m (id)`, sql`true`)
				.innerJoin(sql`lateral unnest(${agentSelection.matches}) as o (id)`, sql`o.id <> m.id`)
				.where(sql`cardinality(${agentSelection.matches}) > 1`)
				.groupBy(sql`m.id, o.id`);
		},

		async selectorErrors(): Promise<readonly SelectorErrorRow[]> {
			return db
				.select({
					groupId: sql<GroupId>`e.key`,
					agents: sql<number>`count(*)::int`,
					example: sql<string>`min(e.value)`,
				})
				.from(agentSelection)
				.innerJoin(sql`lateral jsonb_each_text(${agentSelection.errors}) as e`, sql`true`)
				.where(sql`${agentSelection.errors} <> '{}'`)
				.groupBy(sql`e.key`);
		},

		async find(by: { id: string } | { name: string }): Promise<GroupRow | null> {
			const match = 'id' in by ? eq(agentGroup.id, by.id) : eq(agentGroup.name, by.name);
			return (await rows().where(match))[0] ?? null;
		},

		/** Those that are deleted, or those that are not, in name order; `after` is the last name of the page before. */
		async list(limit: number, after: string | null, deleted = false): Promise<readonly GroupRow[]> {
			const { name, deletedAt } = agentGroup;
			const wanted = and(
				deleted ? isNotNull(deletedAt) : isNull(deletedAt),
				after === null ? undefined : gt(name, after),
			);
			return rows().where(wanted).orderBy(asc(name)).limit(limit);
		},

		/** Nobody deletes it before this transaction ends; false: somebody has. */
		async hold(id: GroupId): Promise<boolean> {
			const held = and(eq(agentGroup.id, id), isNull(agentGroup.deletedAt));
			return (await db.select({ id: agentGroup.id }).from(agentGroup).where(held).for('key share')).length > 0;
		},

		/** Waits for everybody who holds it or puts agents into it, and keeps the next ones waiting until this transaction ends. */
		async holdAlone(id: GroupId): Promise<void> {
			await db.select({ id: agentGroup.id }).from(agentGroup).where(eq(agentGroup.id, id)).for('update');
		},

		/** They keep what they run, and are looked at anew; archived ones once they come back. The caller holds it alone. */
		async releaseMembers(id: GroupId): Promise<void> {
			await db.execute(sql`with held as materialized (
					select id from ${agent} where group_id = ${id} order by id for no key update
				),
				released as (
					update ${agent} a set group_id = ${ungroupedGroupId}, enrolment_due_at = null
					from held where a.id = held.id returning a.id, a.archived_at
				),
				grown as (
					update ${agentGroup} set membership_seq = membership_seq + 1
					where id in (${id}, ${ungroupedGroupId}) and exists (select from released)
				)
				insert into ${selectorWork} (agent_id) select id from released where archived_at is null`);
		},

		/** Marks it. The caller holds it alone, and has released its members. */
		async markDeleted(id: GroupId): Promise<void> {
			const sweepSeq = sql`${agentGroup.sweepSeq} + 1`;
			const deletedAt = sql`clock_timestamp()`;
			await db.update(agentGroup).set({ deletedAt, sweep: null, sweepSeq }).where(eq(agentGroup.id, id));
		},

		/** Takes the mark away, and has its selector evaluated for all agents; `holds` as in `setSelector`. */
		async restore(id: GroupId, holds: boolean): Promise<void> {
			await db
				.update(agentGroup)
				.set({
					deletedAt: null,
					sweep: sql`case when selector is not null then 'evaluate' end`,
					sweepSeq: sql`${agentGroup.sweepSeq} + 1`,
					sweepAfter: null,
					sweepHolds: holds,
				})
				.where(eq(agentGroup.id, id));
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
				.set({
					groupId: to,
					enrolmentDueAt: sql`case when (select default_version from ${agentGroup} where id = ${to}) is not null then clock_timestamp() end`,
				})
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
				.for('no key update');
			await grow(concerned);
			// Whoever is in no group any more belongs where selectors say.
			if (to === ungroupedGroupId)
				await db
					.insert(selectorWork)
					.select(
						sql`select nextval(pg_get_serial_sequence('selector_work', 'id')), id, '{}'::text[] from unnest(${sql.param(moving.map(({ id }) => id))}::uuid[]) as w (id)`,
					);
			return moving.length;
		},
	};
}
