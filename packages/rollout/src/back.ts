import type { VersionId } from '@ampora/runtime';
import {
	dispatched,
	type FoldContext,
	type Folded,
	isAway,
	ownsAssignment,
	redispatchDelayMs,
	unchanged,
	unheardRetryMs,
} from './fold_context.js';
import type { AgentFacts, Back, RolloutSpec, Target } from './model.js';
import { windowMs } from './windows.js';

type Assigned = Extract<Back, { state: 'assigned' }>;
type Listed = Extract<Back, { state: 'listed' }>;

/** The version an agent goes back to: the one it proved before, else the one the rollout names; null: there is no way back. */
export const wayBack = (target: Target, spec: RolloutSpec): VersionId | null =>
	target.previousVersion ?? spec.rollbackTo;

/** An agent that was given its way back answers only for that; what it was in the rollout stands, until a rollback is confirmed. */
export function foldBack(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	switch (target.back?.state) {
		case 'assigned':
			return foldAssigned(target, target.back, facts, ctx);
		case 'listed':
			return unchanged(confirmedLate(target, facts, ctx) ? confirm(target, ctx) : target);
		default:
			return unchanged(target);
	}
}

function foldAssigned(target: Target, back: Assigned, facts: AgentFacts, ctx: FoldContext): Folded {
	if (!ownsAssignment(facts, ctx, back.seq)) return unchanged(list(target, 'moved-on'));
	switch (facts.assignment?.answer) {
		case 'applied':
			return unchanged(confirm(target, ctx));
		case 'failed':
		case 'reverted':
			return unchanged(list(target, 'failed'));
		default:
			return awaitBack(target, back, facts, ctx);
	}
}

function awaitBack(target: Target, back: Assigned, facts: AgentFacts, ctx: FoldContext): Folded {
	const spentMs = back.spentMs + (back.since === null ? 0 : ctx.observedMs - back.since);
	if (facts.session !== 'live') {
		if (facts.session === 'unheard' && !isAway(facts, ctx.held)) {
			return unchanged({ ...target, back: { ...back, spentMs, since: null }, wakeAt: ctx.observedMs + unheardRetryMs });
		}
		return unchanged(list(target, 'offline'));
	}
	const timeoutMs = windowMs(ctx.spec, 'apply-timeout-ratio', 0);
	if (spentMs >= timeoutMs) return unchanged(list(target, 'timed-out'));
	const since = back.since ?? ctx.observedMs;
	const waiting: Target = { ...target, back: { ...back, since } };
	const timeoutAt = since + timeoutMs - back.spentMs;
	const unsent = facts.assignment?.answer === 'none';
	if (!unsent) return unchanged({ ...waiting, dispatchAt: null, wakeAt: timeoutAt });
	const dispatchAt = target.dispatchAt ?? ctx.observedMs + redispatchDelayMs(1);
	if (dispatchAt > ctx.observedMs || !ctx.sending)
		return unchanged({ ...waiting, dispatchAt, wakeAt: Math.min(dispatchAt, timeoutAt) });
	const again = dispatched(waiting, ctx.observedMs);
	return { ...unchanged({ ...again, wakeAt: Math.min(again.wakeAt ?? timeoutAt, timeoutAt) }), dispatch: true };
}

/** It came back after it was given up: its own report is what counts. */
const confirmedLate = (target: Target, facts: AgentFacts, ctx: FoldContext): boolean =>
	facts.assignment !== null &&
	facts.assignment.rolloutId === ctx.rolloutId &&
	facts.assignment.versionId === wayBack(target, ctx.spec) &&
	facts.assignment.versionId !== ctx.versionId &&
	facts.assignment.answer === 'applied';

const quiet = { dispatchAt: null, waitingSince: null, goneSince: null, wakeAt: null } as const;

export const list = (target: Target, why: Listed['why']): Target => ({
	...target,
	...quiet,
	back: { state: 'listed', why },
});

/** In a rollback the agent is then `RolledBack`; one that was merely restored stays what it was, failed. */
export const confirm = (target: Target, ctx: Pick<FoldContext, 'rollingBack'>): Target => ({
	...target,
	...quiet,
	state: ctx.rollingBack ? 'RolledBack' : target.state,
	back: { state: 'confirmed' },
});
