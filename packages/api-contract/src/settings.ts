// What an installation decides for itself. Everything has a default of the product.
import { z } from 'zod';
import { duration } from './fields.js';
import { gateInput, gatesOf } from './rollout_input.js';
import { gateName } from './rollout_words.js';

const gateDefault = z.object({
	gate: gateName,
	thresholdPercent: z.number().int(),
	window: z.string(),
	windowMs: z.number().int(),
	/** In a step planned for fewer agents the gate is advisory; 0: it always judges. */
	minSample: z.number().int(),
	/** Somebody set it; false: the product's default. */
	changed: z.boolean(),
});

const identityAttributesMax = 8;
const identityChange = z.strictObject({
	/** Names of attributes; none: an agent is known by its instance uid alone. */
	attributes: z
		.array(
			z
				.string()
				.min(1)
				.max(200)
				.regex(/^[^\s,]+$/, 'an attribute name has no blanks and no commas, like service.name'),
		)
		.max(identityAttributesMax)
		.refine((names) => new Set(names).size === names.length, 'name each attribute once')
		.default([]),
});

export const settings = z
	.object({
		/** What gates of new rollouts are where those do not say. */
		gateDefaults: z.array(gateDefault),
		/** Attributes whose values, taken together, no two agents share: one that comes back under another uid is the one it was. */
		agentIdentity: z.object({
			attributes: z.array(z.string()),
			/** Agents are still being looked at anew: some that come back now are taken for new ones. */
			settling: z.boolean(),
		}),
		/** Agents that are away for so long are archived: out of lists and counts, and no members, until they connect again. */
		fleetRetention: z.object({
			unseen: z.string(),
			unseenMs: z.number().int(),
			/** After a goodbye. */
			goodbye: z.string(),
			goodbyeMs: z.number().int(),
			/** Somebody set one of them; false: the product's defaults. */
			changed: z.boolean(),
		}),
	})
	.meta({ id: 'Settings' });
export type Settings = z.infer<typeof settings>;

/** What is not named stays as it is. */
export const settingsChange = z
	.strictObject({
		gateDefaults: gatesOf(gateInput).optional(),
		/** These become the product's defaults again; none of them is in `gateDefaults`. */
		resetGates: z.array(gateName).max(gateName.options.length).optional(),
		/** In the place of those before. */
		agentIdentity: identityChange.optional(),
		fleetRetention: z.strictObject({ unseen: duration.optional(), goodbye: duration.optional() }).optional(),
		/** Both become the product's defaults again, before `fleetRetention` is set. */
		resetRetention: z.boolean().optional(),
	})
	.refine(({ gateDefaults = {}, resetGates = [] }) => resetGates.every((gate) => !(gate in gateDefaults)), {
		path: ['resetGates'],
		message: 'a gate is set or reset, not both',
	})
	.refine(
		({ gateDefaults = {}, resetGates = [], agentIdentity, fleetRetention = {}, resetRetention = false }) =>
			Object.keys(gateDefaults).length + resetGates.length + Object.keys(fleetRetention).length > 0 ||
			agentIdentity !== undefined ||
			resetRetention,
		'name something to change: "gateDefaults", "resetGates", "agentIdentity", "fleetRetention" or "resetRetention"',
	);
