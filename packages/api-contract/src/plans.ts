// What a rollout would do: terms it binds to, and a forecast.
import { z } from 'zod';
import { finding, versionComparison } from './configurations.js';
import { id, instant, pageQuery } from './fields.js';
import { specView } from './rollout_answer.js';
import { gateName } from './rollout_words.js';

const count = z.number().int();
const ms = z.number();

const gateForecast = z.object({
	/**
	 * `armed`: it fires at k of n. `advisory`: not even all of them would fire it. `inconclusive`: it cannot pass, and the rollout pauses.
	 * `not-applicable`: it judges nobody, and is no obstacle.
	 */
	kind: z.enum(['armed', 'advisory', 'inconclusive', 'not-applicable']),
	k: count.nullable(),
	n: count.nullable(),
	why: z.string().nullable(),
});

const planMetricGate = z.object({
	/** `metric:<name>` */
	gate: z.string(),
	kind: z.enum(['armed', 'not-applicable']),
	/** `>= 0.9 × control`: it passes while that holds. */
	rule: z.string(),
	/** So many failures fire it. */
	failures: count.nullable(),
	/** When it is first asked, counted from the first answer of the step, and how often then. */
	first: z.string().nullable(),
	every: z.string().nullable(),
	why: z.string().nullable(),
});

const planStep = z.object({
	number: count,
	name: z.string().nullable(),
	agents: count,
	/** Without a session now: they keep their place for when they return. */
	deferred: count,
	dwell: z.string(),
	dwellMs: ms,
	gates: z.array(z.object({ gate: gateName, thresholdPercent: count, step: gateForecast, rollout: gateForecast })),
	metricGates: z.array(planMetricGate),
});

export const rolloutPlan = z
	.object({
		id,
		/** sha256 of the terms: version, group, how it is done, risks. The names of agents are none of them. */
		digest: z.string(),
		createdBy: z.string(),
		createdAt: instant,
		/** After that it binds nobody. */
		expiresAt: instant,
		group: z.string(),
		version: z.string(),
		spec: specView,
		/** Agents to be pushed. */
		eligible: count,
		alreadyApplied: count,
		/** Why agents are left out, and how many. */
		skipped: z.record(z.string(), count),
		sickBefore: count,
		noWayBack: count,
		/** Agents that lack a component, and those of which nobody knows. */
		incompatible: count,
		unknown: count,
		steps: z.array(planStep),
		/** With instant answers, and with every answer as late as allowed, every dwell extended and every metric gate at its limits. */
		duration: z.object({ least: z.string(), leastMs: ms, most: z.string(), mostMs: ms }),
		/** Steps are started by a person, whose time is not in it. */
		advancedByHand: z.boolean(),
		/** Nobody is connected: nothing happens until somebody is. */
		waitsForAgents: z.boolean(),
		/** no-way-back, management-path, endpoint-changed, pipeline-removed, incompatible-agents, unknown-catalogue, gates-advisory, over-size:N, protected-group, no-window. */
		risks: z.array(
			z.object({
				risk: z.string(),
				message: z.string(),
				action: z.string().meta({ description: 'What to do about it.' }),
			}),
		),
		/** Against the version most of these agents are assigned now; null: they are assigned none. */
		comparison: versionComparison.nullable(),
		findings: z.array(finding),
	})
	.meta({ id: 'RolloutPlan' });
export type RolloutPlan = z.infer<typeof rolloutPlan>;

export const planAgentsAbout = ['pushed', 'excluded', 'sick-before', 'incompatible', 'unknown', 'no-way-back'] as const;
export type PlanAgentsAbout = (typeof planAgentsAbout)[number];

export const planAgentsQuery = z.strictObject({
	step: z.coerce.number().int().min(1).optional().meta({ description: 'Counts from 1; all when left out.' }),
	about: z.enum(planAgentsAbout).optional().meta({
		description:
			'pushed: to be pushed; excluded: left out; of those to be pushed, sick-before: unhealthy by now, incompatible: lacks a component, unknown: nobody knows what it has, no-way-back: never proved a version. All when left out.',
	}),
	...pageQuery,
});

export const plannedAgent = z
	.object({
		id,
		/** From 1; null: it is left out. */
		step: count.nullable(),
		/** Its place in the order, from 1; those left out come last. */
		place: count,
		/** To be pushed, and without a session now. */
		deferred: z.boolean(),
		/** Why it is left out: already-applied, no-remote-config, cannot-confirm, quarantined; null: it is to be pushed. */
		excluded: z.string().nullable(),
		/** Unhealthy by now. */
		sickBefore: z.boolean(),
		/** Does it have the components that the version needs. */
		fit: z.enum(['has', 'lacks', 'unknown']),
		/** Components it lacks, like `receivers/kafka`. */
		lacks: z.array(z.string()),
		/** To be pushed, never proved a version, and there is none to go back to. */
		noWayBack: z.boolean(),
		hostname: z.string().nullable(),
		instanceUid: z.string().nullable(),
	})
	.meta({ id: 'PlannedAgent' });
export type PlannedAgent = z.infer<typeof plannedAgent>;
