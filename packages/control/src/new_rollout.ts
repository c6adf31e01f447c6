import { randomUUID } from 'node:crypto';
import type { InputOf, StrategyInput } from '@ampora/api-contract';
import {
	defaultStrategies,
	type MetricGateInput,
	presets,
	type RolloutSpec,
	resolveSpec,
	type SpecInput,
	type SpecProblem,
	type Strategy,
	validateSpec,
} from '@ampora/rollout';
import { ok, type Result, type VersionId } from '@ampora/runtime';
import { type ControlError, refuse } from './errors.js';

type Asked = Omit<InputOf<'planRollout'>, 'rollbackTo' | 'version'>;

/** What was asked for, with the installation's defaults for gates and the core's for everything else, or what is wrong with it. */
export function toSpec(
	asked: Asked,
	rollbackTo: VersionId | null,
	gateDefaults: RolloutSpec['gates'],
): Result<RolloutSpec, ControlError> {
	const preset = asked.strategy?.kind === 'canary-fast' ? presets['canary-fast'] : undefined;
	const given: SpecInput = {
		...preset,
		...known({
			strategy: asked.strategy === undefined ? undefined : toStrategy(asked.strategy),
			order: asked.order,
			spreadBy: asked.spreadBy,
			maxInFlight: asked.maxInFlight,
			onGate: asked.onGate,
			onAgentFailure: asked.onAgentFailure,
			coveragePercent: asked.coverage,
			bakeMs: asked.bake,
			deferForMs: asked.deferFor,
			maxDeferredPercent: asked.maxDeferred,
			progressDeadlineMs: asked.progressDeadline,
			unconfirmed: asked.unconfirmed,
			controlLossPercent: asked.controlLoss,
			acceptNoWayBack: asked.acceptNoWayBack,
			acceptProtected: asked.acceptProtected,
		}),
		rollbackTo,
		seed: asked.seed ?? randomUUID(),
		gates: { ...preset?.gates, ...toGates(asked.gates) },
		metricGates: (asked.metricGates ?? []).map(toMetricGate),
	};
	const spec = resolveSpec(given, gateDefaults);
	const problems = validateSpec(spec);
	return problems.length === 0 ? ok(spec) : refuseSpec(problems);
}

/** Leaves out what was not asked for, so that it gets its default. */
function known<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
	const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
	return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function toStrategy(asked: StrategyInput): Strategy {
	switch (asked.kind) {
		case 'canary-fast':
			return presets['canary-fast'].strategy;
		case 'canary': {
			const steps = asked.steps?.map(({ name, size, dwell = 0 }) => ({ ...known({ name }), size, dwellMs: dwell }));
			return steps === undefined ? defaultStrategies.canary : { kind: 'canary', steps };
		}
		case 'percentage':
			return {
				...defaultStrategies.percentage,
				...known({ percentages: asked.percentages, advance: asked.advance, dwellMs: asked.dwell }),
			};
		case 'batch':
			return {
				...defaultStrategies.batch,
				...known({ batchSize: asked.batchSize, advance: asked.advance, dwellMs: asked.dwell }),
			};
	}
}

function toMetricGate(asked: NonNullable<Asked['metricGates']>[number]): MetricGateInput {
	const { interval, initialDelay, ingestionLag, ...gate } = asked;
	const { name, query, op, value, ...rest } = gate;
	const durations = { intervalMs: interval, initialDelayMs: initialDelay, ingestionLagMs: ingestionLag };
	return { name, query, op, value, ...known({ ...rest, ...durations }) };
}

export function toGates(asked: Asked['gates'] | InputOf<'editRolloutGates'>['gates']): NonNullable<SpecInput['gates']> {
	const gates = Object.entries(asked ?? {}).map(([gate, rule]) => [
		gate,
		known({
			thresholdPercent: rule?.threshold,
			windowMs: rule !== undefined && 'window' in rule ? rule.window : undefined,
			minSample: rule?.minSample,
		}),
	]);
	return Object.fromEntries(gates);
}

/** Fields as the API calls them, where the core has other names. */
const fieldNames: readonly (readonly [RegExp, string])[] = [
	[/^coveragePercent$/, 'coverage'],
	[/^maxDeferredPercent$/, 'maxDeferred'],
	[/^controlLossPercent$/, 'controlLoss'],
	[/\.thresholdPercent$/, '.threshold'],
	[/Ms$/, ''],
];
const fieldName = (path: string): string =>
	fieldNames.reduce((name, [pattern, replacement]) => name.replace(pattern, replacement), path);

export function refuseSpec(problems: readonly SpecProblem[]) {
	const issues = problems.map(({ path, message, fix }) => ({ field: fieldName(path), message, fix }));
	const text = issues.map(({ field, message }) => `${field}: ${message}`).join('; ');
	const action = [...new Set(problems.map(({ fix }) => fix))].join('; ');
	return refuse('invalid-argument', text, {
		details: { issues },
		action: `${action[0]?.toUpperCase()}${action.slice(1)}.`,
	});
}
