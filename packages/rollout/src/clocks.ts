import type { Draft } from './draft.js';
import { holdCause, holdLiftsAfterMs, holdPausesAfterMs, isHeld, nextHold } from './hold.js';
import { tickEveryMs } from './needs.js';
import { lift, pause } from './states.js';
import { hasEnded } from './transitions.js';

/** What the clocks did in this tick. */
export interface Tick {
	/** Our own side cannot hear the agents now. */
	readonly held: boolean;
}

/** A rollout whose clocks run: under way, or pushing its tail. */
const isRunning = (draft: Draft): boolean => {
	const { state, startedAtMs, tailUntilMs } = draft.rollout;
	return startedAtMs !== null && (!hasEnded(state) || tailUntilMs !== null);
};

/**
 * Moves the clocks by the time since the last tick: never back, never by more than two tick intervals, and not at all over an interval at
 * whose start or end our own side could not hear (R12). Dwell and bake stand still while paused as well.
 */
export function advanceClocks(draft: Draft): Tick {
	if (!isRunning(draft)) return { held: false };
	const { rollout: before, nowMs } = draft;
	const cause = holdCause(draft.snapshot.environment, before.spec, nowMs);
	const wasHeld = isHeld(before);
	const held = cause !== null;
	const observed = held || wasHeld ? 0 : elapsedMs(draft);
	const hold = nextHold(before.hold, cause, wasHeld, nowMs);
	draft.patchClocks({ observedMs: before.observedMs + observed, lastTickAtMs: nowMs, hold });
	if (held && !wasHeld) draft.event({ kind: 'hold-began', cause: cause.text });
	if (!held && wasHeld) draft.event({ kind: 'hold-ended', cause: before.hold?.cause ?? '' });
	if (before.state === 'InProgress') accrue(draft, observed);
	if (!held && !before.pauseReasons.includes('control-plane')) draft.patchClocks({ hold: null });
	return { held };
}

function elapsedMs(draft: Draft): number {
	const { lastTickAtMs } = draft.rollout;
	if (lastTickAtMs === null) return 0;
	const most = 2 * tickEveryMs(draft.snapshot.rollout, draft.snapshot.steps);
	return Math.min(Math.max(0, draft.nowMs - lastTickAtMs), most);
}

function accrue(draft: Draft, ms: number): void {
	const step = draft.current;
	if (ms === 0) return;
	if (draft.rollout.baking) draft.patchClocks({ bakedMs: draft.rollout.bakedMs + ms });
	else if (step?.phase === 'dwelling') draft.putStepClock({ ...step, dweltMs: step.dweltMs + ms });
}

/** A hold that lasts pauses the rollout; two minutes after its cause the pause lifts by itself. */
export function settleHold(draft: Draft, { held }: Tick): void {
	const { hold, state, pauseReasons, rollingBack } = draft.rollout;
	if (hold === null) return;
	if (held && state === 'InProgress' && draft.nowMs - hold.sinceMs >= holdPausesAfterMs) {
		pause(draft, 'control-plane', `holding for over five minutes: ${hold.cause}`);
		return;
	}
	const over = !held && draft.nowMs - hold.lastSeenMs >= holdLiftsAfterMs;
	if (over && pauseReasons.includes('control-plane') && !rollingBack) {
		draft.patchClocks({ hold: null });
		lift(draft, ['control-plane'], `two minutes passed since: ${hold.cause}`);
	}
}
