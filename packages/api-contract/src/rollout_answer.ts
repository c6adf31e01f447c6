// What a rollout always answers: where it is, what each agent did, what it waits for, and what may be done to it.
import { z } from 'zod';
import { id, instant, links } from './fields.js';
import { commandKind, gateName, pauseReason, rolloutState, targetState } from './rollout_words.js';

const count = z.number().int();
const ms = z.number();
const counts = z.record(targetState, count);

export const rolloutSummary = z
	.object({
		id,
		group: z.object({ id, name: z.string() }),
		version: z.object({ id, ref: z.string() }),
		state: rolloutState,
		pauseReasons: z.array(pauseReason),
		/** The current one, from 1, and how many there will be; null before the start. */
		step: z.object({ number: count, of: count, name: z.string().nullable() }).nullable(),
		/** Baking: after the last step, gates and rollback still armed. */
		baking: z.boolean(),
		total: count,
		/** Agents that were handed the version, and those that run it. */
		started: count,
		updated: count,
		/** Of the agents that are to go back: still to be sent, under way, back, and not back, each for a reason of its own. */
		back: z.object({ todo: count, inFlight: count, confirmed: count, listed: count }),
		createdBy: z.string(),
		createdAt: instant,
		startedAt: instant.nullable(),
		endedAt: instant.nullable(),
		rollbackOf: id.nullable(),
		rolledBackBy: id.nullable(),
	})
	.meta({ id: 'RolloutSummary' });
export type RolloutSummary = z.infer<typeof rolloutSummary>;

const stepView = z.object({
	number: count,
	name: z.string().nullable(),
	/** As asked for: `5 %`, `10`. */
	size: z.string(),
	phase: z.enum(['waiting', 'pushing', 'dwelling', 'ended']),
	/** Agents it holds or is to hold; null before it starts. */
	agents: count.nullable(),
	states: counts.nullable(),
	dwell: z.string(),
	dwellMs: ms,
	dweltMs: ms,
	extendedMs: ms,
	startedAt: instant.nullable(),
	endedAt: instant.nullable(),
});

const gateView = z.object({
	gate: gateName,
	thresholdPercent: count,
	window: z.string(),
	windowMs: ms,
	/** k agents count against it, among n; of n, `judged` have been watched long enough. */
	step: z.object({ k: count, n: count, judged: count }).nullable(),
	minSample: count,
	/** The current step is smaller than `minSample`: there the gate neither fires nor blocks. */
	advisory: z.boolean(),
	rollout: z.object({ k: count, n: count, judged: count }),
});

/** As it stands in the step, or the bake, that is being watched. */
const metricGateView = z.object({
	name: z.string(),
	/** What lets it pass, as edited since the creation: `>= 0.9 × control` */
	rule: z.string(),
	failureLimit: count,
	inconclusiveLimit: count,
	errorLimit: count,
	/** Of the last evaluation; null: there was none yet. */
	verdict: z.enum(['pass', 'fail', 'inconclusive', 'error', 'not-applicable']).nullable(),
	/** `0.7 is not >= 0.9` */
	text: z.string().nullable(),
	passes: count,
	failures: count,
	/** In a row. */
	inconclusive: count,
	errors: count,
});

const evidence = z.object({
	gate: z.union([gateName, z.templateLiteral(['metric:', z.string()])]),
	cohort: z.enum(['step', 'rollout']),
	step: count,
	k: count,
	n: count,
	thresholdPercent: count,
	message: z.string(),
});

const advance = z.enum(['manual', 'auto']);
const dwell = { dwell: z.string(), dwellMs: ms };
const strategyView = z.discriminatedUnion('kind', [
	z.object({
		kind: z.literal('canary'),
		steps: z.array(z.object({ name: z.string().nullable(), size: z.string(), ...dwell })),
	}),
	z.object({ kind: z.literal('percentage'), percentages: z.array(count), advance, ...dwell }),
	z.object({ kind: z.literal('batch'), batchSize: count, advance, ...dwell }),
]);

export const specView = z
	.object({
		strategy: strategyView,
		order: z.enum(['random', 'hostname', 'last-seen']),
		seed: z.string(),
		spreadBy: z.string().nullable(),
		maxInFlight: z.union([count, z.literal('unlimited'), z.null()]),
		onGate: z.enum(['pause', 'rollback']),
		onAgentFailure: z.enum(['restore', 'leave']),
		coveragePercent: count,
		bake: z.string(),
		bakeMs: ms,
		deferFor: z.string(),
		deferForMs: ms,
		maxDeferredPercent: count,
		progressDeadline: z.string(),
		progressDeadlineMs: ms,
		unconfirmed: z.enum(['skip', 'push']),
		controlLossPercent: count,
		acceptNoWayBack: z.boolean(),
		acceptProtected: z.boolean(),
		rollbackTo: id.nullable(),
		metricGates: z.array(
			z.object({
				name: z.string(),
				query: z.string(),
				compare: z.enum(['threshold', 'control']),
				op: z.enum(['<', '<=', '>', '>=']),
				value: z.number(),
				interval: z.string(),
				initialDelay: z.string(),
				failureLimit: count,
				inconclusiveLimit: count,
				errorLimit: count,
				ingestionLag: z.string(),
				joinLabel: z.string(),
			}),
		),
		onlyAgents: count.nullable().meta({ description: 'How many agents of the group it is restricted to; null: all.' }),
	})
	.meta({ id: 'RolloutSpec' });

export const rollout = rolloutSummary
	.extend({
		/** One sentence for people. */
		headline: z.string(),
		spec: specView,
		steps: z.array(stepView),
		states: counts,
		gates: z.array(gateView),
		metricGates: z.array(metricGateView),
		/** Gates that fired or could not pass, with the figures of that moment. */
		evidence: z.array(evidence),
		/** Error texts of agents, most frequent first. */
		errors: z.array(z.object({ error: z.string(), agents: count, examples: z.array(id) })),
		throughputPerMinute: z.number().nullable(),
		/** Remaining dwell and bake plus remaining agents at the present pace, as a range; null: nobody can say. */
		timeLeft: z.object({ min: z.string(), minMs: ms, max: z.string(), maxMs: ms }).nullable(),
		/** Why our own side cannot hear the agents; clocks stand still meanwhile. */
		holding: z.string().nullable(),
		/** The human action it waits for. */
		waitsFor: z.string().nullable(),
		/** It starts by itself then. */
		startAt: instant.nullable(),
		/** Outside its change windows or in a freeze: why, and when it goes on by itself. */
		closed: z.object({ why: z.string(), until: instant.nullable() }).nullable(),
		nextWakeAt: instant.nullable(),
		bakedMs: ms,
		noWayBack: count,
		/** What its start was bound to; null: it was made without, as retries and rollbacks are. */
		plan: z.object({ digest: z.string(), eligible: count, expiresAt: instant, risks: z.array(z.string()) }).nullable(),
		/** Commands its state allows now. */
		commands: z.array(commandKind),
		/** Journal seq of the last decision. */
		seq: count,
		links,
	})
	.meta({ id: 'Rollout' });
export type RolloutAnswer = z.infer<typeof rollout>;

export const rolloutAccepted = z
	.object({ id, state: rolloutState, group: z.string(), version: z.string(), links })
	.meta({ id: 'RolloutAccepted' });
export type RolloutAccepted = z.infer<typeof rolloutAccepted>;

export const rolloutTarget = z
	.object({
		agent: id,
		instanceUid: id.nullable(),
		hostname: z.string().nullable(),
		rank: count,
		/** From 1; null: in no step yet. */
		step: count.nullable(),
		state: targetState,
		reason: z.string().nullable(),
		error: z.string().nullable(),
		sickBefore: z.boolean(),
		previousVersion: z.string().nullable(),
		attempt: count,
		/** What is done about its way back, when there is one to go. */
		back: z.string().nullable(),
		assignedAt: instant.nullable(),
		answeredAt: instant.nullable(),
	})
	.meta({ id: 'RolloutTarget' });
export type RolloutTargetAnswer = z.infer<typeof rolloutTarget>;

export const rolloutEvent = z
	.object({
		seq: count,
		at: instant,
		kind: z.string(),
		/** One line for people. */
		text: z.string(),
		data: z.record(z.string(), z.unknown()),
	})
	.meta({ id: 'RolloutEvent' });
export type RolloutEventAnswer = z.infer<typeof rolloutEvent>;

export const command = z
	.object({
		id,
		rollout: id,
		kind: commandKind,
		actor: z.string(),
		state: z.enum(['open', 'accepted', 'refused']),
		code: z.string().nullable(),
		message: z.string().nullable(),
		createdAt: instant,
		decidedAt: instant.nullable(),
	})
	.meta({ id: 'Command' });
export type CommandAnswer = z.infer<typeof command>;

/** `created`: the command made a new rollout (rollback or retry of an ended one), shown here in place of the old one. */
export const commandDone = z
	.object({ decided: z.literal(true), created: z.boolean(), command: command.nullable(), rollout, links })
	.meta({ id: 'CommandDone' });
/** Not decided within 3 s: it will be; ask for it at `links.command`. */
export const commandPending = z
	.object({ decided: z.literal(false), created: z.literal(false), command, rollout, links })
	.meta({ id: 'CommandPending' });
