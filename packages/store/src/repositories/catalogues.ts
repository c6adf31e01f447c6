import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import type { CatalogueComponents } from '../ports.js';
import { agent, componentCatalogue } from '../schema.js';

/** What tells one catalogue from another. `hash` in hex. */
export interface CatalogueKey {
	readonly distribution: string;
	readonly version: string;
	readonly hash: string;
}

export interface CatalogueRow extends CatalogueKey {
	/** Null until an agent has told. */
	readonly components: CatalogueComponents | null;
	readonly receivedAt: Date | null;
	readonly agents: number;
}

/** Agents of one kind: what they have is the same, known or not. */
export interface BuildRow {
	readonly distribution: string;
	readonly version: string;
	/** Null: they name no catalogue. */
	readonly hash: string | null;
	readonly components: CatalogueComponents | null;
	readonly agentIds: readonly string[];
}

const distribution = sql`coalesce(${agent.agentType}, '')`;
const version = sql`coalesce(${agent.agentVersion}, '')`;
const ofAgent = sql`${componentCatalogue.distribution} = ${distribution} and ${componentCatalogue.version} = ${version} and ${componentCatalogue.hash} = ${agent.componentsHash}`;
const hex = (column: SQL | { getSQL(): SQL }) => sql<string>`encode(${column}, 'hex')`;

export function cataloguesOn(db: Orm) {
	return {
		/** In the order of their keys; `after` is the last of the page before. */
		async list(limit: number, after: CatalogueKey | null): Promise<readonly CatalogueRow[]> {
			const { distribution, version, hash, components, receivedAt } = componentCatalogue;
			const past =
				after &&
				sql`(${distribution}, ${version}, ${hex(hash)}) > (${after.distribution}, ${after.version}, ${after.hash})`;
			const rows = await db
				.select({ distribution, version, hash: hex(hash), components, receivedAt })
				.from(componentCatalogue)
				.where(past ?? undefined)
				.orderBy(distribution, version, hex(hash))
				.limit(limit);
			const agents = await db
				.select({ distribution, version, hash: hex(hash), agents: sql<number>`count(*)::int` })
				.from(componentCatalogue)
				.innerJoin(agent, and(ofAgent, isNull(agent.archivedAt)))
				.groupBy(distribution, version, hash);
			const counts = new Map(agents.map((row) => [keyText(row), row.agents]));
			return rows.map((row) => ({ ...row, agents: counts.get(keyText(row)) ?? 0 }));
		},

		/** What agents have, by kind of agent, most frequent first: of one agent, of a group, or of all; archived ones only where named. */
		async builds({ groupId, agentId }: { groupId?: string; agentId?: string }): Promise<readonly BuildRow[]> {
			return db
				.select({
					distribution: sql<string>`${distribution}`,
					version: sql<string>`${version}`,
					hash: sql<string | null>`${hex(agent.componentsHash)}`,
					components: componentCatalogue.components,
					agentIds: sql<string[]>`array_agg(${agent.id} order by ${agent.id})`,
				})
				.from(agent)
				.leftJoin(componentCatalogue, ofAgent)
				.where(
					and(
						groupId === undefined ? undefined : eq(agent.groupId, groupId),
						agentId === undefined ? isNull(agent.archivedAt) : eq(agent.id, agentId),
					),
				)
				.groupBy(distribution, version, agent.componentsHash, componentCatalogue.components)
				.orderBy(sql`count(*) desc`, distribution, version);
		},
	};
}

const keyText = ({ distribution, version, hash }: CatalogueKey): string =>
	JSON.stringify([distribution, version, hash]);
