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

const protectedFlag = z.boolean().meta({ description: 'A rollout to it starts only with acceptProtected.' }).optional();

export const groupInput = z.strictObject({
	name,
	selector: selector.optional(),
	priority: priority.optional(),
	protected: protectedFlag,
});
/** What is absent stays. A dynamic group that becomes static keeps its members. */
export const groupChange = z.strictObject({
	selector: selector.optional(),
	priority: priority.optional(),
	defaultVersion: z
		.string()
		.max(300)
		.optional()
		.meta({
			description: 'What newcomers of the group are given: `configuration@number`, or an id. Empty: nothing.',
			examples: ['edge@3'],
		}),
	acceptNoWayBack: z.boolean().optional().meta({
		description:
			'Of the rollouts that are planned because many agents are concerned: some never ran a version they could go back to.',
	}),
	acceptProtected: z.boolean().optional().meta({ description: 'Of these: they go to protected groups too.' }),
	protected: protectedFlag,
});
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

const enrolment = z
	.object({
		/** Connected or not, given nothing yet. */
		waiting: z.number().int(),
		/** Given the default, and not yet judged. */
		watched: z.number().int(),
		/** Of the last 20. */
		judged: z.number().int(),
		bad: z.array(z.object({ agent: id, why: z.string() })),
		/** 3 of the last 20 were bad: nobody is given the default until somebody lets it go on. */
		stopped: z.object({ at: instant, why: z.string() }).nullable(),
		/** Why nobody is given it now: a window, a freeze, a rollout. */
		waitsFor: z.string().nullable(),
	})
	.meta({ id: 'Enrolment' });

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
		/** A rollout to it starts only with acceptProtected. */
		protected: z.boolean(),
		/** All agents are being looked at after a change of selector or priority. */
		settling: z.boolean(),
		findings: z.array(groupFinding),
		/** `configuration@number` that newcomers are given; null: they keep what they run. */
		defaultVersion: z.string().nullable(),
		/** How newcomers are given the default; null: there is none. */
		enrolment: enrolment.nullable(),
		activeRollout: id.nullable(),
		createdAt: instant,
		/** Null: it was not. A deleted group holds nobody and is no target; its name, selector and priority stay its own. */
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
	/** passes: between two other groups, since the selector of this one held it back by an error and does no more. */
	change: z.enum(['comes', 'goes', 'passes']),
	from: z.string(),
	to: z.string(),
	/** `configuration@number` it is assigned now. */
	runs: z.string().nullable(),
	/** What a rollout under way in its new group brings, else the default of that group; without either what it runs already. */
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
				/** Between two other groups. */
				passes: z.number().int(),
				/** For whom the selector would error; they stay where they are unless another group decides. */
				errors: z.number().int(),
				/** What one of them says, and what to do about it; null: there are none. */
				errorExample: z.string().nullable(),
				errorFix: z.string().nullable(),
			})
			.nullable(),
		items: z.array(groupMove),
		nextCursor: z.string().nullable(),
	})
	.meta({ id: 'GroupPreview' });

const plannedRollout = z
	.object({
		rollout: id,
		group: z.string(),
		version: z.string(),
		agents: z.number().int().meta({ description: 'Agents of the group that run something else.' }),
	})
	.meta({ id: 'PlannedRollout' });
export type PlannedRollout = z.infer<typeof plannedRollout>;

export const groupUpdate = z
	.object({
		group,
		/** What would have changed more than 10 agents, or 1 % of a group, waits here for somebody to start it. */
		planned: z.array(plannedRollout),
	})
	.meta({ id: 'GroupUpdate' });

export const groupDeletion = z
	.object({
		/** Where its members would come to a default, and are more than 10 or 1 % there: it waits for somebody to start it. */
		planned: z.array(plannedRollout),
	})
	.meta({ id: 'GroupDeletion' });

export const membershipChange = z
	.object({
		group,
		changed: z.number().int().meta({ description: 'Agents that moved; those already there are not counted.' }),
	})
	.meta({ id: 'MembershipChange' });
