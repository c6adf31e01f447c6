import { assert } from '@ampora/runtime';
import type { Draft } from './draft.js';
import type { PauseReason, RolloutState } from './model.js';
import { emptyBack, touchedOf } from './tally.js';
import { hasEnded, stateExits } from './transitions.js';

/** Moves the rollout to another state, along the table only (R8). */
export function moveTo(draft: Draft, to: RolloutState, why: string): void {
	const { state: from } = draft.rollout;
	assert(stateExits[from].includes(to), `no way from ${from} to ${to}`);
	draft.patch({ state: to, ...(hasEnded(to) ? { endedAtMs: draft.nowMs } : {}) });
	draft.event({ kind: 'state', from, to, why });
}

/** Pauses, or adds reasons to a pause: what no gateway wrote to a socket yet is taken back, and nothing is dispatched. */
export function pause(draft: Draft, reason: PauseReason, why: string): void {
	const { state, pauseReasons, rollingBack } = draft.rollout;
	if (pauseReasons.includes(reason)) return;
	draft.patch({ pauseReasons: [...pauseReasons, reason] });
	draft.event({ kind: 'paused', reasons: [reason], why });
	if (state === 'Paused') return;
	moveTo(draft, 'Paused', why);
	stopPushing(draft, !rollingBack);
}

/** Lifts reasons; with none left the rollout goes on where it was. */
export function lift(draft: Draft, reasons: readonly PauseReason[], why: string): void {
	const left = draft.rollout.pauseReasons.filter((reason) => !reasons.includes(reason));
	draft.patch({ pauseReasons: left });
	draft.event({ kind: 'resumed', reasons, why });
	if (left.length > 0) return;
	moveTo(draft, draft.rollout.rollingBack ? 'RollingBack' : 'InProgress', why);
	draft.more = true;
}

/** Ends the rollout; pushed agents stay as they are. */
export function end(
	draft: Draft,
	to: 'Completed' | 'Aborted' | 'Failed' | 'Superseded' | 'Cancelled' | 'Rejected',
	why: string,
): void {
	const pushed = draft.rollout.currentStep !== null;
	draft.patch({ pauseReasons: [] });
	moveTo(draft, to, why);
	if (pushed && to !== 'Completed') stopPushing(draft, true);
}

/**
 * Starts to take the version back from every touched agent. Their rows are marked by the store, with the commit; here they are only
 * counted, whatever was done about the way back of single agents before. Agents that wait to be retried are marked already.
 */
export function startRollback(draft: Draft, why: string): void {
	draft.patch({
		pauseReasons: [],
		rollingBack: true,
		back: { ...emptyBack, todo: touchedOf(draft.steps) + draft.rollout.back.todo },
		backByDomain: {},
	});
	moveTo(draft, 'RollingBack', why);
	stopPushing(draft, true);
	draft.more = true;
}

function stopPushing(draft: Draft, withdrawUnsent: boolean): void {
	draft.withdrawUnsent ||= withdrawUnsent;
	draft.stopDispatch();
}
