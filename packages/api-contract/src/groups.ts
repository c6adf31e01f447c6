import { z } from 'zod';
import { flag, id, instant, name, pageQuery, reference } from './fields.js';

const selector = z
	.string()
	.max(2_000)
	.meta({
		description:
			'CEL over agent.attributes, agent.type, agent.version, agent.capabilities and agent.components. Empty: a static group.',
		examples: ['agent.attributes["deployment.environment"] == "prod" && agent.version >= semver("0.110.0")'],
	});
const priorityMax = 1_000_000;
const priority = z.number().int().min(-priorityMax).max(priorityMax).meta({
	description: 'Of several dynamic groups that match an agent, the one with the highest has it; then the older one.',
});

export const groupInput = z.strictObject({ name, selector: selector.optional(), priority: priority.optional() });
/** What is absent stays. A dynamic group that becomes static keeps its members. */
export const groupChange = z.strictObject({ selector: selector.optional(), priority: priority.optional() });
export const groupsQuery = z.strictObject({
	deleted: flag.optional().meta({ description: 'true: those that were deleted; otherwise those that were not.' }),
	...pageQuery,
});
export const agentsPerCallMax = 10_000;
/** Agents by internal id or instance uid. */
export const agentListInput = z.strictObject({
	agents: z.array(reference).min(1, 'name at least one agent').max(agentsPerCallMax),
});

export const groupFinding = z
	.object({
		code: z.enum(['selector-error', 'selector-overlap', 'selector-tie', 'selector-unusable']),
		message: z.string(),
		/** How many it concerns. */
		agents: z.number().int(),
		fix: z.string(),
	})
	.meta({ id: 'GroupFinding' });
export type GroupFinding = z.infer<typeof groupFinding>;

export const group = z
	.object({
		id,
		name: z.string(),
		/** The built-in group holds the agents without another one, and is no target of a rollout. */
		builtIn: z.boolean(),
		agents: z.number().int(),
		connected: z.number().int(),
		/** Null: a static group, whose members were chosen one by one. */
		selector: z.string().nullable(),
		priority: z.number().int(),
		/** All agents are being looked at after a change of selector or priority. */
		settling: z.boolean(),
		findings: z.array(groupFinding),
		activeRollout: id.nullable(),
		createdAt: instant,
		/** Null: it was not. A deleted group holds nobody and is no target; its name stays its own. */
		deletedAt: instant.nullable(),
	})
	.meta({ id: 'Group' });
export type Group = z.infer<typeof group>;

export const groupPreviewInput = z.strictObject({
	group: reference.optional().meta({ description: 'The group that would change; absent: a new one.' }),
	selector: selector.optional(),
	priority: priority.optional(),
	limit: z.number().int().min(1).max(500).default(100),
	cursor: z.string().max(500).optional().meta({ description: 'nextCursor of the page before.' }),
});

const groupMove = z.object({
	agent: id,
	instanceUid: id,
	hostname: z.string().nullable(),
	change: z.enum(['comes', 'goes']),
	from: z.string(),
	to: z.string(),
	/** `configuration@number` it is assigned now. */
	runs: z.string().nullable(),
	/** What its new group was last brought to; what it runs already, where that was brought to nothing. */
	wouldRun: z.string().nullable(),
});

export const groupPreview = z
	.object({
		/** Over the whole fleet; null on all pages but the first. */
		counts: z
			.object({
				agents: z.number().int(),
				comes: z.number().int(),
				goes: z.number().int(),
				/** For whom the selector would error; they stay where they are unless another group decides. */
				errors: z.number().int(),
			})
			.nullable(),
		items: z.array(groupMove),
		nextCursor: z.string().nullable(),
	})
	.meta({ id: 'GroupPreview' });

export const membershipChange = z
	.object({
		group,
		changed: z.number().int().meta({ description: 'Agents that moved; those already there are not counted.' }),
	})
	.meta({ id: 'MembershipChange' });
