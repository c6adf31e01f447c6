import { z } from 'zod';
import { id, instant, name, reference } from './fields.js';

export const groupInput = z.strictObject({ name });
export const agentsPerCallMax = 10_000;
/** Agents by internal id or instance uid. */
export const agentListInput = z.strictObject({
	agents: z.array(reference).min(1, 'name at least one agent').max(agentsPerCallMax),
});

export const group = z
	.object({
		id,
		name: z.string(),
		/** The built-in group holds the agents without another one, and is no target of a rollout. */
		builtIn: z.boolean(),
		agents: z.number().int(),
		connected: z.number().int(),
		activeRollout: id.nullable(),
		createdAt: instant,
	})
	.meta({ id: 'Group' });
export type Group = z.infer<typeof group>;

export const membershipChange = z
	.object({
		group,
		changed: z.number().int().meta({ description: 'Agents that moved; those already there are not counted.' }),
	})
	.meta({ id: 'MembershipChange' });
