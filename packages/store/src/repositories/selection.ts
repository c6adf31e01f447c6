import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import { and, eq, gt, isNotNull, isNull, sql } from 'drizzle-orm';
import type { Orm } from '../database.js';
import type { SelectorSubject } from '../ports.js';
import { agent, agentGroup, agentSelection, assignment, componentCatalogue } from '../schema.js';

export interface DynamicGroupRow {
	readonly id: GroupId;
	readonly name: string;
	readonly selector: string;
	readonly priority: number;
	readonly createdAt: Date;
}

export interface PreviewSubject extends SelectorSubject {
	readonly instanceUid: string;
	readonly hostname: string | null;
	readonly groupName: string;
	/** Assigned to it. */
	readonly versionId: VersionId | null;
}

const catalogueOfAgent = sql`${componentCatalogue.hash} = ${agent.componentsHash}
	and ${componentCatalogue.distribution} = coalesce(${agent.agentType}, '') and ${componentCatalogue.version} = coalesce(${agent.agentVersion}, '')`;

/** What the use cases read of selectors and of whom they select. */
export const selectionOn = (db: Orm) => ({
	async dynamicGroups(): Promise<readonly DynamicGroupRow[]> {
		const { name, priority, createdAt } = agentGroup;
		return db
			.select({
				id: sql<GroupId>`${agentGroup.id}`,
				selector: sql<string>`${agentGroup.selector}`,
				...{ name, priority, createdAt },
			})
			.from(agentGroup)
			.where(and(isNotNull(agentGroup.selector), isNull(agentGroup.deletedAt)));
	},

	/** Agents that have described themselves and are not archived, in the order of ids. */
	async subjects(after: string | null, limit: number): Promise<readonly PreviewSubject[]> {
		const { description, agentType, agentVersion, capabilities, instanceUid, hostname } = agent;
		return db
			.select({
				agentId: sql<AgentId>`${agent.id}`,
				groupId: sql<GroupId>`${agent.groupId}`,
				groupName: agentGroup.name,
				where: sql<
					SelectorSubject['where']
				>`case when ${agentGroup.builtIn} then 'ungrouped' when ${agentGroup.selector} is null then 'chosen' else 'dynamic' end`,
				...{ description, agentType, agentVersion, capabilities, instanceUid, hostname },
				components: componentCatalogue.components,
				matches: sql<GroupId[] | null>`${agentSelection.matches}`,
				errors: agentSelection.errors,
				versionId: sql<VersionId | null>`${assignment.versionId}`,
			})
			.from(agent)
			.innerJoin(agentGroup, eq(agentGroup.id, agent.groupId))
			.leftJoin(agentSelection, eq(agentSelection.agentId, agent.id))
			.leftJoin(componentCatalogue, catalogueOfAgent)
			.leftJoin(assignment, eq(assignment.agentId, agent.id))
			.where(
				and(isNotNull(agent.description), isNull(agent.archivedAt), after === null ? undefined : gt(agent.id, after)),
			)
			.orderBy(agent.id)
			.limit(limit);
	},
});
