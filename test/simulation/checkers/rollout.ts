import { isDeepStrictEqual } from 'node:util';
import {
	decide,
	decisionDigest,
	type GateName,
	quietTickMs,
	type Rollout,
	type Step,
	type Target,
	type TargetState,
} from '@ampora/rollout';
import type { AgentId, RolloutId } from '@ampora/runtime';
import type { AssignmentRow, RolloutRow, Standing } from './database_view.js';
import type { Check, Checked, Observation } from './observation.js';

type Committed = Extract<Observation, { kind: 'committed' }>;

const ended: readonly Rollout['state'][] = [
	'Completed',
	'RolledBack',
	'Aborted',
	'Failed',
	'Superseded',
	'Cancelled',
	'Rejected',
];
const hasEnded = (state: Rollout['state']): boolean => ended.includes(state);

/** Assignments of the rollout's own version: everything else it writes leads back. */
const forward = ({ decision, moved }: Committed) =>
	moved.filter(
		({ rolloutId, versionId, cause }) =>
			rolloutId === decision.rollout.id &&
			versionId === decision.rollout.versionId &&
			(cause === 'rollout' || cause === 'retry'),
	);

const unsent = ({ decision: { rollout } }: Committed, rows: readonly AssignmentRow[]): boolean =>
	rows.some(
		({ rolloutId, versionId, cause, answer }) =>
			rolloutId === rollout.id &&
			versionId === rollout.versionId &&
			answer === 'none' &&
			(cause === 'rollout' || cause === 'retry'),
	);

/** Somebody who wants to change a thing has so long until nothing goes out any more, virtual ms. */
const graceMs = 1_000;
/** In calm times a window that closes is seen and committed within this; permissions given before are good for `graceMs` more. */
const noticedMs = 2_000;

/** Nothing moves towards the version while the rollout is paused, over or not to change, and a second later nothing is sent either. */
export const R1 = (): Check => {
	const handed = new Set<string>();
	return (seen, world) => {
		if (seen.kind === 'committed') return wroteForward(seen, world);
		if (seen.kind !== 'written' || seen.offer.seq === null) return null;
		const push = `${seen.agentId} ${seen.offer.seq}`;
		const wrong = sentForward(seen, world, handed.has(push));
		handed.add(push);
		return wrong;
	};
};

/** Where a rollout may hand out its version; `answered`: to those that run it by their own word. */
const outlets: Readonly<Partial<Record<Rollout['state'], 'open' | 'answered'>>> = {
	InProgress: 'open',
	Completed: 'open',
	RollingBack: 'answered',
	RolledBack: 'answered',
	Aborted: 'answered',
	Failed: 'answered',
	Superseded: 'answered',
};

export const letsOut = (standing: Standing | null): boolean =>
	standing !== null && outlets[standing.state] === 'open' && standing.pauseReasons.length === 0;

function wroteForward(seen: Committed, { db, calendars, nowMs }: Checked): string | null {
	const { state, tailUntilMs, pauseReasons, groupId } = seen.decision.rollout;
	const tail = state === 'Completed' && tailUntilMs !== null;
	const bad = forward(seen)[0];
	if (bad && (state !== 'InProgress' || pauseReasons.length > 0) && !tail)
		return `an assignment of the version was written while ${state} (${pauseReasons.join(', ')})`;
	if (state !== 'InProgress' && !tail && unsent(seen, db.assignments()))
		return `an assignment that nobody was sent still says the version while ${state}`;
	const since = calendars.closedSinceMs(groupId);
	if (bad && since !== null && nowMs - since > graceMs)
		return `an assignment of the version was written ${Math.round(nowMs - since)} ms after windows or freezes closed`;
	return null;
}

function sentForward(
	{ agentId, offer }: Extract<Observation, { kind: 'written' }>,
	{ db, history, standings, calendars, nowMs, calmSinceMs }: Checked,
	handedBefore: boolean,
): string | null {
	const row = offer.seq === null ? null : history.withSeq(agentId, offer.seq);
	if (row?.rolloutId == null || (row.cause !== 'rollout' && row.cause !== 'retry')) return null;
	// What it already runs by its own word, it may be given again.
	const runs = db.assignment(agentId)?.answer === 'applied';
	const standing = db.standing(row.rolloutId);
	const again = runs && standing !== null && outlets[standing.state] === 'answered';
	const since = again ? null : standings.closedSinceMs(row.rolloutId);
	if (since !== null && nowMs - since > graceMs + 1)
		return `the version was sent ${Math.round(nowMs - since)} ms after the rollout stopped letting it`;
	// What was on a socket when it closed finishes, also over another socket.
	const closed = runs || handedBefore || standing === null ? null : calendars.closedSinceMs(standing.groupId);
	const calm = closed !== null && calmSinceMs !== null && calmSinceMs <= closed;
	if (calm && nowMs - closed > noticedMs + graceMs)
		return `the version was sent ${Math.round(nowMs - closed)} ms after windows or freezes closed`;
	return null;
}

/** One commit per journal seq, and none of an epoch older than the newest that committed. */
export const R2 = (): Check => {
	const seqs = new Map<RolloutId, number>();
	let newest = 0;
	return (seen, { db }) => {
		if (seen.kind !== 'committed') return null;
		const { lease, leaseBefore, decision, before } = seen;
		if (lease.epoch < newest) return `epoch ${lease.epoch} committed after epoch ${newest}`;
		newest = lease.epoch;
		if (leaseBefore?.epoch !== lease.epoch || leaseBefore.holder !== lease.holder)
			return `epoch ${lease.epoch} committed while the lease is at ${leaseBefore?.epoch}`;
		if (leaseBefore.expiresAtMs <= db.nowMs()) return `epoch ${lease.epoch} committed with a lease that had expired`;
		if (!decision.changed) return null;
		const { id, seq } = decision.rollout;
		if (seq !== before.rollout.seq + 1) return `seq ${seq} was committed over ${before.rollout.seq}`;
		const last = seqs.get(id) ?? 0;
		seqs.set(id, seq);
		// Whoever replaces it in the queue writes its end into the journal.
		const replaced = before.rollout.state === 'Cancelled' ? 1 : 0;
		return seq === last + 1 || seq === last + 1 + replaced || last === 0 ? null : `seq ${seq} follows ${last}`;
	};
};

/** Decided again from a copy, it comes out the same. */
export const R3: Check = (seen) => {
	if (seen.kind !== 'committed') return null;
	const again = decide(structuredClone(seen.loaded.snapshot));
	const same = isDeepStrictEqual(decisionDigest(again), decisionDigest(seen.decision));
	return same ? null : 'the same snapshot was decided in two ways';
};

const count = <T>(items: Iterable<T>, is: (item: T) => boolean): number => {
	let n = 0;
	for (const item of items) if (is(item)) n += 1;
	return n;
};
const targetsOf = (row: RolloutRow): Target[] => [...row.targets.values()].map(({ target }) => target);

const isInFlight = ({ state, seq }: Target): boolean => seq !== null && (state === 'Applying' || state === 'Pending');

/** Members that were or can still be pushed: everyone placed in a step, and those not placed that wait. */
const isEligible = ({ step, state }: Target): boolean => step !== null || state === 'Pending' || state === 'Deferred';

/** `maxInFlight` as the rollout means it: 5 % of the eligible members, rounded down, from 1 to 1,000. */
function capOf({ spec: { maxInFlight } }: Rollout, eligible: number): number {
	if (maxInFlight === 'unlimited') return Number.POSITIVE_INFINITY;
	return maxInFlight ?? Math.min(1_000, Math.max(1, Math.floor(eligible / 20)));
}

/** A quarter of a failure domain, rounded down and at least one, when nobody named a `maxInFlight`. */
function domainCapOf({ spec }: Rollout, targets: readonly Target[], domain: number | undefined): number {
	if (!spec.spreadBy || spec.maxInFlight !== null) return Number.POSITIVE_INFINITY;
	return Math.max(1, Math.floor(count(targets, (target) => target.domain === domain) / 4));
}

function crowdedDomain(
	rollout: Rollout,
	targets: readonly Target[],
	admitted: ReadonlySet<number | undefined>,
): string | null {
	if (!rollout.spec.spreadBy || rollout.spec.maxInFlight !== null) return null;
	for (const domain of admitted) {
		const inFlight = count(targets, (target) => target.domain === domain && isInFlight(target));
		const cap = domainCapOf(rollout, targets, domain);
		if (domain === undefined) return 'an agent of a rollout that is spread has no domain';
		if (inFlight > cap) return `${inFlight} of domain ${domain} in flight, ${cap} allowed`;
	}
	return null;
}

/** Pushed and unanswered agents stay within the cap, on the way there and on the way back. */
export const R4: Check = (seen, { db }) => {
	if (seen.kind !== 'committed') return null;
	const after = db.rollout(seen.decision.rollout.id);
	if (after === null) return null;
	const targets = targetsOf(after);
	// Who left in this very decision still counted when it admitted.
	const before = targetsOf(seen.before);
	const cap = capOf(after.rollout, Math.max(count(targets, isEligible), count(before, isEligible)));
	// What was on a socket when a pause took the rest back is adopted: it counts, and was not admitted now.
	const inFlight = count(targets, isInFlight);
	if (inFlight > cap && forward(seen).length > 0) return `${inFlight} in flight, ${cap} allowed`;
	const admitted = new Set(forward(seen).map(({ agentId }) => after.targets.get(agentId)?.target.domain));
	const crowded = crowdedDomain(after.rollout, targets, admitted);
	if (crowded !== null) return crowded;
	const back = after.rollout.rollingBack ? count(targets, ({ back }) => back?.state === 'assigned') : 0;
	// Restoring is not bounded by itself: only what was pushed within the cap can fail.
	const wroteBack = seen.moved.filter(({ cause }) => cause === 'rollback');
	if (back > cap && wroteBack.length > 0) return `${back} on their way back, ${cap} allowed`;
	for (const domain of new Set(wroteBack.map(({ agentId }) => after.targets.get(agentId)?.target.domain))) {
		const most = domainCapOf(after.rollout, targets, domain);
		const now = count(targets, (target) => target.domain === domain && target.back?.state === 'assigned');
		if (now > most) return `${now} of domain ${domain} on their way back, ${most} allowed`;
	}
	return null;
};

/** Whose words a gate can hear. */
const gateSees: Readonly<Record<GateName, (target: Target) => boolean>> = {
	'apply-failed-ratio': ({ reports }) => reports.configStatus,
	'apply-timeout-ratio': ({ reports }) => reports.configStatus,
	'disconnect-ratio': () => true,
	'effective-mismatch-ratio': ({ reports, state }) =>
		reports.effectiveConfig && state !== 'Failed' && state !== 'Reverted',
	'unhealthy-ratio': ({ reports, sickBefore }) => reports.health && !sickBefore,
};
const isBad: Readonly<Record<GateName, (target: Target) => boolean>> = {
	'apply-failed-ratio': ({ state }) => state === 'Failed' || state === 'Reverted',
	'apply-timeout-ratio': ({ state }) => state === 'TimedOut',
	'disconnect-ratio': ({ state }) => state === 'Disconnected',
	// When these have lasted long enough only the core can tell.
	'effective-mismatch-ratio': ({ against }) => against['effective-mismatch-ratio'] !== undefined,
	'unhealthy-ratio': ({ against }) => against['unhealthy-ratio'] !== undefined,
};
const gates = Object.keys(isBad) as GateName[];
/** One of a handful is no ratio: these fire from the second in a cohort under five. */
const fromTheSecond: readonly GateName[] = ['apply-timeout-ratio', 'disconnect-ratio', 'unhealthy-ratio'];
const outOfGates: readonly TargetState[] = ['Pending', 'Deferred', 'Skipped', 'AlreadyApplied', 'RolledBack'];

/** `k of n` of a gate that is above its threshold among these; null when it is not, or an operator accepted it. */
function aboveThreshold({ spec, acceptedSeq }: Rollout, gate: GateName, cohort: readonly Target[]): string | null {
	const seen = cohort.filter((target) => {
		const away = outOfGates.includes(target.state) || (target.state === 'Disconnected' && target.reason === 'goodbye');
		return !away && gateSees[gate](target);
	});
	const bad = isBad[gate];
	const accepted = count(
		seen,
		({ against }) => (against[gate] ?? Number.POSITIVE_INFINITY) <= (acceptedSeq[gate] ?? -1),
	);
	const unwatched = count(seen, (target) => !bad(target) && target.judged[gate] === false);
	const k = count(seen, bad) - accepted;
	const n = seen.length - accepted - unwatched;
	const few = n + accepted < 5 && k < 2 && fromTheSecond.includes(gate);
	return k > 0 && !few && 100 * k > spec.gates[gate].thresholdPercent * n ? `${k} of ${n}` : null;
}

/** Agents the steps up to `last` were to have, or have: fewer than a gate's `minSample` are judged by nobody. */
const sampleOf = ({ steps }: RolloutRow, first: number, last: number): number =>
	steps
		.filter(({ index }) => index >= first && index <= last)
		.reduce((sum, { quota, counters }) => sum + Math.max(quota, stateSum(counters.states)), 0);

/** No gate is above its threshold, in the step or in the whole rollout, when the next step or the bake begins. */
export const R5: Check = (seen, { db }) => {
	if (seen.kind !== 'committed') return null;
	const { before, decision } = seen;
	const started = decision.rollout.currentStep;
	const ending = before.rollout.currentStep;
	const goesOn = ending !== null && (started !== ending || (decision.rollout.baking && !before.rollout.baking));
	if (!goesOn || ended.includes(decision.rollout.state)) return null;
	const after = db.rollout(decision.rollout.id);
	if (after === null) return null;
	const reached = targetsOf(after).filter(({ step }) => step !== null && step <= ending);
	for (const first of [0, ending]) {
		const cohort = reached.filter(({ step }) => (step ?? 0) >= first);
		const sample = sampleOf(after, first, ending);
		for (const gate of gates) {
			if (sample < (decision.rollout.spec.gates[gate].minSample ?? 0)) continue;
			const figures = aboveThreshold(decision.rollout, gate, cohort);
			if (figures !== null) return `step ${ending} was left with ${gate} at ${figures}`;
		}
	}
	return null;
};

const stateSum = (states: Readonly<Record<TargetState, number>>): number =>
	Object.values(states).reduce((sum, n) => sum + n, 0);

function miscounted(row: RolloutRow): string | null {
	const targets = targetsOf(row);
	for (const step of row.steps) {
		const own = targets.filter((target) => target.step === step.index);
		const wrong = miscountedStep(step, own);
		if (wrong !== null) return wrong;
	}
	for (const domain of new Set(targets.map((target) => target.domain ?? -1))) {
		const real = count(targets, (target) => target.domain === domain && target.back?.state === 'assigned');
		const counted = row.rollout.backByDomain?.[domain] ?? 0;
		if (counted !== real) return `${counted} of domain ${domain} are counted on their way back, there are ${real}`;
	}
	const placed = row.steps.reduce((sum, { counters }) => sum + stateSum(counters.states), 0);
	const all = placed + stateSum(row.rollout.unplaced);
	return all === targets.length ? null : `${all} agents are counted, ${targets.length} there are`;
}

function miscountedStep({ index, counters }: Step, own: readonly Target[]): string | null {
	for (const [state, n] of Object.entries(counters.states)) {
		const real = count(own, (target) => target.state === state);
		if (real !== n) return `step ${index} counts ${n} ${state}, there are ${real}`;
	}
	const inFlight = count(own, isInFlight);
	for (const domain of new Set(own.map((target) => target.domain ?? -1))) {
		const real = count(own, (target) => target.domain === domain && isInFlight(target));
		const counted = counters.inFlightByDomain?.[domain] ?? 0;
		if (counted !== real) return `step ${index} counts ${counted} of domain ${domain} in flight, there are ${real}`;
	}
	return inFlight === counters.inFlight
		? null
		: `step ${index} counts ${counters.inFlight} in flight, there are ${inFlight}`;
}

/** Every target is counted in exactly one place, an agent that was pushed keeps its step, and joiners come with the last one. */
export const R6: Check = (seen, { db }) => {
	if (seen.kind !== 'committed' || !seen.decision.changed) return null;
	const after = db.rollout(seen.decision.rollout.id);
	if (after === null) return null;
	for (const [agentId, { target }] of after.targets) {
		const was = seen.before.targets.get(agentId)?.target;
		if (was?.pushedAt != null && was.step !== null && target.step !== was.step && target.pushedAt !== null)
			return `a pushed agent went from step ${was.step} to ${target.step}`;
		const later = after.steps.find(({ index }) => target.step !== null && index > target.step);
		if (target.rank >= after.rollout.planned && later)
			return `a joiner is in step ${target.step}, and step ${later.index} came after it`;
	}
	return miscounted(after);
};

/** An agent that was pushed keeps counting, wherever it is moved. */
export const R7: Check = (seen, { db }) => {
	if (seen.kind !== 'committed') return null;
	for (const { agentId, state } of seen.decision.targets) {
		const was = seen.before.targets.get(agentId)?.target.state;
		const bad = was === 'Failed' || was === 'Reverted';
		const left = db.agent(agentId)?.groupId !== seen.decision.rollout.groupId;
		if (bad && left && (state === 'Skipped' || state === 'Pending')) return `${was} became ${state} after it left`;
	}
	return null;
};

/** Ended states have no exits. */
export const R8: Check = (seen) => {
	if (seen.kind !== 'committed') return null;
	const { before, decision } = seen;
	const left = hasEnded(before.rollout.state) && decision.rollout.state !== before.rollout.state;
	return left ? `${before.rollout.state} became ${decision.rollout.state}` : null;
};

/** What failed on an agent is not offered to it again, unless somebody asked for a retry. */
export const R9: Check = (seen, { db }) => {
	if (seen.kind === 'claimed') {
		for (const decision of seen.decisions)
			if ('offer' in decision && db.quarantined(decision.offer.agentId, decision.offer.versionId))
				return 'a quarantined version was offered';
	}
	if (seen.kind === 'committed' && seen.decision.unquarantine.length > 0) {
		const retried = seen.loaded.snapshot.commands.some(({ kind }) => kind === 'retry');
		if (!retried) return 'a version left quarantine without a retry';
	}
	return null;
};

/** Once rolled back, none of its assignments points at its version. */
export const R10: Check = (seen, { db }) => {
	if (seen.kind !== 'committed' || seen.decision.rollout.state !== 'RolledBack') return null;
	const { id, versionId } = seen.decision.rollout;
	const targets = db.rollout(id)?.targets;
	const left = db.assignments().find((row) => {
		if (row.rolloutId !== id || row.versionId !== versionId) return false;
		// Those without a way back are left as they are, and named.
		const target = targets?.get(row.agentId)?.target;
		const named = target?.back?.state === 'listed' && target.back.why === 'no-way-back';
		return !named;
	});
	return left ? 'an assignment still points at the version' : null;
};

/** A command is decided once. */
export const R11 = (): Check => {
	const decided = new Set<string>();
	return (seen) => {
		if (seen.kind !== 'committed') return null;
		for (const { commandId } of seen.decision.outcomes) {
			if (decided.has(commandId)) return `command ${commandId} was decided twice`;
			decided.add(commandId);
		}
		return null;
	};
};

/** A rollout where nothing is due soon is looked at this rarely; no clock goes on by more than two such intervals. */
const stepMsMax = 2 * quietTickMs;

/** Clocks only go forward, by no more than two ticks at a look, and stand still while paused. */
export const R12: Check = (seen) => {
	if (seen.kind !== 'committed') return null;
	const { before, decision } = seen;
	const advance = (name: string, from: number, to: number, still: boolean): string | null => {
		if (to - from > stepMsMax) return `${name} went on by ${to - from} ms at once`;
		return still && to > from ? `${name} went on while it had to stand still` : null;
	};
	// Somebody may end the wait: that is no passing of time.
	const advanced = decision.events.some(
		(event) => event.kind === 'command' && event.command === 'advance' && event.accepted,
	);
	if (advanced) return null;
	const paused = before.rollout.state === 'Paused' && decision.rollout.state === 'Paused';
	for (const step of decision.steps) {
		const was = before.steps.find(({ index }) => index === step.index);
		if (!was || was.phase === 'ended') continue;
		const wrong = advance(`dwell of step ${step.index}`, was.dweltMs, step.dweltMs, paused);
		if (wrong !== null) return wrong;
	}
	const observed = decision.rollout.observedMs - before.rollout.observedMs;
	if (observed < 0) return 'the observed clock went back';
	return (
		advance('bake', before.rollout.bakedMs, decision.rollout.bakedMs, paused) ??
		advance('the observed clock', before.rollout.observedMs, decision.rollout.observedMs, false)
	);
};

/** Each write of an assignment took effect once: seq grew by one, and by no other hand than a decision's. */
export const R13: Check = (seen, { history }) => {
	if (seen.kind !== 'committed') return null;
	const written = new Set([...seen.decision.assignments.map(({ agentId }) => agentId), ...seen.decision.withdraw]);
	for (const row of seen.moved) {
		const before = seen.assignmentsBefore.get(row.agentId)?.seq ?? 0;
		if (row.seq !== before + 1) return `seq went from ${before} to ${row.seq}`;
		if (!written.has(row.agentId) && row.cause !== 'withdrawal') return 'an assignment moved that nobody decided about';
		if (history.withSeq(row.agentId, row.seq) !== null && history.current(row.agentId)?.seq !== row.seq)
			return `seq ${row.seq} was there before`;
	}
	const missing = seen.decision.assignments.find(({ agentId }) => !seen.moved.some((row) => row.agentId === agentId));
	return missing ? 'a decided assignment was not written' : null;
};

/** In calm times a window that opens is seen within this, whatever else goes on, virtual ms. */
const reopenedMs = 15_000;

/** A rollout that has not ended knows when to look again, or whom it waits for; what windows and freezes closed goes on by itself. */
export const R14: Check = (seen, { db, calendars, nowMs, calmSinceMs }) => {
	if (seen.kind !== 'committed' && seen.kind !== 'looked') return null;
	const ids = seen.kind === 'committed' ? [seen.decision.rollout.id] : db.rollouts();
	for (const id of ids) {
		const standing = db.standing(id);
		if (standing === null || hasEnded(standing.state)) continue;
		const { state, pauseReasons, nextWakeAtMs, waitsFor, groupId } = standing;
		if (nextWakeAtMs === null && waitsFor === null && !db.due().includes(id)) return `${state} waits for nothing`;
		const openSince = calendars.openSinceMs(groupId);
		if (openSince === null || calmSinceMs === null) continue;
		const stuckMs = nowMs - Math.max(openSince, calmSinceMs);
		const closed = pauseReasons.filter((reason) => reason === 'window' || reason === 'freeze');
		if (closed.length > 0 && stuckMs > reopenedMs)
			return `${state} (${pauseReasons.join(', ')}) for ${Math.round(stuckMs)} ms, and it may change`;
	}
	return null;
};

/** One rollout of a group is active; what a rollout writes is about its own targets. */
export const R15: Check = (seen, { db }) => {
	if (seen.kind !== 'committed') return null;
	const { id, groupId } = seen.decision.rollout;
	const active = db.rollouts().filter((other) => {
		const standing = db.standing(other);
		return standing !== null && standing.groupId === groupId && !hasEnded(standing.state);
	});
	const queued = active.filter((other) => db.standing(other)?.state === 'Queued').length;
	if (active.length - queued > 1) return `${active.length - queued} active rollouts in one group`;
	if (queued > 1) return `${queued} queued rollouts in one group`;
	const targets = db.rollout(id)?.targets;
	const stranger = seen.moved.find(({ agentId }) => !targets?.has(agentId));
	if (stranger) return 'an assignment of an agent was written that is no target';
	const { admit, changed, fill } = seen.loaded.snapshot;
	const wasMember = new Set(
		[...admit, ...changed, ...fill].filter(({ facts }) => facts.inGroup).map(({ facts }) => facts.agentId),
	);
	// Only the rollout of the group it was in when that was decided may take an agent over from another that is under way.
	const taken = seen.moved.find(({ agentId, cause }) => {
		const owner = seen.assignmentsBefore.get(agentId)?.rolloutId;
		if (owner == null || owner === id || cause === 'withdrawal' || wasMember.has(agentId)) return false;
		const standing = db.standing(owner);
		return standing !== null && !hasEnded(standing.state);
	});
	return taken ? 'an agent was taken from an active rollout' : null;
};

const rank: Readonly<Record<string, number>> = { none: 0, offered: 1, applying: 2, applied: 3, failed: 4, reverted: 4 };

/** Once the database has any fact that an agent told later, it has its answer. */
export const R16 = (): Check => {
	interface Open {
		readonly seq: number;
		readonly status: 'applied' | 'failed';
		readonly sequenceNum: number;
		readonly elsewhere: boolean;
	}
	const said = new Map<AgentId, Open[]>();
	const processes = new Map<AgentId, number>();
	return (seen, { db }) => {
		if (seen.kind === 'answered') {
			const { agentId, said: it } = seen;
			if (it.unknown) return null;
			if (processes.get(agentId) !== it.process) said.delete(agentId);
			processes.set(agentId, it.process);
			// Said again on another connection: what it said on the one before may have been lost with that.
			const open = (said.get(agentId) ?? []).filter(({ seq }) => !it.elsewhere || seq !== it.seq);
			said.set(agentId, [...open, it]);
			return null;
		}
		if (seen.kind !== 'flushed') return null;
		for (const { agentId } of seen.reports) {
			const open = said.get(agentId);
			const known = db.agent(agentId)?.sequenceNum;
			if (!open || known === null || known === undefined) continue;
			const due = open.filter(({ sequenceNum }) => sequenceNum <= known);
			if (due.length === 0) continue;
			said.set(
				agentId,
				open.filter(({ sequenceNum }) => sequenceNum > known),
			);
			for (const answer of due) {
				// Told on another connection than the one that brought it, about what is not wanted any more: nobody can know of what it speaks.
				if (answer.elsewhere && db.assignment(agentId)?.seq !== answer.seq) continue;
				const has = storedAnswer(agentId, answer.seq);
				if (has !== null && (rank[has] ?? 0) < (rank[answer.status] ?? 0))
					return `${answer.status} to seq ${answer.seq} (message ${answer.sequenceNum}) is stored as ${has}`;
			}
		}
		return null;

		function storedAnswer(agentId: AgentId, seq: number): string | null {
			const row = db.assignment(agentId);
			if (row?.seq === seq) return row.answer;
			for (const id of db.rollouts()) {
				const entry = db.rollout(id)?.targets.get(agentId);
				if (entry?.target.seq !== seq) continue;
				const { state } = entry.target;
				if (state === 'Applied') return 'applied';
				if (state === 'Failed' || state === 'Reverted') return 'failed';
				return entry.lateAnswer ?? 'none';
			}
			return null;
		}
	};
};
