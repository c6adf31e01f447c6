import type { Tick } from './clocks.js';
import type { Draft } from './draft.js';
import type { Rollout, Step } from './model.js';
import { pause } from './states.js';
import { awaitsFirst, unansweredOf } from './steps.js';
import { unfilledOf } from './tally.js';

/** Rollouts created before there was a deadline have this one. */
const defaultDeadlineMs = 30 * 60_000;

/**
 * Pauses a rollout in which no agent changed state for too long while one was due to. Measured on the observed clock, which stands still
 * while our own side cannot hear and never jumps (R12); a resume starts it again.
 */
export function settleDeadline(draft: Draft, { held }: Tick): void {
	const { rollout, steps } = draft;
	const since = rollout.progressedMs ?? rollout.observedMs;
	if (rollout.progressedMs === undefined || !isDue(rollout, steps) || draft.progressed) {
		draft.patchClocks({ progressedMs: rollout.observedMs });
		return;
	}
	const deadlineMs = rollout.spec.progressDeadlineMs ?? defaultDeadlineMs;
	if (held || rollout.observedMs - since < deadlineMs) return;
	// Who resumes at once, before anybody looked at the paused rollout, gets the whole deadline as well.
	draft.patchClocks({ progressedMs: rollout.observedMs });
	const waiting = unansweredOf(steps);
	pause(draft, 'deadline', `no agent changed state for ${deadlineMs / 1_000} s; ${waiting} are waited for`);
}

/** Is an agent to answer, or to be pushed. A dwell, a bake, a step a person is to start, and a group that is all away, are no lack of progress. */
function isDue(rollout: Rollout, steps: readonly Step[]): boolean {
	if (rollout.state !== 'InProgress') return false;
	if (unansweredOf(steps) > 0) return true;
	const step = steps.find(({ index }) => index === rollout.currentStep);
	return step?.phase === 'pushing' && unfilledOf(step) > 0 && !awaitsFirst(rollout, steps);
}
