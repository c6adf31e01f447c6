import type { RolloutState, Step, TargetState } from '@ampora/rollout';
import type { GroupId, RolloutId, VersionId } from '@ampora/runtime';
import { and, asc, desc, eq, gt, inArray, isNotNull, notInArray, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import type { Rollout } from '../ports.js';
import { machineOf, rolloutOf } from '../rollout_rows.js';
import {
	agent,
	agentGroup,
	configuration,
	configurationVersion,
	quarantine,
	rollout,
	rolloutEvent,
	rolloutStep,
	rolloutTarget,
} from '../schema.js';
import { activeStates, busyStates } from './configurations.js';
import { anyOf, type Cursor, type Page, pageOf } from './drizzle.js';

/** A rollout with the names people know its parts by, and the columns the core has no use for. */
export interface RolloutRow {
	readonly rollout: Rollout;
	readonly group: string;
	/** `configuration@number` */
	readonly versionRef: string;
	readonly createdBy: string;
	readonly createdAt: Date;
	readonly startedAt: Date | null;
	readonly endedAt: Date | null;
	readonly nextWakeAt: Date | null;
	readonly waitsFor: string | null;
	readonly rolledBackBy: RolloutId | null;
	/** How many agents of the group it is restricted to; null: all. */
	readonly onlyAgents: number | null;
	readonly idempotencyKey: string | null;
	readonly traceparent: string | null;
	/** The database's clock at the read, ms. */
	readonly readAtMs: number;
}

export interface NewRollout {
	readonly rollout: Rollout;
	readonly createdBy: string;
	readonly idempotencyKey: string | null;
	readonly traceparent: string | null;
	readonly onlyAgents: readonly string[] | null;
	/** Once it has completed, its version is the default of the group. */
	readonly setsDefault: boolean;
	readonly waitsFor: string | null;
	/** May its assignments be offered from the first moment on. */
	readonly offers: 'open' | 'closed';
	/** When to look at it without a command: at once, or at an instant, ms; null: not before something happens. */
	readonly wake: 'now' | number | null;
}

export interface RolloutFilter {
	readonly groupId?: string | undefined;
	readonly state?: RolloutState | undefined;
	readonly active?: boolean | undefined;
}

export interface TargetRow {
	readonly target: typeof rolloutTarget.$inferSelect;
	readonly hostname: string | null;
	readonly instanceUid: string | null;
	readonly cursorValue: string;
}

export type EventRow = Pick<typeof rolloutEvent.$inferSelect, 'seq' | 'at' | 'events'>;

const coreOf = (row: typeof rollout.$inferSelect): Rollout =>
	rolloutOf({
		id: row.id as RolloutId,
		groupId: row.groupId as GroupId,
		versionId: row.versionId as VersionId,
		spec: row.spec,
		state: row.state as RolloutState,
		seq: row.seq,
		createdAtMs: row.createdAt.getTime(),
		startedAtMs: row.startedAt?.getTime() ?? null,
		endedAtMs: row.endedAt?.getTime() ?? null,
		rollbackOf: row.rollbackOf as RolloutId | null,
		machine: row.machine,
	});

export function rolloutsOn(db: Orm) {
	const cursorValue = sql<string>`${rollout.createdAt}::text`;
	const select = () =>
		db
			.select({
				row: rollout,
				group: agentGroup.name,
				versionRef: sql<string>`${configuration.name} || '@' || ${configurationVersion.number}`,
				readAtMs: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::float8`,
				cursorValue,
			})
			.from(rollout)
			.innerJoin(agentGroup, eq(agentGroup.id, rollout.groupId))
			.innerJoin(configurationVersion, eq(configurationVersion.id, rollout.versionId))
			.innerJoin(configuration, eq(configuration.id, configurationVersion.configurationId));
	type Selected = Awaited<ReturnType<typeof select>>[number];
	const toRow = ({ row, group, versionRef, readAtMs }: Selected): RolloutRow => ({
		rollout: coreOf(row),
		group,
		versionRef,
		createdBy: row.createdBy,
		createdAt: row.createdAt,
		startedAt: row.startedAt,
		endedAt: row.endedAt,
		nextWakeAt: row.nextWakeAt,
		waitsFor: row.waitsFor,
		rolledBackBy: row.rolledBackBy as RolloutId | null,
		onlyAgents: row.onlyAgents?.length ?? null,
		idempotencyKey: row.idempotencyKey,
		traceparent: row.traceparent,
		readAtMs,
	});
	const one = async (match: SQL | undefined): Promise<RolloutRow | null> => {
		const [found] = await select().where(match).limit(1);
		return found === undefined ? null : toRow(found);
	};

	return {
		/** Runs into `rollout_one_active_per_group` (R15) or `rollout_idempotency` when one is there. */
		async insert({ rollout: core, onlyAgents, wake, ...given }: NewRollout): Promise<void> {
			await db.insert(rollout).values({
				...given,
				id: core.id,
				groupId: core.groupId,
				versionId: core.versionId,
				spec: core.spec,
				state: core.state,
				machine: machineOf(core),
				rollbackOf: core.rollbackOf,
				onlyAgents: onlyAgents === null ? null : [...onlyAgents],
				createdAt: new Date(core.createdAtMs),
				startedAt: core.startedAtMs === null ? null : new Date(core.startedAtMs),
				nextWakeAt: wake === 'now' ? sql`clock_timestamp()` : wake === null ? null : new Date(wake),
			});
		},

		find: (id: string): Promise<RolloutRow | null> => one(eq(rollout.id, id)),
		findByKey: (createdBy: string, key: string): Promise<RolloutRow | null> =>
			one(and(eq(rollout.createdBy, createdBy), eq(rollout.idempotencyKey, key))),
		/** The one that has not ended, a queued one left out. */
		activeOf: (groupId: string): Promise<RolloutRow | null> =>
			one(and(eq(rollout.groupId, groupId), inArray(rollout.state, [...busyStates]))),
		queuedOf: (groupId: string): Promise<RolloutRow | null> =>
			one(and(eq(rollout.groupId, groupId), eq(rollout.state, 'Queued'))),

		/**
		 * Makes room for a newer queued rollout of the group: the one before becomes Cancelled, with an entry in its journal, so that a
		 * decision made from where it was does not commit (R2). Its id, or null when none is queued.
		 */
		async replaceQueued(groupId: string, why: string): Promise<RolloutId | null> {
			const [gone] = await db
				.update(rollout)
				.set({
					state: 'Cancelled',
					seq: sql`${rollout.seq} + 1`,
					endedAt: sql`clock_timestamp()`,
					nextWakeAt: null,
					waitsFor: null,
				})
				.where(and(eq(rollout.groupId, groupId), eq(rollout.state, 'Queued')))
				.returning({ id: rollout.id, seq: rollout.seq });
			if (gone === undefined) return null;
			const events = [{ kind: 'state', from: 'Queued', to: 'Cancelled', why }];
			await db.insert(rolloutEvent).values({
				...{ rolloutId: gone.id, seq: gone.seq, epoch: 0, events },
				input: {},
				digest: new Uint8Array(),
			});
			return gone.id as RolloutId;
		},

		/** What one that has not begun is begun on; false when it has, or when a command that may begin it is undecided. */
		async rebind(id: string, spec: Rollout['spec']): Promise<boolean> {
			const { rows } = (await db.execute(sql`update rollout r set spec = ${JSON.stringify(spec)}::jsonb
				where r.id = ${id} and r.state in ('Pending', 'Queued') and r.started_at is null
					and not exists (select from rollout_command c where c.rollout_id = r.id and c.decided_at is null)
				returning r.id`)) as { rows: readonly unknown[] };
			return rows.length > 0;
		},

		/** Keeps the row until the transaction ends; false when there is none. */
		async lock(id: string): Promise<boolean> {
			const rows = await db.select({ id: rollout.id }).from(rollout).where(eq(rollout.id, id)).for('update');
			return rows.length > 0;
		},

		/**
		 * Steps and targets of an ended rollout as those of the one that takes it back: what it proved, where it stood and what it was
		 * handed stay as they are, so that every counter stays true; those in `touched` states are to go back.
		 */
		async copyForRollback(from: RolloutId, to: RolloutId, touched: readonly TargetState[]): Promise<void> {
			await db.execute(sql`insert into rollout_step (rollout_id, index, machine, counters)
				select ${to}, index, machine, counters from rollout_step where rollout_id = ${from}`);
			await db.execute(sql`insert into rollout_target (rollout_id, agent_id, rank, step, state, reason, error, reports, sick_before,
					previous_version, seq, attempt, former_version, former_attempt, former_answer, watch, back, wake_at, admitted_at, answered_at)
				select ${to}, agent_id, rank, step, state, reason, error, reports, sick_before,
					previous_version, seq, attempt, former_version, former_attempt, former_answer, watch,
					case when step is not null and ${anyOf(sql`state`, touched, 'text')} or back ->> 'state' = 'todo'
						then '{"state": "todo"}'::jsonb end,
					null, admitted_at, answered_at
				from rollout_target where rollout_id = ${from}`);
		},

		/** An explicit retry lifts the quarantine of a version for these agents (R9). */
		async releaseQuarantine(versionId: VersionId, agents: readonly string[]): Promise<void> {
			await db
				.delete(quarantine)
				.where(and(eq(quarantine.versionId, versionId), anyOf(quarantine.agentId, agents, 'uuid')));
		},

		/** Newest first. */
		async list(
			{ groupId, state, active }: RolloutFilter,
			limit: number,
			after: Cursor | null,
		): Promise<Page<RolloutRow & { cursorValue: string }>> {
			const states = [...activeStates];
			const found = await select()
				.where(
					and(
						groupId === undefined ? undefined : eq(rollout.groupId, groupId),
						state === undefined ? undefined : eq(rollout.state, state),
						active === undefined ? undefined : (active ? inArray : notInArray)(rollout.state, states),
						after === null
							? undefined
							: sql`(${rollout.createdAt}, ${rollout.id}) < (${after.value}::timestamptz, ${after.id}::uuid)`,
					),
				)
				.orderBy(desc(rollout.createdAt), desc(rollout.id))
				.limit(limit + 1);
			const rows = found.map((row) => ({ ...toRow(row), cursorValue: row.cursorValue }));
			return pageOf(rows, limit, (row) => row.rollout.id);
		},

		/** Steps that were started, per rollout, by index. */
		async steps(ids: readonly string[]): Promise<ReadonlyMap<string, readonly Step[]>> {
			const byRollout = new Map<string, Step[]>();
			if (ids.length === 0) return byRollout;
			const rows = await db
				.select()
				.from(rolloutStep)
				.where(inArray(rolloutStep.rolloutId, [...ids]))
				.orderBy(asc(rolloutStep.index));
			for (const { rolloutId, index, machine, counters } of rows) {
				const steps = byRollout.get(rolloutId) ?? [];
				steps.push({ ...(machine as Step), index, counters });
				byRollout.set(rolloutId, steps);
			}
			return byRollout;
		},

		/** In rank order. `step` is an index. */
		async targets(
			id: string,
			{ state, step }: { state?: TargetState | undefined; step?: number | undefined },
			{ limit, after }: { limit: number; after: Cursor | null },
		): Promise<Page<TargetRow>> {
			const past =
				after === null
					? undefined
					: sql`(${rolloutTarget.rank}, ${rolloutTarget.agentId}) > (${after.value}::int, ${after.id}::uuid)`;
			const found = await db
				.select({
					target: rolloutTarget,
					hostname: agent.hostname,
					instanceUid: agent.instanceUid,
					cursorValue: sql<string>`${rolloutTarget.rank}::text`,
				})
				.from(rolloutTarget)
				.leftJoin(agent, eq(agent.id, rolloutTarget.agentId))
				.where(
					and(
						eq(rolloutTarget.rolloutId, id),
						state === undefined ? undefined : eq(rolloutTarget.state, state),
						step === undefined ? undefined : eq(rolloutTarget.step, step),
						past,
					),
				)
				.orderBy(asc(rolloutTarget.rank), asc(rolloutTarget.agentId))
				.limit(limit + 1);
			return pageOf(found, limit, (row) => row.target.agentId);
		},

		/** The agents' own error texts, most frequent first; at most 20, each with up to three agents. */
		async errors(id: string): Promise<readonly { error: string; agents: number; examples: string[] }[]> {
			const agents = sql<number>`count(*)::int`;
			return db
				.select({
					error: sql<string>`${rolloutTarget.error}`,
					agents,
					examples: sql<string[]>`(array_agg(${rolloutTarget.agentId}::text order by ${rolloutTarget.rank}))[1:3]`,
				})
				.from(rolloutTarget)
				.where(and(eq(rolloutTarget.rolloutId, id), sql`${rolloutTarget.error} is not null`))
				.groupBy(rolloutTarget.error)
				.orderBy(desc(sql`count(*)`), rolloutTarget.error)
				.limit(20);
		},

		/** How many agents answered in the last `windowMs`. */
		async answeredWithin(id: string, windowMs: number): Promise<number> {
			const since = sql`clock_timestamp() - make_interval(secs => ${windowMs / 1000}::float8)`;
			const [row] = await db
				.select({ n: sql<number>`count(*)::int` })
				.from(rolloutTarget)
				.where(and(eq(rolloutTarget.rolloutId, id), gt(rolloutTarget.answeredAt, since)));
			return row?.n ?? 0;
		},

		/** Does any agent that was pushed and is in `touched` know a version it proved before? */
		async anyWayBack(id: string, touched: readonly TargetState[]): Promise<boolean> {
			const { rolloutId, state, step, previousVersion, agentId } = rolloutTarget;
			const rows = await db
				.select({ id: agentId })
				.from(rolloutTarget)
				.where(and(eq(rolloutId, id), isNotNull(step), isNotNull(previousVersion), inArray(state, [...touched])))
				.limit(1);
			return rows.length > 0;
		},

		async agentsIn(id: string, states: readonly TargetState[]): Promise<readonly string[]> {
			const rows = await db
				.select({ id: rolloutTarget.agentId })
				.from(rolloutTarget)
				.where(and(eq(rolloutTarget.rolloutId, id), inArray(rolloutTarget.state, [...states])))
				.orderBy(asc(rolloutTarget.rank));
			return rows.map((row) => row.id);
		},

		/** The journal after `after`, in order: what people are told of each decision. */
		async events(id: string, after: number, limit: number): Promise<readonly EventRow[]> {
			return db
				.select({ seq: rolloutEvent.seq, at: rolloutEvent.at, events: rolloutEvent.events })
				.from(rolloutEvent)
				.where(and(eq(rolloutEvent.rolloutId, id), gt(rolloutEvent.seq, after)))
				.orderBy(asc(rolloutEvent.seq))
				.limit(limit);
		},

		async databaseNowMs(): Promise<number> {
			const rows = await db
				.select({ ms: sql<number>`floor(extract(epoch from clock_timestamp()) * 1000)::float8` })
				.from(sql`(values (1)) as once`);
			return rows[0]?.ms ?? 0;
		},
	};
}
