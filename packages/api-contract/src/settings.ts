// What an installation decides for itself. Everything has a default of the product.
import { z } from 'zod';
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

export const settings = z
	.object({
		/** What gates of new rollouts are where those do not say. */
		gateDefaults: z.array(gateDefault),
	})
	.meta({ id: 'Settings' });
export type Settings = z.infer<typeof settings>;

/** What is not named stays as it is. */
export const settingsChange = z
	.strictObject({
		gateDefaults: gatesOf(gateInput).optional(),
		/** These become the product's defaults again, before `gateDefaults` are set. */
		resetGates: z.array(gateName).max(gateName.options.length).optional(),
	})
	.refine(
		({ gateDefaults = {}, resetGates = [] }) => Object.keys(gateDefaults).length + resetGates.length > 0,
		'name something to change: "gateDefaults" or "resetGates"',
	);
