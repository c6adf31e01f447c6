import type { CommandKind } from './decision.js';
import type { PauseReason, RolloutState } from './model.js';

/** A paused rollback obeys other rules than a paused roll-forward. */
export type CommandState = RolloutState | 'PausedRollback';

/**
 * `yes`: decided by this rollout. `if-inconclusive`: only while nothing but missing evidence stops it. `new-rollout`: this one has ended;
 * whoever takes the command creates another rollout that refers to it.
 */
export type Legality = 'yes' | 'if-inconclusive' | 'new-rollout';

/** Which command is legal in which state; a command that is not listed is refused. What every interface obeys and shows. */
export const commandTable = {
	PendingApproval: { cancel: 'yes', supersede: 'yes', 'edit-gates': 'yes' },
	Pending: { start: 'yes', cancel: 'yes', supersede: 'yes', 'edit-gates': 'yes' },
	Queued: { start: 'yes', cancel: 'yes', 'edit-gates': 'yes' },
	InProgress: {
		pause: 'yes',
		advance: 'yes',
		extend: 'yes',
		abort: 'yes',
		supersede: 'yes',
		retry: 'yes',
		exclude: 'yes',
		'edit-gates': 'yes',
		rollback: 'yes',
	},
	Paused: {
		pause: 'yes',
		resume: 'yes',
		advance: 'if-inconclusive',
		extend: 'yes',
		abort: 'yes',
		supersede: 'yes',
		retry: 'yes',
		exclude: 'yes',
		'edit-gates': 'yes',
		rollback: 'yes',
	},
	RollingBack: { pause: 'yes', 'edit-gates': 'yes' },
	PausedRollback: { pause: 'yes', resume: 'yes', 'edit-gates': 'yes' },
	Completed: { rollback: 'new-rollout', retry: 'new-rollout' },
	Aborted: { rollback: 'new-rollout', retry: 'new-rollout' },
	Failed: { rollback: 'new-rollout', retry: 'new-rollout' },
	RolledBack: {},
	Superseded: {},
	Cancelled: {},
	Rejected: {},
} as const satisfies Readonly<Record<CommandState, Readonly<Partial<Record<CommandKind, Legality>>>>>;

/** When several commands meet in one tick, an accepted one of these refuses the command. */
export const overruledBy: Readonly<Record<CommandKind, readonly CommandKind[]>> = {
	rollback: [],
	abort: ['rollback'],
	cancel: [],
	pause: ['rollback', 'abort'],
	supersede: ['rollback', 'abort', 'pause'],
	resume: ['rollback', 'abort', 'pause', 'supersede'],
	advance: ['rollback', 'abort', 'pause', 'supersede', 'resume'],
	start: ['cancel', 'supersede'],
	exclude: ['rollback', 'abort', 'supersede'],
	extend: ['rollback', 'abort', 'supersede'],
	'edit-gates': ['rollback', 'abort', 'cancel'],
	retry: ['rollback', 'abort', 'supersede'],
};

/** The order in which commands that meet are looked at: the safest first. */
export const commandOrder: readonly CommandKind[] = [
	'rollback',
	'abort',
	'cancel',
	'pause',
	'supersede',
	'exclude',
	'edit-gates',
	'resume',
	'extend',
	'advance',
	'retry',
	'start',
];

/** Where a rollout may go from each state. Ended states have no exits (R8). */
export const stateExits: Readonly<Record<RolloutState, readonly RolloutState[]>> = {
	PendingApproval: ['Pending', 'Queued', 'Cancelled', 'Rejected'],
	Pending: ['Queued', 'InProgress', 'Completed', 'Failed', 'Cancelled', 'Rejected'],
	Queued: ['InProgress', 'Completed', 'Failed', 'Cancelled', 'Rejected'],
	InProgress: ['Paused', 'RollingBack', 'Completed', 'Aborted', 'Failed', 'Superseded'],
	Paused: ['InProgress', 'RollingBack', 'Aborted', 'Failed', 'Superseded'],
	RollingBack: ['Paused', 'RolledBack'],
	Completed: [],
	RolledBack: [],
	Aborted: [],
	Failed: [],
	Superseded: [],
	Cancelled: [],
	Rejected: [],
};

/** What legality depends on: a state alone, or a rollout. */
export type CommandPlace =
	| RolloutState
	| {
			readonly state: RolloutState;
			readonly rollingBack?: boolean;
			readonly pauseReasons?: readonly PauseReason[];
	  };

export function commandState(place: CommandPlace): CommandState {
	if (typeof place === 'string') return place;
	return place.state === 'Paused' && place.rollingBack === true ? 'PausedRollback' : place.state;
}

export function legality(place: CommandPlace, command: CommandKind): Legality | 'no' {
	const row: Readonly<Partial<Record<CommandKind, Legality>>> = commandTable[commandState(place)];
	return row[command] ?? 'no';
}

/** May this rollout itself decide the command now? A `new-rollout` is not allowed here: see `legality`. */
export function commandAllowed(place: CommandPlace, command: CommandKind): boolean {
	const legal = legality(place, command);
	if (legal !== 'if-inconclusive') return legal === 'yes';
	const reasons = typeof place === 'string' ? [] : (place.pauseReasons ?? []);
	return reasons.length > 0 && reasons.every((reason) => reason === 'inconclusive');
}

export function legalCommands(place: CommandPlace): readonly CommandKind[] {
	return commandOrder.filter((command) => commandAllowed(place, command));
}

export const hasEnded = (state: RolloutState): boolean => stateExits[state].length === 0;
