import { assert } from '@ampora/runtime';
import { admitTargets, fillStep, reopen } from './admit.js';
import { calendarNow, settleCalendar } from './calendar.js';
import { advanceClocks, settleHold, type Tick } from './clocks.js';
import { runCommands } from './commands.js';
import { settleDeadline } from './deadline.js';
import { type Decision, type Snapshot, tickIntervalMs } from './decision.js';
import { Draft } from './draft.js';
import { foldTarget } from './fold.js';
import type { FoldContext } from './fold_context.js';
import { breaches } from './invariants.js';
import { actOnGates, closeTail, latchGates } from './judge.js';
import { judgeMetrics } from './metric_gates.js';
import type { Target } from './model.js';
import { tickEveryMs } from './needs.js';
import { restoreFailed, runRollback } from './rollback.js';
import { planJoiners, startWaiting } from './start.js';
import { runSteps } from './steps.js';
import { inFlightOf, placedOf } from './tally.js';
import { hasEnded } from './transitions.js';
import { nextWake, waitsFor } from './wake.js';

/**
 * The whole engine of a rollout: what is to be done now, from what the database knows and nothing else (R3). Throws when the snapshot
 * or the decision itself breaks an invariant; the caller then leaves the rollout as it is.
 */
export function decide(snapshot: Snapshot): Decision {
	assertSound(snapshot, 'snapshot');
	const draft = new Draft(snapshot);
	const tick = advanceClocks(draft);
	foldFacts(draft, tick);
	if (isGrowing(draft)) planJoiners(draft);
	runCommands(draft);
	startWaiting(draft);
	const calendar = calendarNow(draft);
	settleCalendar(draft, calendar);
	settleHold(draft, tick);
	settleDeadline(draft, tick);
	judgeMetrics(draft, tick);
	latchGates(draft);
	actOnGates(draft, tick.held);
	push(draft, tick, calendar.open);
	restore(draft);
	if (draft.rollout.state === 'RollingBack') runRollback(draft);
	return finish(draft, tick, calendar.open);
}

/** Everything that hands the version to more agents; it stops at the first reason not to (R1). */
function push(draft: Draft, tick: Tick, open: boolean): void {
	if (tick.held) return;
	runSteps(draft);
	settleTail(draft);
	if (!isPushing(draft)) return;
	if (!open) {
		holdTail(draft);
		return;
	}
	fillStep(draft);
	// A step that ran out of candidates is smaller than it was to be: what fired only now stops the refill too.
	latchGates(draft);
	actOnGates(draft, tick.held);
	if (isPushing(draft)) admitTargets(draft);
}

/** A window that closes takes back what the tail has not sent; what is on a socket finishes. */
function holdTail(draft: Draft): void {
	if (inFlightOf(draft.steps) > 0) draft.withdrawUnsent = true;
	draft.stopDispatch();
}

const isPushing = ({ rollout }: Draft): boolean =>
	rollout.state === 'InProgress' || (rollout.state === 'Completed' && rollout.tailUntilMs !== null);

const isGrowing = ({ rollout }: Draft): boolean =>
	rollout.state === 'InProgress' || (rollout.state === 'Paused' && !rollout.rollingBack);

function settleTail(draft: Draft): void {
	const { state, tailUntilMs } = draft.rollout;
	if (state !== 'Completed' || tailUntilMs === null) return;
	if (draft.nowMs >= tailUntilMs) closeTail(draft, 'the time for deferred agents is over');
	else if (!draft.snapshot.environment.latestOfGroup) closeTail(draft, 'a newer rollout took over the group');
}

/** Folds the changed facts one by one, so that a gate's evidence is that of the first crossing. */
function foldFacts(draft: Draft, tick: Tick): void {
	for (const { target, facts } of draft.views()) {
		const folded = foldTarget(target, facts, foldContext(draft, target, tick));
		draft.put(folded.target);
		if (folded.dispatch) draft.dispatch(target.agentId);
		if (folded.withdraw) draft.withdraw.push(target.agentId);
		if (folded.quarantine !== null) draft.quarantine.push({ agentId: target.agentId, reason: folded.quarantine });
		if (countsMore(target, folded.target)) latchGates(draft);
		if (target.state === 'Deferred' && folded.target.state === 'Pending') draft.returned = true;
	}
	// While nobody has the version, no step is over for lack of candidates: it would spend the canaries on nothing.
	if (draft.returned && placedOf(draft.steps) === 0) reopen(draft, draft.rollout.currentStep);
}

const countsMore = (before: Target, after: Target): boolean =>
	Object.keys(after.against).length > Object.keys(before.against).length;

function foldContext(draft: Draft, target: Target, { held }: Tick): FoldContext {
	const { rollout } = draft;
	const step = target.step === null ? null : draft.step(target.step);
	const ended = hasEnded(rollout.state) && rollout.tailUntilMs === null;
	return {
		rolloutId: rollout.id,
		versionId: rollout.versionId,
		spec: rollout.spec,
		seq: draft.seq,
		observedMs: rollout.observedMs,
		dwellMs: step?.dwellMs ?? 0,
		held,
		pushing: !ended && !rollout.rollingBack,
		sending: !ended && rollout.state !== 'Paused',
		rollingBack: rollout.rollingBack,
		currentStep: rollout.currentStep,
	};
}

function restore(draft: Draft): void {
	const { state, rollingBack, spec } = draft.rollout;
	const open = state === 'InProgress' || state === 'Paused' || state === 'Completed';
	if (open && !rollingBack && spec.onAgentFailure === 'restore') restoreFailed(draft, draft.views());
}

function finish(draft: Draft, tick: Tick, open: boolean): Decision {
	assertSound({ rollout: draft.rollout, steps: draft.steps }, 'decision');
	assertNothingPushedAgainst(draft, tick, open);
	if (draft.progressed) draft.patchClocks({ progressedMs: draft.rollout.observedMs });
	const { rollout: before, steps } = draft.snapshot;
	const { nowMs } = draft;
	const { lastTickAtMs } = before;
	const running = draft.rollout.lastTickAtMs !== lastTickAtMs;
	// A clock that was set back is written too, or nothing would count until it is there again (R12).
	const sinceMs = lastTickAtMs === null ? null : nowMs - lastTickAtMs;
	const due = running && (sinceMs === null || sinceMs < 0 || sinceMs >= tickEveryMs(before, steps));
	return draft.finish({
		nextWakeAtMs: nextWake(draft, tickIntervalMs),
		waitsFor: waitsFor(draft.rollout, draft.steps),
		changed: draft.dirty || due,
	});
}

function assertSound({ rollout, steps }: Pick<Snapshot, 'rollout' | 'steps'>, what: string): void {
	const found = breaches(rollout, steps);
	assert(found.length === 0, `${what} of rollout ${rollout.id} at seq ${rollout.seq}: ${found.join('; ')}`);
}

/** R1: whatever the phases above did, no push leaves a rollout that is paused, held, outside its windows or over. */
function assertNothingPushedAgainst(draft: Draft, { held }: Tick, open: boolean): void {
	const pushes = draft.assignments.filter(({ versionId }) => versionId === draft.rollout.versionId);
	assert(
		pushes.length === 0 || (isPushing(draft) && !held && open),
		`${pushes.length} pushes while ${draft.rollout.state} (R1)`,
	);
}
