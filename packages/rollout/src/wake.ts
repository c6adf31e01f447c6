import { advancesAlone } from './cohorts.js';
import { type Decision, quietTickMs } from './decision.js';
import type { Draft } from './draft.js';
import type { Rollout, Step } from './model.js';
import { liftableReasons } from './names.js';
import { awaitsFirst, nextStepOf } from './steps.js';
import { inFlightOf, membersOf } from './tally.js';
import { hasEnded } from './transitions.js';
import { bakeNeededMs, dwellNeededMs } from './windows.js';

/** When to look again; every rollout that has not ended has a next wake or names a human action (R14). */
export function nextWake(draft: Draft, tickMs: number): Decision['nextWakeAtMs'] {
	const { rollout, steps, nowMs } = draft;
	const { state, tailUntilMs } = rollout;
	if (hasEnded(state) && tailUntilMs === null) return null;
	const startAtMs = rollout.spec.startAtMs ?? null;
	if (state === 'PendingApproval') return null;
	if (state === 'Pending') return startAtMs;
	// It is looked at as soon as the group is free.
	if (state === 'Queued') return startAtMs !== null && startAtMs > nowMs ? startAtMs : null;
	if (draft.more) return nowMs;
	// A window that is changed takes effect at once, also where nobody is waited for.
	if (state === 'Paused' && rollout.closed) return Math.min(nowMs + tickMs, opensAtMs(rollout, nowMs));
	if (state === 'Paused') return nowMs + (inFlightOf(steps) > 0 ? tickMs : quietTickMs);
	if (state === 'Completed') return nowMs + tailTickMs(draft, tickMs);
	return nowMs + Math.min(tickMs, dueInMs(rollout, draft.current));
}

function opensAtMs({ closed }: Rollout, nowMs: number): number {
	const untilMs = closed?.untilMs ?? null;
	return untilMs === null || untilMs <= nowMs ? Number.MAX_SAFE_INTEGER : untilMs;
}

/** Clocks run in the tail only while something in it is being watched. */
function tailTickMs({ rollout, steps, nowMs }: Draft, tickMs: number): number {
	const closeMs = Math.max(0, (rollout.tailUntilMs ?? nowMs) - nowMs);
	const untilMs = Math.min(closeMs, opensAtMs(rollout, nowMs) - nowMs);
	return inFlightOf(steps) > 0 ? tickMs : Math.min(untilMs, quietTickMs);
}

function dueInMs(rollout: Rollout, step: Step | null): number {
	const left = (needed: number, passed: number): number =>
		passed >= needed ? Number.MAX_SAFE_INTEGER : needed - passed;
	if (rollout.baking) return left(bakeNeededMs(rollout.spec), rollout.bakedMs);
	if (step?.phase !== 'dwelling') return Number.MAX_SAFE_INTEGER;
	return left(dwellNeededMs(rollout.spec, step), step.dweltMs);
}

/** What a queued rollout waits for. */
export const turnOfGroup = 'the rollout before it to end';

/** The human action, or the event outside, without which it will not go on; null when it goes on by itself. */
export function waitsFor(rollout: Rollout, steps: readonly Step[]): string | null {
	switch (rollout.state) {
		case 'PendingApproval':
			return 'approval';
		case 'Pending':
			return rollout.spec.startAtMs == null ? 'start' : null;
		case 'Queued':
			return turnOfGroup;
		case 'Paused':
			return rollout.pauseReasons.some((reason) => liftableReasons.includes(reason)) ? 'resume' : null;
		case 'InProgress':
			return waitsForStep(rollout, steps);
		default:
			return null;
	}
}

function waitsForStep(rollout: Rollout, steps: readonly Step[]): string | null {
	const step = steps.find(({ index }) => index === rollout.currentStep);
	if (step === undefined || rollout.baking) return null;
	if (step.phase === 'pushing' && membersOf(step) === 0 && step.exhausted && awaitsFirst(rollout, steps)) {
		return `an agent of the group to connect (${rollout.unplaced.Deferred} deferred)`;
	}
	const manual = !advancesAlone(rollout.spec.strategy) && nextStepOf(rollout, steps) !== null;
	return step.phase === 'ended' && manual ? 'advance' : null;
}
