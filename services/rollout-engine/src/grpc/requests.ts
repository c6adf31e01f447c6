// What gRPC clients send, in the words of the REST API: one schema validates both, so the two mean the same.
import type { RolloutRequest } from '@ampora/api-contract';
import { formatDuration } from '@ampora/runtime';
import {
	type BatchStrategy,
	type CanaryStep,
	type CreateRolloutRequest,
	type EditGatesRequest,
	type Gate,
	type MetricGate,
	OnAgentFailure,
	OnGate,
	Order,
	type PercentageStrategy,
	type RolloutSpec,
	type Strategy,
} from '../gen/ampora/rollout/v1/rollout.js';
import type { Duration } from '../gen/google/protobuf/duration.js';

/** Leaves out what was not given, so that defaults are filled in by the one schema that knows them. */
function given<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
		[K in keyof T]?: Exclude<T[K], undefined>;
	};
}

export const durationText = (duration: Duration | undefined): string | undefined =>
	duration === undefined
		? undefined
		: formatDuration(Number(duration.seconds) * 1000 + Math.round(duration.nanos / 1e6));

export function createRequest(request: CreateRolloutRequest): Record<string, unknown> {
	return {
		group: request.group,
		...given({
			version: request.source?.$case === 'version' ? request.source.value : undefined,
			config: request.source?.$case === 'inlineYaml' ? request.source.value : undefined,
			start: request.manualStart ? ('manual' as const) : undefined,
			plan: request.plan || undefined,
			replan: request.replan || undefined,
			startAt: request.startAt || undefined,
			queue: request.queue || undefined,
			supersede: request.supersede || undefined,
		}),
		...specRequest(request.spec),
	};
}

function specRequest(spec: RolloutSpec | undefined): Partial<RolloutRequest> {
	if (spec === undefined) return {};
	return given({
		strategy: strategyRequest(spec.strategy),
		order: orderOf(spec.order),
		seed: spec.seed,
		spreadBy: spec.spreadBy,
		maxInFlight: spec.unlimitedInFlight ? ('unlimited' as const) : spec.maxInFlight,
		gates: gatesRequest(spec.gates),
		metricGates: spec.metricGates.length > 0 ? spec.metricGates.map(metricGateRequest) : undefined,
		onGate: onGateOf(spec.onGate),
		onAgentFailure: onAgentFailureOf(spec.onAgentFailure),
		bake: durationText(spec.bake),
		deferFor: durationText(spec.deferFor),
		maxDeferred: spec.maxDeferredPercent,
		progressDeadline: durationText(spec.progressDeadline),
		coverage: spec.coveragePercent,
		unconfirmed: spec.pushUnconfirmed ? ('push' as const) : undefined,
		controlLoss: spec.controlLossPercent,
		acceptNoWayBack: spec.acceptNoWayBack || undefined,
		acceptProtected: spec.acceptProtected || undefined,
		rollbackTo: spec.rollbackTo,
	}) as Partial<RolloutRequest>;
}

function strategyRequest(strategy: Strategy | undefined): unknown {
	switch (strategy?.kind?.$case) {
		case undefined:
			return undefined;
		case 'batch':
			return { kind: 'batch', ...given({ batchSize: strategy.kind.value.batchSize }), ...pacing(strategy.kind.value) };
		case 'percentage': {
			const { percentages } = strategy.kind.value;
			return {
				kind: 'percentage',
				...given({ percentages: percentages.length > 0 ? percentages : undefined }),
				...pacing(strategy.kind.value),
			};
		}
		case 'canary': {
			const { steps } = strategy.kind.value;
			return { kind: 'canary', ...given({ steps: steps.length > 0 ? steps.map(canaryStepRequest) : undefined }) };
		}
		case 'canaryFast':
			return { kind: 'canary-fast' };
	}
}

const pacing = (strategy: BatchStrategy | PercentageStrategy) =>
	given({ advance: strategy.autoAdvance ? 'auto' : undefined, dwell: durationText(strategy.dwell) });

function canaryStepRequest(step: CanaryStep): unknown {
	const size = step.size?.$case === 'percent' ? `${step.size.value} %` : step.size?.value;
	return given({ name: step.name || undefined, size, dwell: durationText(step.dwell) });
}

function gatesRequest(gates: Readonly<Record<string, Gate>>): Record<string, unknown> | undefined {
	const entries = Object.entries(gates);
	if (entries.length === 0) return undefined;
	return Object.fromEntries(
		entries.map(([name, gate]) => [
			name,
			given({ threshold: gate.thresholdPercent, window: durationText(gate.window), minSample: gate.minSample }),
		]),
	);
}

export const gateEditsRequest = ({ gates, metricGates }: EditGatesRequest): Record<string, unknown> => {
	const metrics = Object.entries(metricGates).map(([name, edit]) => [name, given({ ...edit })]);
	return given({
		gates: gatesRequest(gates),
		metricGates: metrics.length > 0 ? Object.fromEntries(metrics) : undefined,
	});
};

const metricGateRequest = ({ interval, initialDelay, ingestionLag, ...gate }: MetricGate): Record<string, unknown> =>
	given({
		...gate,
		interval: durationText(interval),
		initialDelay: durationText(initialDelay),
		ingestionLag: durationText(ingestionLag),
	});

function orderOf(order: Order): 'random' | 'hostname' | 'last-seen' | undefined {
	if (order === Order.ORDER_HOSTNAME) return 'hostname';
	if (order === Order.ORDER_LAST_SEEN) return 'last-seen';
	return order === Order.ORDER_RANDOM ? 'random' : undefined;
}

function onGateOf(onGate: OnGate): 'pause' | 'rollback' | undefined {
	if (onGate === OnGate.ON_GATE_ROLLBACK) return 'rollback';
	return onGate === OnGate.ON_GATE_PAUSE ? 'pause' : undefined;
}

function onAgentFailureOf(onAgentFailure: OnAgentFailure): 'restore' | 'leave' | undefined {
	if (onAgentFailure === OnAgentFailure.ON_AGENT_FAILURE_LEAVE) return 'leave';
	return onAgentFailure === OnAgentFailure.ON_AGENT_FAILURE_RESTORE ? 'restore' : undefined;
}
