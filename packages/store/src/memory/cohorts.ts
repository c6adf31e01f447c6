import type { CohortRow } from '../ports.js';
import { domainOf } from './snapshot_move.js';
import type { MemoryAgent, MemoryRollout, MemoryState } from './state.js';

/** The agent's name under a label, as read_cohorts.sql finds it. */
function nameOf({ description, instanceUid }: MemoryAgent, label: string): string | null {
	const named = domainOf(description, label) ?? domainOf(description, label.replaceAll('_', '.'));
	return named ?? (label === 'service_instance_id' ? instanceUid : null);
}

function agentsOf(state: MemoryState, row: MemoryRollout, cohort: CohortRow['cohort'], limit: number) {
	return [...row.targets.values()]
		.map(({ target }) => target)
		.filter((target) =>
			cohort === 'changed'
				? ['Applied', 'TimedOut', 'Disconnected'].includes(target.state)
				: target.state === 'Pending' && target.seq === null,
		)
		.toSorted((a, b) => a.rank - b.rank)
		.slice(0, limit)
		.flatMap(({ agentId }) => state.agents.get(agentId) ?? []);
}

export const cohorts = (state: MemoryState, limit: number): readonly CohortRow[] =>
	[...state.rollouts.values()]
		.filter(
			({ rollout: { state, tailUntilMs } }) => state === 'InProgress' || state === 'Paused' || tailUntilMs !== null,
		)
		.toSorted((a, b) => (a.rollout.id < b.rollout.id ? -1 : 1))
		.flatMap((row) => {
			const labels = [...new Set((row.rollout.spec.metricGates ?? []).map(({ joinLabel }) => joinLabel))].sort();
			return labels.flatMap((label) =>
				(['changed', 'control'] as const).map((cohort) => ({
					...{ rolloutId: row.rollout.id, label, cohort },
					agents: agentsOf(state, row, cohort, limit)
						.flatMap((agent) => nameOf(agent, label) ?? [])
						.sort(),
				})),
			);
		});
