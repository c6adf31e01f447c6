import type { ConfigurationId, VersionId } from '@ampora/runtime';
import { and, asc, desc, eq, gt, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import {
	agent,
	agentGroup,
	assignment,
	configuration,
	configurationVersion,
	quarantine,
	rollout,
	rolloutTarget,
} from '../schema.js';
import { anyOf } from './drizzle.js';

export type ConfigurationRow = typeof configuration.$inferSelect;
export type VersionRow = typeof configurationVersion.$inferSelect & { readonly configuration: string };
type NewVersion = Pick<
	typeof configurationVersion.$inferInsert,
	'id' | 'configurationId' | 'files' | 'contentHash' | 'semanticHash' | 'createdBy'
>;
type Files = Pick<VersionRow, 'files' | 'contentHash' | 'semanticHash'>;

export function configurationsOn(db: Orm) {
	const versions = () =>
		db
			.select({ version: configurationVersion, configuration: configuration.name })
			.from(configurationVersion)
			.innerJoin(configuration, eq(configuration.id, configurationVersion.configurationId));
	type Selected = Awaited<ReturnType<typeof versions>>[number];
	const toRow = ({ version, configuration }: Selected): VersionRow => ({ ...version, configuration });
	const draft = (id: string) => and(eq(configurationVersion.id, id), eq(configurationVersion.state, 'Draft'));

	return {
		async insert(id: ConfigurationId, name: string): Promise<void> {
			await db.insert(configuration).values({ id, name });
		},

		async find(by: { id: string } | { name: string }): Promise<ConfigurationRow | null> {
			const match = 'id' in by ? eq(configuration.id, by.id) : eq(configuration.name, by.name);
			return (await db.select().from(configuration).where(match))[0] ?? null;
		},

		/** In name order; `after` is the last name of the page before. */
		async list(limit: number, after: string | null): Promise<readonly ConfigurationRow[]> {
			const query = db.select().from(configuration);
			const paged = after === null ? query : query.where(gt(configuration.name, after));
			return paged.orderBy(asc(configuration.name)).limit(limit);
		},

		/** False when it has a version that is no draft: its history is kept. Drafts go with it. */
		async deleteWithDrafts(id: string): Promise<boolean> {
			await db.select().from(configuration).where(eq(configuration.id, id)).for('update');
			const kept = await db
				.select({ id: configurationVersion.id })
				.from(configurationVersion)
				.where(and(eq(configurationVersion.configurationId, id), ne(configurationVersion.state, 'Draft')))
				.limit(1);
			if (kept.length > 0) return false;
			await db.delete(configurationVersion).where(eq(configurationVersion.configurationId, id));
			await db.delete(configuration).where(eq(configuration.id, id));
			return true;
		},

		/** Number of versions, the latest, and the latest published, per configuration. */
		async versionOverview(
			ids: readonly string[],
		): Promise<ReadonlyMap<string, { count: number; latest: VersionRow; published: VersionRow | null }>> {
			const rows = await versions()
				.where(anyOf(configurationVersion.configurationId, ids, 'uuid'))
				.orderBy(desc(configurationVersion.number));
			const overview = new Map<string, { count: number; latest: VersionRow; published: VersionRow | null }>();
			for (const row of rows.map(toRow)) {
				const known = overview.get(row.configurationId) ?? { count: 0, latest: row, published: null };
				const published = known.published ?? (row.state === 'Published' ? row : null);
				overview.set(row.configurationId, { ...known, count: known.count + 1, published });
			}
			return overview;
		},

		/** A draft with the next number, which no other version ever had: the update locks the configuration. */
		async insertVersion(given: NewVersion): Promise<VersionRow> {
			const highest = sql`(select coalesce(max(v.number), 0) from configuration_version v where v.configuration_id = ${given.configurationId})`;
			const [counted] = await db
				.update(configuration)
				.set({ lastNumber: sql`greatest(${configuration.lastNumber}, ${highest}) + 1` })
				.where(eq(configuration.id, given.configurationId))
				.returning({ number: configuration.lastNumber });
			if (counted === undefined) throw new Error('a version was to be inserted into no configuration');
			await db.insert(configurationVersion).values({ ...given, number: counted.number, state: 'Draft' });
			const row = await this.findVersion({ id: given.id });
			if (row === null) throw new Error('a version was inserted and is not there');
			return row;
		},

		async findVersion(
			by: { id: string } | { configuration: string; number: number },
			lock = false,
		): Promise<VersionRow | null> {
			const match =
				'id' in by
					? eq(configurationVersion.id, by.id)
					: and(eq(configuration.name, by.configuration), eq(configurationVersion.number, by.number));
			const query = versions().where(match);
			const row = (await (lock ? query.for('update', { of: configurationVersion }) : query))[0];
			return row === undefined ? null : toRow(row);
		},

		/** Newest first; `before` is the last number of the page before. */
		async listVersions(configurationId: string, limit: number, before: number | null): Promise<readonly VersionRow[]> {
			const mine = eq(configurationVersion.configurationId, configurationId);
			const rows = await versions()
				.where(before === null ? mine : and(mine, lt(configurationVersion.number, before)))
				.orderBy(desc(configurationVersion.number))
				.limit(limit);
			return rows.map(toRow);
		},

		/** The published version that was the newest when this one was published, or is now for a draft. */
		async publishedBefore({ id, configurationId, publishedAt }: VersionRow): Promise<VersionRow | null> {
			const { configurationId: of, state, publishedAt: at } = configurationVersion;
			const others = and(eq(of, configurationId), eq(state, 'Published'), ne(configurationVersion.id, id));
			const [row] = await versions()
				.where(publishedAt === null ? others : and(others, lt(at, publishedAt)))
				.orderBy(desc(at), desc(configurationVersion.number))
				.limit(1);
			return row === undefined ? null : toRow(row);
		},

		/** `configuration@number` by version id. */
		async versionRefs(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
			const unique = [...new Set(ids)];
			if (unique.length === 0) return new Map();
			const rows = await db
				.select({ id: configurationVersion.id, number: configurationVersion.number, name: configuration.name })
				.from(configurationVersion)
				.innerJoin(configuration, eq(configuration.id, configurationVersion.configurationId))
				.where(anyOf(configurationVersion.id, unique, 'uuid'));
			return new Map(rows.map(({ id, number, name }) => [id, `${name}@${number}`]));
		},

		/** False when it is no draft any more. */
		async replaceDraftFiles(id: VersionId, { files, contentHash, semanticHash }: Files): Promise<boolean> {
			const rows = await db
				.update(configurationVersion)
				.set({ files, contentHash, semanticHash })
				.where(draft(id))
				.returning({ id: configurationVersion.id });
			return rows.length > 0;
		},

		async deleteDraft(id: VersionId): Promise<boolean> {
			const rows = await db.delete(configurationVersion).where(draft(id)).returning({ id: configurationVersion.id });
			return rows.length > 0;
		},

		async publish(id: VersionId): Promise<void> {
			await db
				.update(configurationVersion)
				.set({ state: 'Published', publishedAt: sql`clock_timestamp()` })
				.where(draft(id));
		},

		async archive(id: VersionId): Promise<void> {
			await db
				.update(configurationVersion)
				.set({ state: 'Archived' })
				.where(and(eq(configurationVersion.id, id), eq(configurationVersion.state, 'Published')));
		},

		/** What still points to the version: an assignment, or a rollout that has not ended. */
		async usesOf(id: VersionId): Promise<{ assignments: number; rollouts: number }> {
			const active = inArray(rollout.state, [...activeStates]);
			const mentioned = sql`(${rollout.versionId} = ${id} or exists (select from ${rolloutTarget} t where t.rollout_id = rollout.id and t.previous_version = ${id}))`;
			const [[assigned], [active_]] = await Promise.all([
				db.select({ n: sql<number>`count(*)::int` }).from(assignment).where(eq(assignment.versionId, id)),
				db.select({ n: sql<number>`count(*)::int` }).from(rollout).where(and(active, mentioned)),
			]);
			return { assignments: assigned?.n ?? 0, rollouts: active_?.n ?? 0 };
		},

		/** What still points to the version, or may point to it again. */
		async pointersTo(id: VersionId): Promise<VersionPointers> {
			const n = sql<number>`count(*)::int`;
			const wayBack = sql`(${rollout.spec} ->> 'rollbackTo' = ${id} or ${rollout.defaultBefore} = ${id} or exists (select from ${rolloutTarget} t where t.rollout_id = rollout.id and t.previous_version = ${id}))`;
			const undoable = and(inArray(rollout.state, [...activeStates, ...undoableStates]), isNull(rollout.rolledBackBy));
			const provenBy = or(eq(agent.provenVersion, id), eq(agent.previousProvenVersion, id));
			const counted = async (rows: PromiseLike<{ n: number }[]>) => (await rows)[0]?.n ?? 0;
			return {
				assignments: await counted(db.select({ n }).from(assignment).where(eq(assignment.versionId, id))),
				provenBy: await counted(db.select({ n }).from(agent).where(provenBy)),
				waysBack: await counted(db.select({ n }).from(rollout).where(and(undoable, wayBack))),
				rollouts: await counted(db.select({ n }).from(rollout).where(eq(rollout.versionId, id))),
				defaults: await counted(db.select({ n }).from(agentGroup).where(eq(agentGroup.defaultVersion, id))),
			};
		},

		/** What was quarantined because of it goes too. False when it is not archived. */
		async deleteArchived(id: VersionId): Promise<boolean> {
			const archived = and(eq(configurationVersion.id, id), eq(configurationVersion.state, 'Archived'));
			const rows = await db.delete(configurationVersion).where(archived).returning({ id: configurationVersion.id });
			if (rows.length > 0) await db.delete(quarantine).where(eq(quarantine.versionId, id));
			return rows.length > 0;
		},
	};
}

/** Each a reason to keep a version. */
export interface VersionPointers {
	/** Agents that should run it now. */
	readonly assignments: number;
	/** Agents that last proved it, or proved it before that: a rollback, or a failure, takes them there. */
	readonly provenBy: number;
	/** Rollouts under way, or ended and not yet undone, whose rollback goes to it. */
	readonly waysBack: number;
	/** Rollouts that rolled it out, ended ones too: their record names it. */
	readonly rollouts: number;
	/** Groups whose newcomers are given it. */
	readonly defaults: number;
}

/** States of ended rollouts that can still be rolled back, by a new one. */
const undoableStates = ['Completed', 'Aborted', 'Failed'] as const;

/** States of a rollout that has not ended; the partial unique index on `rollout` names the same. */
export const activeStates = ['PendingApproval', 'Pending', 'Queued', 'InProgress', 'Paused', 'RollingBack'] as const;
/** Of these a group has at most one (R15). */
export const busyStates = ['PendingApproval', 'Pending', 'InProgress', 'Paused', 'RollingBack'] as const;
