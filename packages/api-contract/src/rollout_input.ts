// What a rollout can be asked to do. Everything but group and version has a default in the rollout core.
import { z } from 'zod';
import { filesInput } from './configurations.js';
import { duration, flag, id, pageQuery, percent, reference, stepSize, versionReference } from './fields.js';
import { agentsPerCallMax } from './groups.js';
import { gateName, pauseReason, rolloutState, targetState } from './rollout_words.js';

const canaryStep = z.strictObject({
	name: z.string().trim().min(1).max(63).optional(),
	size: stepSize,
	/** None: the step lasts until the longest gate window has passed. */
	dwell: duration.optional(),
});
const advance = z.enum(['manual', 'auto']).optional();

export const strategyInput = z.discriminatedUnion(
	'kind',
	[
		z.strictObject({ kind: z.literal('canary'), steps: z.array(canaryStep).min(1).max(100).optional() }),
		z.strictObject({ kind: z.literal('canary-fast') }),
		z.strictObject({
			kind: z.literal('percentage'),
			percentages: z.array(percent).min(1).max(100).optional(),
			advance,
			dwell: duration.optional(),
		}),
		z.strictObject({
			kind: z.literal('batch'),
			batchSize: z.number().int().min(1).max(1_000_000).optional(),
			advance,
			dwell: duration.optional(),
		}),
	],
	{ error: 'give a strategy with kind canary, canary-fast, percentage or batch' },
);
export type StrategyInput = z.infer<typeof strategyInput>;

export const gateInput = z.strictObject({
	threshold: percent.optional(),
	window: duration.optional(),
	/** In a step planned for fewer agents the gate is advisory. */
	minSample: z.number().int().min(0).max(1_000_000).optional(),
});

const limit = z.number().int().min(0).max(100).optional();
/** Passes while `sample op value` holds; with `control`, while `changed op value × control` does. */
const metricGateInput = z.strictObject({
	name: z.string().min(1).max(63),
	/** PromQL with $rollout, $step, $changed, $control and $window. */
	query: z.string().min(1).max(4_000),
	compare: z.enum(['threshold', 'control']).optional(),
	op: z.enum(['<', '<=', '>', '>=']),
	value: z.number(),
	interval: duration.optional(),
	initialDelay: duration.optional(),
	failureLimit: limit,
	inconclusiveLimit: limit,
	errorLimit: limit,
	ingestionLag: duration.optional(),
	joinLabel: z.string().min(1).max(63).optional(),
});

const gateEdit = gateInput.pick({ threshold: true, minSample: true });
const metricGateEdit = z
	.strictObject({ value: z.number().optional(), failureLimit: limit, inconclusiveLimit: limit, errorLimit: limit })
	.refine((edit) => Object.keys(edit).length > 0, 'say a value, failureLimit, inconclusiveLimit or errorLimit');

/** By name of the gate. */
export const gatesOf = <Gate extends z.ZodType>(gate: Gate) =>
	z.partialRecord(gateName, gate, {
		error: ({ code, keys }: { code: string; keys?: readonly string[] }) =>
			code === 'unrecognized_keys'
				? `there is no gate ${keys?.join(', ')}; there are ${gateName.options.join(', ')}`
				: undefined,
	});

const inFlight = 'write a whole number from 1 to 1000000, or "unlimited"';

const asked = z.strictObject({
	group: reference,
	version: versionReference.optional(),
	/** Publishes a version of the configuration named like the group and rolls that out. */
	config: z.union([z.string().transform((yaml) => ({ yaml })), filesInput]).optional(),
	strategy: strategyInput.optional(),
	order: z.enum(['random', 'hostname', 'last-seen']).optional(),
	seed: z.string().min(1).max(200).optional(),
	/** Take from each value of this agent attribute in proportion. */
	spreadBy: z.string().trim().min(1).max(200).optional(),
	maxInFlight: z
		.union([z.number().int(inFlight).min(1, inFlight).max(1_000_000, inFlight), z.literal('unlimited')], {
			error: inFlight,
		})
		.optional(),
	gates: gatesOf(gateInput).optional(),
	metricGates: z.array(metricGateInput).max(10).optional(),
	onGate: z.enum(['pause', 'rollback']).optional(),
	onAgentFailure: z.enum(['restore', 'leave']).optional(),
	coverage: percent.optional(),
	bake: duration.optional(),
	deferFor: duration.optional(),
	maxDeferred: percent.optional(),
	/** Pause when no agent changed state for so long, though one was due to. */
	progressDeadline: duration.optional(),
	unconfirmed: z.enum(['skip', 'push']).optional(),
	controlLoss: percent.optional(),
	acceptNoWayBack: z.boolean().optional(),
	/** A rollout to a protected group starts only with it. */
	acceptProtected: z.boolean().optional(),
	rollbackTo: versionReference.optional(),
	start: z.enum(['now', 'manual']).default('now'),
	/** Starts by itself then, at most 90 days ahead; a start command starts it earlier. */
	startAt: z.iso.datetime({ offset: true, error: 'write an instant like 2026-03-01T22:00:00Z' }).optional(),
	/** On a group with a rollout that has not ended: wait for that end. A newer one takes the place of one that waits. */
	queue: z.boolean().optional(),
	/** On a group with a rollout that has not ended: take its place. */
	supersede: z.boolean().optional(),
	/** Do what this plan says, or refuse when that is no longer what would happen; what it says of how is not said again here. */
	plan: id.optional(),
	/** Start although what was planned does not hold any more. */
	replan: z.boolean().optional(),
});

/** How, as far as a plan says it. */
const planned = [
	'strategy',
	'order',
	'seed',
	'spreadBy',
	'maxInFlight',
	'gates',
	'metricGates',
	'onGate',
	'onAgentFailure',
	'coverage',
	'bake',
	'deferFor',
	'maxDeferred',
	'progressDeadline',
	'unconfirmed',
	'controlLoss',
	'acceptNoWayBack',
	'acceptProtected',
	'rollbackTo',
] as const;

const onlyOne = (given: readonly unknown[]): boolean =>
	given.filter((one) => one !== undefined && one !== false).length <= 1;

export const rolloutInput = asked
	.refine((input) => input.plan === undefined || planned.every((field) => input[field] === undefined), {
		path: ['plan'],
		message: 'a plan says how already: give "group", "version" and "plan", and make another plan for anything else',
	})
	.refine((input) => input.replan !== true || input.plan !== undefined, {
		path: ['replan'],
		message: 'give the plan that is to be made anew',
	})
	.refine(({ queue, supersede, startAt, start }) => onlyOne([queue, supersede, startAt, start === 'manual']), {
		path: ['start'],
		message: 'say one of "queue", "supersede", "startAt" and "start": "manual"',
	})
	.refine(
		({ version, config }) => (version === undefined) !== (config === undefined),
		'give either "version" (like edge@3) or "config" (inline YAML), not both and not neither',
	);
export type RolloutInput = z.infer<typeof rolloutInput>;
/** As written on the wire: durations and percentages are text. */
export type RolloutRequest = z.input<typeof rolloutInput>;

/** What a plan is asked for with: all that a new rollout can say but its text, and when it starts. */
export const planInput = asked
	.omit({ config: true, start: true, startAt: true, queue: true, supersede: true, plan: true, replan: true })
	.extend({ version: versionReference });

export const rolloutsQuery = z.strictObject({
	group: reference.optional(),
	state: rolloutState.optional(),
	active: flag.optional().meta({ description: 'Only those that have not ended, or only those that have.' }),
	...pageQuery,
});

export const targetsQuery = z.strictObject({
	state: targetState.optional(),
	step: z.coerce.number().int().min(1).optional().meta({ description: 'Counts from 1.' }),
	...pageQuery,
});
export const eventsQuery = z.strictObject({
	limit: pageQuery.limit,
	after: z.coerce.number().int().min(0).default(0).meta({ description: 'Only events after this journal seq.' }),
});

const why = z.string().trim().min(1).max(1_000).optional();
const targets = z.array(reference).min(1, 'name at least one agent').max(agentsPerCallMax);
export const commandInputs = {
	/** `replan`: on the grounds of now, whatever was planned. */
	start: z.strictObject({ replan: z.boolean().optional() }),
	cancel: z.strictObject({ reason: why }),
	pause: z.strictObject({ reason: why }),
	/** Reasons to lift; none: all that a person may lift. */
	resume: z.strictObject({ reasons: z.array(pauseReason).min(1).optional(), reason: why }),
	/** `force` overrides gates without enough evidence, never a firing one, and needs a reason. */
	advance: z
		.strictObject({ force: z.boolean().optional(), reason: why })
		.refine(({ force, reason }) => force !== true || reason !== undefined, {
			path: ['reason'],
			message: 'say why: a forced advance needs a reason',
		}),
	extend: z.strictObject({ by: duration, reason: why }),
	abort: z.strictObject({ reason: why }),
	/** Agents to retry; none: all that failed. */
	retry: z.strictObject({ agents: targets.optional(), reason: why }),
	exclude: z.strictObject({ agents: targets, reason: why }),
	/** Tighter at any time, looser only while paused. */
	'edit-gates': z
		.strictObject({
			gates: gatesOf(gateEdit).optional(),
			/** By name of the metric gate. */
			metricGates: z.record(z.string().min(1).max(63), metricGateEdit).optional(),
			reason: why,
		})
		.refine(({ gates = {}, metricGates = {} }) => Object.keys({ ...gates, ...metricGates }).length > 0, {
			path: ['gates'],
			message: 'name at least one gate',
		}),
	rollback: z.strictObject({ reason: why }),
};
