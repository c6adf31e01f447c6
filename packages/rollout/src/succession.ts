// One rollout gives way to another: both decisions are made together and committed together, or the older one keeps its place (R15).
import type { RolloutId } from '@ampora/runtime';
import type { Decision, Snapshot } from './decision.js';

/** The rollout that takes the place of this one by the decision; null: none does. */
export function successorIn({ commands }: Snapshot, { outcomes }: Decision): RolloutId | null {
	const accepted = new Set(outcomes.filter(({ accepted }) => accepted).map(({ commandId }) => commandId));
	return commands.find(({ id, kind }) => kind === 'supersede' && accepted.has(id))?.successor ?? null;
}

/** The successor as it is once the older rollout has given way: it is its turn. */
export const inItsPlace = (successor: Snapshot, { rollout: { state } }: Decision): Snapshot => ({
	...successor,
	environment: { ...successor.environment, busyWith: null, superseded: state },
});

/** Why the successor does not come to start, so that nobody gives way to it; null: it does, or waits its turn. */
export function notStarting({ rollout: { state }, events }: Decision): string | null {
	if (state === 'InProgress' || state === 'Paused' || state === 'Completed' || state === 'Queued') return null;
	const end = events.findLast((event) => event.kind === 'state' && event.to === state);
	return end?.kind === 'state' ? end.why : `it is ${state}`;
}

/** The older rollout, asked to give way to one that cannot start: it refuses, and goes on. */
export const keepingItsPlace = (older: Snapshot, successor: RolloutId, why: string): Snapshot => ({
	...older,
	commands: older.commands.map((command) =>
		command.kind === 'supersede' && command.successor === successor ? { ...command, notStarting: why } : command,
	),
});
