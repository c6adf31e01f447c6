import type { RolloutAnswer } from '@ampora/api-contract';
import { defaultSpec, type MetricGateSpec, type RolloutSpec } from '@ampora/rollout';
import { formatDuration } from '@ampora/runtime';
import { sizeText } from './rollout_progress.js';

function strategyView(strategy: RolloutSpec['strategy']): RolloutAnswer['spec']['strategy'] {
	if (strategy.kind === 'canary') {
		const steps = strategy.steps.map(({ name, size, dwellMs }) => ({
			name: name ?? null,
			size: sizeText(size),
			dwell: formatDuration(dwellMs),
			dwellMs,
		}));
		return { kind: 'canary', steps };
	}
	const { advance, dwellMs } = strategy;
	const pacing = { advance, dwell: formatDuration(dwellMs), dwellMs };
	return strategy.kind === 'batch'
		? { kind: 'batch', batchSize: strategy.batchSize, ...pacing }
		: { kind: 'percentage', percentages: [...strategy.percentages], ...pacing };
}

function metricGateView({ intervalMs, initialDelayMs, ingestionLagMs, ...gate }: MetricGateSpec) {
	const [interval, initialDelay] = [formatDuration(intervalMs), formatDuration(initialDelayMs)];
	return { ...gate, interval, initialDelay, ingestionLag: formatDuration(ingestionLagMs) };
}

/** `onlyAgents`: how many of the group it is restricted to; null: all. */
export function specView(given: RolloutSpec, onlyAgents: number | null): RolloutAnswer['spec'] {
	const { gates, strategy, bakeMs, deferForMs, approved, metricGates = [], ...spec } = given;
	// Rollouts created before there was a deadline have the default.
	const progressDeadlineMs = spec.progressDeadlineMs ?? defaultSpec(spec.seed).progressDeadlineMs ?? 0;
	return {
		...spec,
		strategy: strategyView(strategy),
		bake: formatDuration(bakeMs),
		bakeMs,
		deferFor: formatDuration(deferForMs),
		deferForMs,
		spreadBy: spec.spreadBy ?? null,
		acceptProtected: spec.acceptProtected ?? false,
		progressDeadline: formatDuration(progressDeadlineMs),
		progressDeadlineMs,
		onlyAgents,
		metricGates: metricGates.map(metricGateView),
	};
}
