import { inFlightCap } from './cohorts.js';
import type { Draft } from './draft.js';
import { defer } from './fold.js';
import { dispatched } from './fold_context.js';
import type { AgentFacts, Step, Target, TargetView } from './model.js';
import { isDomainFull, isFirstStep, snapshotNeeds } from './needs.js';
import { hasApplied, provenBefore, skipReason } from './plan.js';
import { placesLate } from './steps.js';
import { eligibleOf, inFlightIn, inFlightOf, membersOf } from './tally.js';

/** Places candidates in the current step, in rank order; those without a session are `Deferred` and keep their rank. */
export function fillStep(draft: Draft): void {
	const step = draft.current;
	// A step that was started in this very decision has no candidates loaded yet.
	if (step === null || draft.snapshot.rollout.currentStep !== step.index) return;
	const late = placesLate(draft.rollout, step);
	if (!late && step.phase !== 'pushing') return;
	for (const { target } of draft.snapshot.fill) place(draft, step.index, target, late);
	placeSick(draft, step.index);
	settleFill(draft, step.index);
}

const missing = (step: Step): number => step.quota - membersOf(step);

function place(draft: Draft, index: number, loaded: Target, late: boolean): void {
	const step = draft.step(index);
	const { target, facts } = draft.find(loaded.agentId) ?? {};
	if (step === null || target === undefined || facts === undefined || !isUnplaced(target)) return;
	if (!late && (missing(step) <= 0 || isJoiner(draft, target))) return;
	if (facts.session !== 'live') {
		draft.put(defer(target));
		return;
	}
	if (isFirstStep(step, draft.steps) && target.sickBefore) return;
	draft.put({ ...target, step: index });
}

const isUnplaced = (target: Target): boolean => target.state === 'Pending' && target.step === null;

/** Whoever joined after the start comes with the last step, never in a canary (R6). */
const isJoiner = (draft: Draft, target: Target): boolean => target.rank >= draft.rollout.planned;

/** Sick agents make a poor first step; they do when there is nobody else. */
function placeSick(draft: Draft, index: number): void {
	const step = draft.step(index);
	if (step === null || !isFirstStep(step, draft.steps) || membersOf(step) > 0) return;
	const sick = draft.snapshot.fill.filter(({ target }) => {
		const now = draft.target(target.agentId);
		return isUnplaced(now) && !isJoiner(draft, now);
	});
	for (const { target } of sick.slice(0, Math.max(0, step.quota))) {
		draft.put({ ...draft.target(target.agentId), step: index });
	}
}

/** Says whether the step ran out of candidates, or has more to look at. */
function settleFill(draft: Draft, index: number): void {
	const step = draft.step(index);
	if (step === null) return;
	const loaded = draft.snapshot.fill;
	const left = loaded.map(({ target }) => draft.target(target.agentId)).filter(isUnplaced);
	const unseen = draft.rollout.unplaced.Pending - left.length;
	// Joiners come last, so that nobody eligible hides behind one; a page on which nobody could be placed is all sick.
	const blocked =
		loaded.length > 0 && (left.length === loaded.length || left.some((target) => isJoiner(draft, target)));
	const open = unseen > 0 && (!blocked || draft.returned);
	if (step.phase === 'pushing') {
		const exhausted = missing(step) > 0 && !open;
		if (exhausted !== step.exhausted) draft.putStep({ ...step, exhausted });
	}
	if (open && (missing(step) > 0 || loaded.length > 0) && (loaded.length > 0 || !wantedAny(draft))) draft.more = true;
}

const wantedAny = (draft: Draft): boolean => snapshotNeeds(draft.snapshot.rollout, draft.snapshot.steps).fill > 0;

/** Admits candidates in rank order while a slot is free: writes their assignments (R1, R4). */
export function admitTargets(draft: Draft): void {
	let free = freeSlots(draft);
	let passedOver = false;
	for (const view of admissible(draft)) {
		if (free <= 0) break;
		const { target } = draft.find(view.target.agentId) ?? view;
		if (isDomainFull(draft.rollout, target, (domain) => inFlightIn(domain, draft.steps))) {
			passedOver = true;
			continue;
		}
		const admitted = admitOne(draft, target, view.facts);
		if (admitted) free -= 1;
	}
	const { admit } = draft.snapshot;
	const wanted = snapshotNeeds(draft.snapshot.rollout, draft.snapshot.steps).admit;
	// Behind agents of a full domain others may wait: an answer from that domain brings the next look.
	if (free > 0 && !passedOver && admit.length > 0 && admit.length >= wanted && waiting(draft) > 0) draft.more = true;
}

const waiting = (draft: Draft): number =>
	draft.steps.reduce((sum, step) => sum + step.counters.states.Pending, 0) -
	(inFlightOf(draft.steps) - applying(draft));

const applying = (draft: Draft): number => draft.steps.reduce((sum, step) => sum + step.counters.unanswered, 0);

function admissible(draft: Draft): readonly TargetView[] {
	return draft
		.views()
		.filter(({ target }) => target.state === 'Pending' && target.step !== null && target.seq === null)
		.filter(({ target }) => !draft.unquarantine.includes(target.agentId))
		.toSorted((a, b) => a.target.rank - b.target.rank);
}

/** Slots left under the cap. The first step starts with one and grows with what was applied: 1, 2, 4, … */
function freeSlots(draft: Draft): number {
	const { rollout, steps, current } = draft;
	const cap = inFlightCap(rollout.spec, eligibleOf(rollout, steps));
	const slow =
		current !== null &&
		rollout.spec.maxInFlight !== 'unlimited' &&
		rollout.state === 'InProgress' &&
		!rollout.baking &&
		isFirstStep(current, steps);
	const window = slow ? Math.min(cap, 1 + current.counters.states.Applied) : cap;
	return window - inFlightOf(steps);
}

/** True: it took a slot. */
function admitOne(draft: Draft, target: Target, facts: AgentFacts): boolean {
	const turned = turnAway(draft, target, facts);
	if (turned !== null) {
		draft.put(turned);
		reopen(draft, target.step);
		return false;
	}
	const { versionId } = draft.rollout;
	const admitted = admission(target, facts, draft);
	draft.assignments.push({
		agentId: target.agentId,
		versionId,
		attempt: admitted.attempt,
		cause: target.attempt > 1 ? 'retry' : 'rollout',
		expectedSeq: facts.assignment?.seq ?? null,
	});
	draft.put(admitted);
	draft.dispatch(target.agentId);
	return true;
}

/** Much may have happened since it was placed. Null: it can be pushed. */
function turnAway(draft: Draft, target: Target, facts: AgentFacts): Target | null {
	const out = { ...target, step: null };
	if (!facts.inGroup) return { ...out, state: 'Skipped', reason: 'left-group' };
	if (hasApplied(facts, draft.rollout)) return { ...out, state: 'AlreadyApplied', reason: null };
	const reason = skipReason(facts, draft.rollout);
	if (reason !== null) return { ...out, state: 'Skipped', reason };
	if (facts.session !== 'live') return defer(target);
	const sick = facts.reports.health && facts.healthy === false;
	if (sick && !target.sickBefore && wouldBeFirst(draft, target)) return { ...out, sickBefore: true };
	return null;
}

/** Would it be in the first step, though others could. */
function wouldBeFirst(draft: Draft, target: Target): boolean {
	const step = target.step === null ? null : draft.step(target.step);
	if (step === null || !isFirstStep(step, draft.steps)) return false;
	return membersOf(step) > 1 || draft.rollout.unplaced.Pending > 0;
}

/** Its place is free again: the step is topped up. */
export function reopen(draft: Draft, index: number | null): void {
	const step = index === null ? null : draft.step(index);
	if (step === null || step.phase !== 'pushing' || index !== draft.rollout.currentStep) return;
	draft.putStep({ ...step, exhausted: false });
	draft.more = true;
}

function admission(target: Target, facts: AgentFacts, draft: Draft): Target {
	const { versionId } = draft.rollout;
	const row = facts.assignment;
	// The agent knows this attempt as failed: only a new one is a new offer.
	const spent = row !== null && row.versionId === versionId && (row.answer === 'failed' || row.answer === 'reverted');
	return dispatched(
		{
			...target,
			reason: null,
			error: null,
			reports: facts.reports,
			sickBefore: facts.reports.health && facts.healthy === false,
			previousVersion: target.previousVersion ?? provenBefore(facts, draft.rollout),
			seq: (row?.seq ?? 0) + 1,
			attempt: spent ? Math.max(target.attempt, row.attempt + 1) : target.attempt,
			dispatches: 0,
			restartsAtPush: facts.restarts,
			healthFlips: facts.healthFlips,
			...(isAlone(target, draft) && { provesAfterSession: facts.sessionEpoch }),
		},
		draft.rollout.observedMs,
	);
}

const isAlone = ({ step }: Target, { rollout }: Draft): boolean =>
	step === 0 && rollout.spec.strategy.firstAgentAlone === true;
