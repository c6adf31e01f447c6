import { foldBack } from './back.js';
import {
	dispatched,
	type FoldContext,
	type Folded,
	isAway,
	ownsAssignment,
	unchanged,
	unheardRetryMs,
} from './fold_context.js';
import type { AgentFacts, GateName, Target } from './model.js';
import { isJudgeable } from './tally.js';
import { longestWindowMs, windowMs } from './windows.js';

const restartsMax = 3;
const asideRetryMs = 5_000;
export const canConfirm = (reports: Target['reports']): boolean => reports.configStatus || reports.effectiveConfig;

/** Fields of a target that belong to one push; a new attempt starts from these. */
export const unpushed = {
	seq: null,
	dispatches: 0,
	dispatchAt: null,
	pushedAt: null,
	waitedMs: 0,
	waitingSince: null,
	goneSince: null,
	unhealthySince: null,
	mismatchSince: null,
	against: {},
	judged: {},
	wakeAt: null,
} as const satisfies Partial<Target>;

/** Folds what the database knows of an agent into its row: the agent's own report, and time, move it; nothing else does. */
export function foldTarget(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	if (ctx.rollingBack && target.back !== null && target.back.state !== 'todo') return foldBack(target, facts, ctx);
	switch (target.state) {
		case 'Skipped':
		case 'AlreadyApplied':
		case 'RolledBack':
			return unchanged(target);
		case 'Pending':
			return target.seq === null ? foldWaiting(target, facts, ctx) : foldAdmitted(target, facts, ctx);
		case 'Deferred':
			return foldWaiting(target, facts, ctx);
		default:
			return target.back === null || target.back.state === 'todo'
				? foldPushed(target, facts, ctx)
				: foldBack(target, facts, ctx);
	}
}

const wasOffered = (facts: AgentFacts): boolean => facts.assignment !== null && facts.assignment.answer !== 'none';

const pointsHere = (facts: AgentFacts, ctx: FoldContext): boolean =>
	facts.assignment !== null &&
	facts.assignment.rolloutId === ctx.rolloutId &&
	facts.assignment.versionId === ctx.versionId;

const movedOn = (target: Target, facts: AgentFacts, ctx: FoldContext): boolean =>
	facts.assignment !== null && facts.assignment.rolloutId !== ctx.rolloutId && facts.assignment.seq > (target.seq ?? 0);

const skip = (target: Target, reason: string): Target => ({
	...target,
	...unpushed,
	state: 'Skipped',
	reason,
	step: null,
});

export const defer = (target: Target): Target => ({
	...target,
	...unpushed,
	state: 'Deferred',
	reason: null,
	step: null,
});

function foldWaiting(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	// A gateway wrote the frame while the assignment was being taken back: the agent has it, so it counts.
	if (pointsHere(facts, ctx) && wasOffered(facts) && facts.assignment?.attempt === target.attempt) {
		return adopt(target, facts, ctx);
	}
	if (!facts.inGroup) return unchanged(skip(target, 'left-group'));
	if (!ctx.pushing) return unchanged(target);
	// Once it has a place, admission looks at its health.
	const sickBefore = target.step === null ? facts.reports.health && facts.healthy === false : target.sickBefore;
	// A retried agent of an earlier step is on no page of candidates: it comes up by its own timer.
	const aside = target.step !== null && target.step !== ctx.currentStep;
	const wakeAt = aside ? ctx.observedMs + asideRetryMs : null;
	const known = { ...target, reports: facts.reports, sickBefore, wakeAt };
	if (target.state === 'Deferred' && facts.session === 'live')
		return unchanged({ ...known, state: 'Pending', reason: null });
	return unchanged(known);
}

function adopt(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	const step = target.step ?? ctx.currentStep;
	if (step === null || facts.assignment === null) return unchanged(target);
	const admitted: Target = { ...target, state: 'Pending', reason: null, step, seq: facts.assignment.seq };
	return foldAdmitted(admitted, facts, ctx);
}

function foldAdmitted(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	if (movedOn(target, facts, ctx)) return unchanged(skip(target, facts.inGroup ? 'moved-on' : 'left-group'));
	if (!ownsAssignment(facts, ctx, target.seq)) return unchanged({ ...target, ...unpushed });
	if (wasOffered(facts)) return foldPushed(push(target, facts, ctx), facts, ctx);
	if (!facts.inGroup) return { ...unchanged(skip(target, 'left-group')), withdraw: true };
	if (facts.session === 'goodbye' || isAway(facts, ctx.held)) return { ...unchanged(defer(target)), withdraw: true };
	if (facts.session === 'unheard') return unchanged({ ...target, wakeAt: ctx.observedMs + unheardRetryMs });
	return redispatch(target, ctx);
}

function redispatch(target: Target, ctx: FoldContext): Folded {
	if (target.dispatchAt === null || target.dispatchAt > ctx.observedMs || !ctx.sending) {
		return unchanged({ ...target, wakeAt: target.dispatchAt });
	}
	return { ...unchanged(dispatched(target, ctx.observedMs)), dispatch: true };
}

/** Its frame was written to its socket. */
function push(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	// Pushed anew, a retried agent is touched by its state again.
	const back = ctx.rollingBack ? ({ state: 'todo' } as const) : null;
	return {
		...target,
		state: 'Applying',
		dispatchAt: null,
		pushedAt: ctx.observedMs,
		waitedMs: 0,
		waitingSince: facts.session === 'live' ? ctx.observedMs : null,
		healthFlips: facts.healthFlips,
		back,
	};
}

function foldPushed(target: Target, facts: AgentFacts, ctx: FoldContext): Folded {
	if (movedOn(target, facts, ctx)) {
		// Somebody else's assignment: it will never answer this one. What it already answered stands.
		if (target.state === 'Applying') return unchanged(skip(target, 'moved-on'));
		return unchanged({ ...target, wakeAt: null });
	}
	const answered = ownsAssignment(facts, ctx, target.seq) ? foldAnswer(target, facts, ctx) : target;
	const present = foldReconnect(foldSession(answered, facts, ctx), facts);
	const restarted = foldRestarts(present, facts, ctx);
	const watched = foldEffective(foldHealth(restarted, facts, ctx), facts, ctx);
	const settled = judge(settle(watched, ctx), facts, ctx);
	const broke = isBroken(settled) && !isBroken(target);
	const quarantine = broke ? (settled.error ?? settled.reason ?? settled.state) : null;
	return { ...unchanged({ ...settled, wakeAt: nextDue(settled, facts, ctx) }), quarantine };
}

const isBroken = (target: Target): boolean => target.state === 'Failed' || target.state === 'Reverted';

/** An agent that shows its effective config but no status has answered when what it shows matches. */
function answerOf(target: Target, facts: AgentFacts): NonNullable<AgentFacts['assignment']>['answer'] {
	const answer = facts.assignment?.answer ?? 'none';
	const shows = !target.reports.configStatus && facts.assignment?.effective === 'match';
	return shows && (answer === 'offered' || answer === 'applying') ? 'applied' : answer;
}

function foldAnswer(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	const error = facts.assignment?.error ?? null;
	switch (answerOf(target, facts)) {
		case 'failed':
			return verdict({ ...target, state: 'Failed', reason: null, error }, ctx);
		case 'reverted':
			return verdict({ ...target, state: 'Reverted', reason: null, error }, ctx);
		case 'applied':
			if (target.state === 'Applying' || target.state === 'TimedOut') {
				return verdict({ ...target, state: 'Applied', reason: null }, ctx);
			}
			if (target.state === 'Disconnected' && facts.session === 'live') {
				return verdict({ ...target, state: 'Applied', reason: null, goneSince: null }, ctx);
			}
			return target;
		default:
			return target;
	}
}

/** The waiting is over, whatever came of it. */
const verdict = (target: Target, ctx: FoldContext): Target => stopWaiting(target, ctx.observedMs);

const stopWaiting = (target: Target, observedMs: number): Target =>
	target.waitingSince === null
		? target
		: { ...target, waitedMs: target.waitedMs + observedMs - target.waitingSince, waitingSince: null };

const waited = (target: Target, observedMs: number): number =>
	target.waitedMs + (target.waitingSince === null ? 0 : observedMs - target.waitingSince);

function foldSession(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	if (target.state !== 'Applying' && target.state !== 'Applied') return target;
	if (facts.session === 'live') return present(target, ctx);
	const still = stopWaiting(target, ctx.observedMs);
	if (facts.session === 'unheard' && ctx.held) return still;
	// It answered before it said goodbye: that is no harm.
	if (facts.session === 'goodbye' && target.state === 'Applied') return { ...still, goneSince: null };
	return absent(still, facts, ctx);
}

/** It came back and still runs the new version: its own report says so (R3). */
function foldReconnect(target: Target, facts: AgentFacts): Target {
	const after = target.provesAfterSession ?? null;
	if (after === null || target.state !== 'Applied' || facts.session !== 'live') return target;
	// It may have been in another session by the time it was handed the version.
	return facts.sessionEpoch > Math.max(after, facts.assignment?.offeredEpoch ?? 0)
		? { ...target, provesAfterSession: null }
		: target;
}

/** Connected: it has the apply timeout to answer, counted while it is connected. */
function present(target: Target, ctx: FoldContext): Target {
	if (target.state === 'Applied') return { ...target, goneSince: null };
	const here = { ...target, goneSince: null, waitingSince: target.waitingSince ?? ctx.observedMs };
	if (waited(here, ctx.observedMs) < windowMs(ctx.spec, 'apply-timeout-ratio', ctx.dwellMs)) return here;
	return verdict({ ...here, state: 'TimedOut', reason: canConfirm(target.reports) ? null : 'unconfirmed' }, ctx);
}

/** Gone: within the window it may come back, for example from the restart that applies the config. */
function absent(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	const goneSince = target.goneSince ?? ctx.observedMs;
	if (ctx.observedMs - goneSince < windowMs(ctx.spec, 'disconnect-ratio', ctx.dwellMs)) return { ...target, goneSince };
	const reason = facts.session === 'goodbye' ? 'goodbye' : null;
	return { ...target, goneSince, state: 'Disconnected', reason };
}

function foldRestarts(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	if (isBroken(target) || target.pushedAt === null) return target;
	const restarts = facts.restarts - target.restartsAtPush;
	if (restarts < restartsMax || ctx.observedMs - target.pushedAt > longestWindowMs(ctx.spec.gates)) return target;
	return verdict({ ...target, state: 'Reverted', reason: `restarted ${restarts} times` }, ctx);
}

/** Unhealthy counts once it lasted without a break; a break between two looks shows in the count of flips. */
function foldHealth(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	if (!target.reports.health || target.sickBefore) return target;
	const counted = target.against['unhealthy-ratio'] !== undefined;
	if (facts.session !== 'live') return counted ? target : { ...target, unhealthySince: null };
	if (facts.healthy !== false) return { ...target, unhealthySince: null, healthFlips: facts.healthFlips };
	const unbroken = target.unhealthySince !== null && target.healthFlips === facts.healthFlips;
	const unhealthySince = unbroken ? target.unhealthySince : ctx.observedMs;
	return { ...target, unhealthySince, healthFlips: facts.healthFlips };
}

function foldEffective(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	if (!target.reports.effectiveConfig || !ownsAssignment(facts, ctx, target.seq)) return target;
	const mismatch = facts.assignment?.effective === 'mismatch' && !isBroken(target);
	return { ...target, mismatchSince: mismatch ? (target.mismatchSince ?? ctx.observedMs) : null };
}

/** Brings `against` in line with what the target is. What began to count keeps the seq at which it began. */
function settle(target: Target, ctx: FoldContext): Target {
	const lasted = (since: number | null, gate: GateName): boolean =>
		since !== null && ctx.observedMs - since >= windowMs(ctx.spec, gate, ctx.dwellMs);
	const holds: Readonly<Record<GateName, boolean>> = {
		'apply-failed-ratio': isBroken(target),
		'apply-timeout-ratio': target.state === 'TimedOut',
		'disconnect-ratio': target.state === 'Disconnected',
		'effective-mismatch-ratio': lasted(target.mismatchSince, 'effective-mismatch-ratio'),
		'unhealthy-ratio': lasted(target.unhealthySince, 'unhealthy-ratio'),
	};
	const against: Partial<Record<GateName, number>> = {};
	for (const [gate, holding] of Object.entries(holds) as [GateName, boolean][]) {
		if (holding && isJudgeable(target, gate)) against[gate] = target.against[gate] ?? ctx.seq;
	}
	return { ...target, against };
}

/** Marks the gates for which this agent is evidence, good or bad: it was watched for the whole window. */
function judge(target: Target, facts: AgentFacts, ctx: FoldContext): Target {
	if (target.pushedAt === null) return target;
	const sinceMs = ctx.observedMs - target.pushedAt;
	const window = (gate: GateName): number => windowMs(ctx.spec, gate, ctx.dwellMs);
	const judged: Partial<Record<GateName, boolean>> = { ...target.judged };
	if (target.state !== 'Applying' && target.state !== 'Disconnected') {
		judged['apply-failed-ratio'] = true;
		judged['apply-timeout-ratio'] = true;
	}
	if (target.state === 'Disconnected' || (target.goneSince === null && sinceMs >= window('disconnect-ratio'))) {
		judged['disconnect-ratio'] = true;
	}
	if (isHealthJudged(target, facts, ctx)) judged['unhealthy-ratio'] = true;
	const effective = effectiveJudged(target, facts, ctx);
	if (effective !== undefined) judged['effective-mismatch-ratio'] = effective;
	return { ...target, judged };
}

function isHealthJudged(target: Target, facts: AgentFacts, ctx: FoldContext): boolean {
	if (target.against['unhealthy-ratio'] !== undefined) return true;
	if (facts.session !== 'live' || facts.healthy === null || target.unhealthySince !== null) return false;
	return target.state !== 'Applying' && ctx.observedMs >= healthDueAt(target, ctx);
}

/** The debounce counts from the answer: its connected time after the push is what it took to answer. */
const healthDueAt = (target: Target, ctx: FoldContext): number =>
	(target.pushedAt ?? 0) + target.waitedMs + windowMs(ctx.spec, 'unhealthy-ratio', ctx.dwellMs);

/** False: the window passed and it never showed its effective config. */
function effectiveJudged(target: Target, facts: AgentFacts, ctx: FoldContext): boolean | undefined {
	const gate = 'effective-mismatch-ratio';
	if (target.judged[gate] === true || target.against[gate] !== undefined) return true;
	if (!ownsAssignment(facts, ctx, target.seq)) return target.judged[gate];
	if (facts.assignment?.effective === 'match') return true;
	if (facts.assignment?.effective === 'mismatch') return undefined;
	return ctx.observedMs - (target.pushedAt ?? 0) >= windowMs(ctx.spec, gate, ctx.dwellMs) ? false : undefined;
}

/** The earliest observed instant at which time alone changes something about this target. */
function nextDue(target: Target, facts: AgentFacts, ctx: FoldContext): number | null {
	const window = (gate: GateName): number => windowMs(ctx.spec, gate, ctx.dwellMs);
	const after = (since: number | null, ms: number): number | null => (since === null ? null : since + ms);
	const unjudged = (gate: GateName): number | null => (target.judged[gate] === undefined ? target.pushedAt : null);
	const awake = target.state === 'Applying' || target.state === 'Applied';
	const due = [
		after(target.waitingSince, window('apply-timeout-ratio') - target.waitedMs),
		awake ? after(target.goneSince, window('disconnect-ratio')) : null,
		after(unjudged('disconnect-ratio'), window('disconnect-ratio')),
		after(target.unhealthySince, window('unhealthy-ratio')),
		target.judged['unhealthy-ratio'] === undefined && target.state !== 'Applying' ? healthDueAt(target, ctx) : null,
		after(target.mismatchSince, window('effective-mismatch-ratio')),
		after(unjudged('effective-mismatch-ratio'), window('effective-mismatch-ratio')),
		facts.session === 'unheard' && ctx.held ? ctx.observedMs + unheardRetryMs : null,
	].filter((at): at is number => at !== null && at > ctx.observedMs);
	return due.length === 0 ? null : Math.min(...due);
}
