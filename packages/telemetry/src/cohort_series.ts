import * as prom from 'prom-client';
import type { MetricsRegistry } from './metrics.js';

/** One agent of a rollout's cohort, under the label its own metrics name it by. */
export interface CohortMember {
	readonly rollout: string;
	readonly cohort: string;
	readonly label: string;
	readonly agent: string;
}

const name = 'ampora_rollout_cohort_info';
const help =
	'Agents changed by a rollout with metric gates, and those that wait: 1, under the label they are joined by';

/** Shows these members and no others. Its labels are chosen by rollouts, so it is made anew each time; none: there is no such series. */
export function showCohorts(registry: MetricsRegistry, members: readonly CohortMember[]): void {
	registry.removeSingleMetric(name);
	if (members.length === 0) return;
	const labelNames = ['rollout', 'cohort', ...new Set(members.map(({ label }) => label))];
	const gauge = new prom.Gauge({ name, help, labelNames, registers: [registry] });
	for (const { rollout, cohort, label, agent } of members) gauge.set({ rollout, cohort, [label]: agent }, 1);
}
