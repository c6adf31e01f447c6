import { type MetricGateInput, resolveMetricGate, validateMetricGates } from './metric_spec.js';
import type { CanaryStep, GateName, GateSpec, RolloutSpec, StepSize, Strategy } from './model.js';
import { byGate, gateNames } from './names.js';
import { longestWindowMs } from './windows.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A rollout as somebody asks for it: whatever is left out gets its default. `seed` makes the random order repeatable and has no default here. */
export type SpecInput = Partial<Omit<RolloutSpec, 'gates' | 'seed' | 'metricGates'>> & {
	readonly seed: string;
	readonly metricGates?: readonly MetricGateInput[];
	readonly gates?: Readonly<Partial<Record<GateName, Partial<GateSpec>>>>;
};

export const defaultGates: RolloutSpec['gates'] = {
	'apply-failed-ratio': { thresholdPercent: 20, windowMs: 0 },
	'apply-timeout-ratio': { thresholdPercent: 20, windowMs: 5 * minuteMs },
	'disconnect-ratio': { thresholdPercent: 20, windowMs: 5 * minuteMs },
	'effective-mismatch-ratio': { thresholdPercent: 20, windowMs: 10 * minuteMs },
	'unhealthy-ratio': { thresholdPercent: 10, windowMs: minuteMs },
};

const percentStep = (percent: number, dwellMs: number, name?: string): CanaryStep => ({
	...(name === undefined ? {} : { name }),
	size: { kind: 'percent', value: percent },
	dwellMs,
});

/** Strategies as they are when only their kind is said. */
export const defaultStrategies = {
	canary: {
		kind: 'canary',
		steps: [
			percentStep(5, 5 * minuteMs),
			percentStep(25, 10 * minuteMs),
			percentStep(50, 30 * minuteMs),
			percentStep(100, 0),
		],
	},
	batch: { kind: 'batch', batchSize: 5, advance: 'manual', dwellMs: 0 },
	percentage: { kind: 'percentage', percentages: [5, 25, 50, 100], advance: 'manual', dwellMs: 0 },
} as const satisfies Readonly<Record<Strategy['kind'], Strategy>>;

/** Ready-made answers to "how": what they set, and nothing else. */
export const presets = {
	'canary-fast': {
		strategy: {
			kind: 'canary',
			steps: [
				percentStep(2, 5 * minuteMs, 'canary'),
				percentStep(10, 5 * minuteMs, 'early-adopters'),
				percentStep(50, 3 * minuteMs, 'majority'),
				percentStep(100, 0, 'full'),
			],
		},
		onGate: 'rollback',
		gates: { 'unhealthy-ratio': { thresholdPercent: 10 } },
	},
} as const satisfies Readonly<Record<string, Omit<SpecInput, 'seed'>>>;

const defaults: Omit<RolloutSpec, 'gates' | 'seed'> = {
	strategy: defaultStrategies.canary,
	order: 'random',
	spreadBy: null,
	maxInFlight: null,
	onGate: 'pause',
	onAgentFailure: 'restore',
	coveragePercent: 80,
	bakeMs: 10 * minuteMs,
	deferForMs: 7 * dayMs,
	maxDeferredPercent: 20,
	progressDeadlineMs: 30 * minuteMs,
	unconfirmed: 'skip',
	controlLossPercent: 5,
	acceptNoWayBack: false,
	acceptProtected: false,
	rollbackTo: null,
};

/** Fills in the defaults; `gateDefaults` are the installation's own. The bake is raised to the longest window. */
export function resolveSpec(input: SpecInput, gateDefaults: RolloutSpec['gates'] = defaultGates): RolloutSpec {
	const { gates: asked, metricGates = [], ...rest } = input;
	const gates = byGate((gate) => ({ ...gateDefaults[gate], ...asked?.[gate] }));
	const spec: RolloutSpec = { ...defaults, ...rest, gates, metricGates: metricGates.map(resolveMetricGate) };
	return { ...spec, bakeMs: Math.max(spec.bakeMs, longestWindowMs(gates)) };
}

export const defaultSpec = (seed: string): RolloutSpec => resolveSpec({ seed });

/** Something a spec cannot be run with: where, what is wrong, and what to write instead. */
export interface SpecProblem {
	readonly path: string;
	readonly message: string;
	readonly fix: string;
}

const stepsMax = 100;

type Check = (value: unknown, path: string) => readonly SpecProblem[];

function whole(min: number, max: number, what: string): Check {
	const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
	return (value, path) => {
		if (typeof value !== 'number' || !Number.isFinite(value)) {
			return [{ path, message: `${what} cannot be read: ${String(value)}`, fix: `write a whole number, ${range}` }];
		}
		if (!Number.isInteger(value)) {
			return [{ path, message: `${what} is ${value}, not a whole number`, fix: `write a whole number, ${range}` }];
		}
		if (value < min || value > max) {
			return [{ path, message: `${what} is ${value}, outside ${range}`, fix: `write a whole number, ${range}` }];
		}
		return [];
	};
}

const max = Number.MAX_SAFE_INTEGER;
const checkThreshold = whole(0, 100, 'the threshold in percent');
const checkPercent = whole(1, 100, 'the percentage');
const checkCount = whole(1, max, 'the number of agents');
const checkTime = whole(0, max, 'the time in ms');
const checkSample = whole(0, 1_000_000, 'the number of agents');
const checkDeadline = whole(minuteMs, 30 * dayMs, 'the time in ms');
const checkShare = whole(0, 100, 'the share in percent');

/** Everything that keeps a spec from being run; empty when nothing does. Invalid input fails here, never while running. */
export function validateSpec(spec: RolloutSpec): readonly SpecProblem[] {
	return [
		...validateStrategy(spec.strategy),
		...gateNames.flatMap((gate) => [
			...checkThreshold(spec.gates[gate]?.thresholdPercent, `gates.${gate}.thresholdPercent`),
			...checkTime(spec.gates[gate]?.windowMs, `gates.${gate}.windowMs`),
			...checkSample(spec.gates[gate]?.minSample ?? 0, `gates.${gate}.minSample`),
		]),
		...(spec.maxInFlight === null || spec.maxInFlight === 'unlimited'
			? []
			: checkCount(spec.maxInFlight, 'maxInFlight')),
		...checkShare(spec.coveragePercent, 'coveragePercent'),
		...checkShare(spec.maxDeferredPercent, 'maxDeferredPercent'),
		...checkShare(spec.controlLossPercent, 'controlLossPercent'),
		...checkTime(spec.bakeMs, 'bakeMs'),
		...checkTime(spec.deferForMs, 'deferForMs'),
		...checkDeadline(spec.progressDeadlineMs ?? minuteMs, 'progressDeadlineMs'),
		...validateMetricGates(spec.metricGates ?? []),
		...validateSpreadBy(spec.spreadBy ?? null),
		...validateSeed(spec.seed),
	];
}

const validateSpreadBy = (attribute: string | null): readonly SpecProblem[] =>
	attribute === ''
		? [{ path: 'spreadBy', message: 'the attribute has no name', fix: 'leave it out, or name one, like zone' }]
		: [];

const validateSeed = (seed: string): readonly SpecProblem[] =>
	seed === '' ? [{ path: 'seed', message: 'the seed is empty', fix: 'leave it out, or write any text' }] : [];

function validateStrategy(strategy: Strategy): readonly SpecProblem[] {
	switch (strategy.kind) {
		case 'batch':
			return [
				...checkCount(strategy.batchSize, 'strategy.batchSize'),
				...checkTime(strategy.dwellMs, 'strategy.dwellMs'),
			];
		case 'percentage': {
			const sizes = strategy.percentages.map((value): StepSize => ({ kind: 'percent', value }));
			return [
				...validateSizes(sizes, 'strategy.percentages', (index) => `strategy.percentages[${index}]`),
				...checkTime(strategy.dwellMs, 'strategy.dwellMs'),
			];
		}
		case 'canary':
			return [
				...validateSizes(
					strategy.steps.map((step) => step.size),
					'strategy.steps',
					(index) => `strategy.steps[${index}].size`,
				),
				...strategy.steps.flatMap((step, index) => checkTime(step.dwellMs, `strategy.steps[${index}].dwellMs`)),
			];
	}
}

function validateSizes(
	sizes: readonly StepSize[],
	path: string,
	pathOf: (index: number) => string,
): readonly SpecProblem[] {
	const last = sizes.at(-1);
	if (last === undefined)
		return [{ path, message: 'there is no step', fix: 'name at least one step, the last of 100 %' }];
	if (sizes.length > stepsMax) {
		return [
			{ path, message: `there are ${sizes.length} steps`, fix: `use at most ${stepsMax}, or the batch strategy` },
		];
	}
	const problems = sizes.flatMap((size, index) => [
		...(size.kind === 'percent' ? checkPercent : checkCount)(size.value, pathOf(index)),
		...validateGrowth(size, sizes[index - 1], pathOf(index)),
	]);
	if (last.kind === 'percent' && last.value === 100) return problems;
	const size = last.kind === 'percent' ? `${last.value} %` : `${last.value} agents`;
	return [
		...problems,
		{
			path: pathOf(sizes.length - 1),
			message: `the last step reaches ${size}, not 100 %`,
			fix: 'end with a step of 100 %, so that no agent is left out',
		},
	];
}

/** Sizes are cumulative; a percentage and a count can only be compared once the group is known. */
function validateGrowth(size: StepSize, before: StepSize | undefined, path: string): readonly SpecProblem[] {
	if (before === undefined || before.kind !== size.kind || size.value > before.value) return [];
	const message = `${size.value} is not above the step before, ${before.value}`;
	return [{ path, message, fix: 'sizes are cumulative: write them in ascending order' }];
}
