import { metricQuery, oldestSampleMs, type RolloutSpec } from '@ampora/rollout';
import { ok, type Result } from '@ampora/runtime';
import { type ControlError, refuse } from '../errors.js';
import type { ControlDeps } from '../ports.js';
import { createPrometheus } from './prometheus.js';

/** Runs each query of the spec once: one that cannot be run would be found out about in the middle of a rollout. */
export async function tryQueries(
	{ metrics = createPrometheus({ url: null }), clock }: Pick<ControlDeps, 'metrics' | 'clock'>,
	{ metricGates = [] }: Pick<RolloutSpec, 'metricGates'>,
): Promise<Result<true, ControlError>> {
	for (const [index, gate] of metricGates.entries()) {
		const query = metricQuery(gate, { rollout: 'trial', step: 1, about: 'changed' });
		const answer = await metrics.query(query, clock.nowMs() - gate.ingestionLagMs, oldestSampleMs(gate));
		const field = `metricGates[${index}].query`;
		if (answer.kind === 'away') {
			return refuse('unavailable', `${field}: ${answer.message}`, {
				action: 'A rollout with metric gates needs its metrics server: try again once it answers, or leave them out.',
			});
		}
		if (answer.kind === 'refused') {
			const message = `the metrics server refuses it: ${answer.message}`;
			const fix = 'correct the query';
			return refuse('invalid-argument', `${field}: ${message}`, {
				details: { issues: [{ field, message, fix }] },
				action: `Correct the query of the gate "${gate.name}".`,
			});
		}
	}
	return ok(true);
}
