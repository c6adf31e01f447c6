import type { RolloutId, VersionId } from '@ampora/runtime';
import type { AgentFacts, RolloutSpec, Target } from './model.js';

/** What folding one agent's facts needs to know of its rollout. */
export interface FoldContext {
	/** Null: the assignment is not of a rollout, but of the group's default. */
	readonly rolloutId: RolloutId | null;
	readonly versionId: VersionId;
	readonly spec: RolloutSpec;
	/** Journal seq of the decision being made. */
	readonly seq: number;
	readonly observedMs: number;
	/** Dwell of the target's step: windows are not longer. */
	readonly dwellMs: number;
	/** Our own side cannot hear the agents now. */
	readonly held: boolean;
	/** Agents that come back may still be pushed. */
	readonly pushing: boolean;
	/** Assignments that were written and not offered may be dispatched again. */
	readonly sending: boolean;
	readonly rollingBack: boolean;
	/** Where an agent goes whose assignment turns out to be delivered though it was taken back. */
	readonly currentStep: number | null;
}

export interface Folded {
	readonly target: Target;
	/** Its assignment is written and not offered yet: tell its gateway again. */
	readonly dispatch: boolean;
	/** Its assignment is to be taken back: it has no session. */
	readonly withdraw: boolean;
	/** It failed on this version: not to be offered it again. */
	readonly quarantine: string | null;
}

export const unchanged = (target: Target): Folded => ({ target, dispatch: false, withdraw: false, quarantine: null });

/** Redelivery of a dispatch that led to nothing, ms after the one before; then every last one. */
const redispatchMs = [1_000, 2_000, 4_000, 5_000] as const;
/** An agent whose gateway cannot be heard is looked at again this much observed time later. */
export const unheardRetryMs = 1_000;

export const redispatchDelayMs = (dispatches: number): number =>
	redispatchMs[Math.min(Math.max(dispatches, 1), redispatchMs.length) - 1] ?? 5_000;

/** Is the agent away, as far as anybody can tell: once our own side hears again, an agent it does not hear is gone. */
export const isAway = (facts: AgentFacts, held: boolean): boolean =>
	facts.session === 'lost' || (facts.session === 'unheard' && !held);

export const ownsAssignment = (facts: AgentFacts, ctx: FoldContext, seq: number | null): boolean =>
	facts.assignment !== null && facts.assignment.rolloutId === ctx.rolloutId && facts.assignment.seq === seq;

/** Counts one dispatch and says when the next is due. */
export function dispatched(target: Target, observedMs: number): Target {
	const dispatches = target.dispatches + 1;
	const dispatchAt = observedMs + redispatchDelayMs(dispatches);
	return { ...target, dispatches, dispatchAt, wakeAt: dispatchAt };
}
