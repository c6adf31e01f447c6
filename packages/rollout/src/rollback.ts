import type { RolloutId } from '@ampora/runtime';
import { confirm, list, wayBack } from './back.js';
import type { Draft } from './draft.js';
import { unpushed } from './fold.js';
import { dispatched } from './fold_context.js';
import type { AgentFacts, Rollout, Target, TargetView } from './model.js';
import { byGate } from './names.js';
import { backSlots, isDomainFull } from './needs.js';
import { moveTo } from './states.js';
import { inFlightOf } from './tally.js';

/** Sends touched agents their way back, sickest first, and ends the rollback when nobody is left to send or to wait for. */
export function runRollback(draft: Draft): void {
	let free = backSlots(draft.rollout, draft.steps);
	let passedOver = false;
	const { back } = draft.snapshot;
	for (const { target, facts } of back) {
		const now = draft.target(target.agentId);
		if (now.back?.state !== 'todo') continue;
		if (facts.session === 'live' && free <= 0) continue;
		// The sickest agents are often of one domain: it is not taken down as a whole on the way back either (R4).
		if (facts.session === 'live' && isDomainFull(draft.rollout, now, (domain) => onTheirWay(draft, domain))) {
			passedOver = true;
			continue;
		}
		sendBack(draft, now, facts);
		if (draft.target(target.agentId).back?.state === 'assigned') free -= 1;
	}
	const { todo, inFlight } = draft.rollout.back;
	if (todo > 0 && free > 0 && back.length > 0 && !passedOver) draft.more = true;
	if (todo === 0 && inFlight === 0 && unsettled(draft) === 0) {
		moveTo(draft, 'RolledBack', 'every touched agent confirmed, timed out or is listed');
	}
}

const onTheirWay = ({ rollout }: Draft, domain: number): number => rollout.backByDomain?.[domain] ?? 0;

/** Admitted agents of which it is not known yet whether a gateway wrote the frame before the rollback took the rest back. */
const unsettled = (draft: Draft): number =>
	draft.rollout.rollbackOf !== null
		? 0
		: inFlightOf(draft.steps) - draft.steps.reduce((sum, step) => sum + step.counters.unanswered, 0);

function sendBack(draft: Draft, given: Target, facts: AgentFacts): void {
	const { rollout } = draft;
	// One that waits to be retried: nothing of that attempt counts any more.
	const target = given.state === 'Pending' ? { ...given, ...unpushed } : given;
	const versionId = wayBack(target, rollout.spec);
	const row = facts.assignment;
	if (row === null || !isOurs(row.rolloutId, target, rollout)) {
		draft.put(list(target, 'moved-on'));
	} else if (versionId === null) {
		draft.put(list(target, 'no-way-back'));
	} else if (row.versionId === versionId && row.answer === 'applied') {
		draft.put(confirm(target, rollout));
	} else if (row.versionId === versionId && row.rolloutId === rollout.id) {
		// It was restored before: the row already points back.
		draft.put(awaiting(target, facts, row.seq, draft));
	} else {
		draft.assignments.push({
			agentId: target.agentId,
			versionId,
			attempt: 1,
			cause: 'rollback',
			expectedSeq: row.seq,
		});
		draft.put(awaiting(target, facts, row.seq + 1, draft));
		if (facts.session === 'live') draft.dispatch(target.agentId);
	}
}

/** A retry that was taken back before it was sent left a row of nobody's; a newer rollout would have put its name there. */
const isOurs = (owner: RolloutId | null, { attempt }: Target, { id, rollbackOf }: Rollout): boolean =>
	owner === id || (owner === null ? attempt > 1 : owner === rollbackOf);

/** The assignment points back; an agent without a session gets it first thing when it returns. */
function awaiting(target: Target, facts: AgentFacts, seq: number, draft: Draft): Target {
	if (facts.session !== 'live') return list(target, 'offline');
	return dispatched(assigned(target, seq, draft.rollout.observedMs), draft.rollout.observedMs);
}

const assigned = (target: Target, seq: number, observedMs: number): Target => ({
	...target,
	dispatches: 0,
	waitingSince: null,
	goneSince: null,
	back: { state: 'assigned', seq, spentMs: 0, since: observedMs },
});

/** `onAgentFailure: restore`: an agent that failed or reverted gets its previous version back; a pause does not hold it up. */
export function restoreFailed(draft: Draft, views: readonly TargetView[]): void {
	for (const { target: loaded, facts } of views) {
		const target = draft.target(loaded.agentId);
		if (!isRestorable(target, facts, draft)) continue;
		const row = facts.assignment;
		if (row === null || target.previousVersion === null) continue;
		draft.assignments.push({
			agentId: target.agentId,
			versionId: target.previousVersion,
			attempt: 1,
			cause: 'restore',
			expectedSeq: row.seq,
		});
		draft.put(awaiting(retired(target), facts, row.seq + 1, draft));
		if (facts.session === 'live') draft.dispatch(target.agentId);
	}
}

/** On its previous version it is no evidence any more, for gates that have not judged it yet: it leaves their N. */
const retired = (target: Target): Target => ({
	...target,
	judged: byGate((gate) => target.judged[gate] === true || target.against[gate] !== undefined),
});

const isRestorable = (target: Target, facts: AgentFacts, draft: Draft): boolean =>
	(target.state === 'Failed' || target.state === 'Reverted') &&
	target.back === null &&
	facts.assignment?.rolloutId === draft.rollout.id &&
	facts.assignment.seq === target.seq;
