import type { BodyOf, RolloutRequest } from '@ampora/api-contract';
import { type Command, InvalidArgumentError } from 'commander';
import { CommandFailed, exitCodes } from '../exit_codes.js';
import { wholeNumber } from '../paging.js';

type Strategy = NonNullable<RolloutRequest['strategy']>;
type Gates = NonNullable<RolloutRequest['gates']>;
type MetricGates = NonNullable<RolloutRequest['metricGates']>;

export interface CreateOptions {
	readonly file?: string[];
	readonly strategy?: Strategy['kind'];
	readonly steps?: string;
	readonly percentages?: string;
	readonly batchSize?: number;
	readonly advance?: 'manual' | 'auto';
	readonly dwell?: string;
	readonly order?: NonNullable<RolloutRequest['order']>;
	readonly seed?: string;
	readonly spreadBy?: string;
	readonly maxInFlight?: string;
	readonly gate?: Gates;
	readonly onGate?: 'pause' | 'rollback';
	readonly onAgentFailure?: 'restore' | 'leave';
	readonly bake?: string;
	readonly deferFor?: string;
	readonly maxDeferred?: string;
	readonly progressDeadline?: string;
	readonly minSample?: Gates;
	readonly metricGate?: MetricGates;
	readonly coverage?: string;
	readonly unconfirmed?: 'skip' | 'push';
	readonly controlLoss?: string;
	readonly acceptNoWayBack?: boolean;
	readonly acceptProtected?: boolean;
	readonly rollbackTo?: string;
	readonly manual?: boolean;
	readonly plan?: string;
	readonly replan?: boolean;
	readonly startAt?: string;
	readonly queue?: boolean;
	readonly supersede?: boolean;
	readonly key?: string;
	readonly watch?: boolean;
}

/** `apply-failed-ratio=10%` or `unhealthy-ratio=5%:2m`; repeated ones add up. */
export function gateOption(text: string, before: Gates = {}): Gates {
	const [, gate, threshold, window] = /^([a-z-]+)=([^:]*)(?::(.+))?$/.exec(text) ?? [];
	if (gate === undefined || (!threshold && window === undefined)) {
		throw new InvalidArgumentError('write gate=threshold or gate=threshold:window, like unhealthy-ratio=5%:2m.');
	}
	return { ...before, [gate]: { ...(threshold && { threshold }), ...(window !== undefined && { window }) } };
}

/** `unhealthy-ratio=20`; repeated ones add up. */
export function sampleOption(text: string, before: Gates = {}): Gates {
	const [, gate, agents] = /^([a-z-]+)=(\d{1,7})$/.exec(text) ?? [];
	if (gate === undefined) throw new InvalidArgumentError('write gate=agents, like unhealthy-ratio=20.');
	return { ...before, [gate]: { minSample: Number(agents) } };
}

/** A JSON object, as the API takes it; repeated ones add up. */
function metricGateOption(text: string, before: MetricGates = []): MetricGates {
	try {
		return [...before, JSON.parse(text)];
	} catch {
		const example = '{"name":"points","query":"…","op":">=","value":0.9}';
		throw new InvalidArgumentError(`write a JSON object, like '${example}'.`);
	}
}

export type MetricGateEdits = NonNullable<BodyOf<'editRolloutGates'>['metricGates']>;

/** `points=0.8`, or `points=2` for a limit; repeated ones add up. */
export const metricEditOption =
	(field: keyof MetricGateEdits[string]) =>
	(text: string, before: MetricGateEdits = {}): MetricGateEdits => {
		const [, gate, number] = /^([a-z][a-z0-9-]*)=(\S+)$/.exec(text) ?? [];
		if (gate === undefined || !Number.isFinite(Number(number)))
			throw new InvalidArgumentError('write gate=number, like points=0.8.');
		return { ...before, [gate]: { [field]: Number(number) } };
	};

export function mergedMetricEdits(...edits: readonly (MetricGateEdits | undefined)[]): MetricGateEdits | undefined {
	const merged: Record<string, MetricGateEdits[string]> = {};
	for (const edit of edits)
		for (const [gate, change] of Object.entries(edit ?? {})) merged[gate] = { ...merged[gate], ...change };
	return Object.keys(merged).length > 0 ? merged : undefined;
}

export function mergedGates(thresholds: Gates | undefined, samples: Gates | undefined): Gates | undefined {
	if (samples === undefined) return thresholds;
	const names = Object.keys({ ...thresholds, ...samples }) as (keyof Gates)[];
	return Object.fromEntries(names.map((gate) => [gate, { ...thresholds?.[gate], ...samples[gate] }]));
}

/** `canary=2%:5m,25%:10m,100%` → steps, each `[name=]size[:dwell]`. */
export function parseSteps(text: string): NonNullable<Extract<Strategy, { kind: 'canary' }>['steps']> {
	return text.split(',').map((part) => {
		const [, name, size = '', dwell] = /^(?:([^=]+)=)?([^:]*)(?::(.+))?$/.exec(part.trim()) ?? [];
		return { ...(name !== undefined && { name }), size, ...(dwell !== undefined && { dwell }) };
	});
}

/** Options that mean something to some strategies only. */
const belongTo: readonly [
	option: 'steps' | 'percentages' | 'batchSize' | 'advance' | 'dwell',
	name: string,
	...kinds: string[],
][] = [
	['steps', '--steps', 'canary'],
	['percentages', '--percentages', 'percentage'],
	['batchSize', '--batch-size', 'batch'],
	['advance', '--advance', 'percentage', 'batch'],
	['dwell', '--dwell', 'percentage', 'batch'],
];

/** An option that would be ignored is a mistake somebody finds out about in production. */
function refuseMisplaced(options: CreateOptions, kind: string): void {
	const misplaced = belongTo.find(([option, , ...kinds]) => options[option] !== undefined && !kinds.includes(kind));
	if (misplaced === undefined) return;
	const [option, name, ...kinds] = misplaced;
	const hint = option === 'dwell' && kind === 'canary' ? '; a canary has its dwells in --steps, like 5%:5m,100%' : '';
	throw new CommandFailed(
		exitCodes.usage,
		`${name} belongs to --strategy ${kinds.join(' or ')}, not to ${kind}${hint}`,
	);
}

function strategyOf(options: CreateOptions): Strategy | undefined {
	const { strategy, steps, percentages, batchSize, advance, dwell } = options;
	const pacing = { ...(advance && { advance }), ...(dwell !== undefined && { dwell }) };
	const kind = strategy ?? (steps ? 'canary' : percentages ? 'percentage' : batchSize ? 'batch' : undefined);
	refuseMisplaced(options, kind ?? 'canary');
	if (batchSize !== undefined && strategy === undefined)
		throw new CommandFailed(exitCodes.usage, '--batch-size belongs to --strategy batch; say that too');
	switch (kind) {
		case undefined:
			return undefined;
		case 'canary':
			return { kind, ...(steps !== undefined && { steps: parseSteps(steps) }) };
		case 'percentage':
			return { kind, ...(percentages !== undefined && { percentages: percentages.split(',') }), ...pacing };
		case 'batch':
			return { kind, ...(batchSize !== undefined && { batchSize }), ...pacing };
		default:
			// Other kinds, misspelt ones among them, are for the server to judge.
			return { kind } as Strategy;
	}
}

/** What was said, and nothing else: defaults are the server's. */
export function rolloutRequest(
	group: string,
	source: Pick<RolloutRequest, 'version' | 'config'>,
	options: CreateOptions,
): BodyOf<'createRollout'> {
	const { manual, plan, replan, startAt, queue, supersede } = options;
	const start = manual === true ? 'manual' : undefined;
	return { group, ...source, ...specRequest(options), ...{ start, startAt, queue, supersede, plan, replan } };
}

/** What was said of how; a plan is asked for with the same words. */
export function specRequest(options: CreateOptions): Partial<BodyOf<'planRollout'>> {
	const { maxInFlight, gate, order, seed, onGate, onAgentFailure, bake, deferFor } = options;
	const {
		spreadBy,
		progressDeadline,
		minSample,
		maxDeferred,
		coverage,
		unconfirmed,
		controlLoss,
		acceptNoWayBack,
		acceptProtected,
		rollbackTo,
	} = options;
	const gates = mergedGates(gate, minSample);
	return {
		metricGates: options.metricGate,
		strategy: strategyOf(options),
		maxInFlight: maxInFlight === undefined || maxInFlight === 'unlimited' ? maxInFlight : Number(maxInFlight),
		...{ gates, order, seed, onGate, onAgentFailure, bake, deferFor, maxDeferred, coverage, unconfirmed, controlLoss },
		...{ acceptNoWayBack, acceptProtected, rollbackTo, spreadBy, progressDeadline },
	};
}

/** What a new rollout has besides how it is done. */
export const addCreateOptions = (command: Command): Command =>
	addSpecOptions(
		command.option(
			'-f, --file <path>',
			'publish this file and roll it out; repeat for several',
			(text: string, before: string[] = []) => [...before, text],
		),
	)
		.option('--manual', 'create only; start it with rollouts start')
		.option('--start-at <instant>', 'starts by itself then, like 2026-03-01T22:00:00Z')
		.option('--queue', 'wait until the rollout of the group has ended')
		.option('--supersede', 'take the place of the rollout of the group')
		.option('--plan <plan>', 'do what this plan says, or refuse when it does not hold any more')
		.option('--replan', 'with --plan: go ahead although it does not hold any more')
		.option('--key <text>', 'idempotency key: the same again creates nothing')
		.option('--watch', 'watch it afterwards');

/** How a rollout is done. */
export const addSpecOptions = (command: Command): Command =>
	command
		.option('--strategy <kind>', 'canary (default), canary-fast, percentage or batch')
		.option('--steps <steps>', 'of a canary, cumulative: [name=]size[:dwell],… like canary=5%:5m,50%:10m,100%')
		.option('--percentages <list>', 'of percentage: cumulative, like 5,25,50,100')
		.option('--batch-size <n>', 'of batch: agents per step', wholeNumber)
		.option('--advance <how>', 'of percentage and batch: manual (default) or auto')
		.option('--dwell <duration>', 'of percentage and batch: waiting time after each step')
		.option('--order <order>', 'random (default), hostname or last-seen')
		.option('--seed <text>', 'makes the random order repeatable')
		.option('--spread-by <attribute>', 'take from each value of this agent attribute in proportion, like zone')
		.option('--max-in-flight <n>', 'agents pushed and not yet answered, or unlimited')
		.option('--gate <gate=threshold[:window]>', 'like unhealthy-ratio=5%:2m; repeat for several', gateOption)
		.option('--min-sample <gate=agents>', 'advisory in smaller steps, like unhealthy-ratio=20; repeat', sampleOption)
		.option('--metric-gate <json>', 'a gate on a Prometheus query, as the API takes it; repeat', metricGateOption)
		.option('--progress-deadline <duration>', 'without any progress for so long it pauses (30m)')
		.option('--on-gate <what>', 'pause (default) or rollback')
		.option('--on-agent-failure <what>', 'restore (default) or leave')
		.option('--bake <duration>', 'waiting time after the last step (10m); raised to the longest gate window')
		.option('--defer-for <duration>', 'how long agents that are away are waited for')
		.option('--max-deferred <percent>', 'more than that away at the end pauses')
		.option('--coverage <percent>', 'share of agents a gate must have judged')
		.option('--unconfirmed <what>', 'agents that report nothing: skip (default) or push')
		.option('--control-loss <percent>', 'share of other agents lost that makes it our own fault')
		.option('--accept-no-way-back', 'roll out to agents that never proved a version')
		.option('--accept-protected', 'roll out to a protected group')
		.option('--rollback-to <configuration@number>', 'where agents go back to that never proved a version');
