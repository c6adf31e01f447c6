import type { AgentId, RolloutId, VersionId } from '@ampora/runtime';
import { closedText } from './calendar.js';
import { type Calendar, windowState } from './change_windows.js';
import { inFlightCap } from './cohorts.js';
import type { AssignmentWrite } from './decision.js';
import { foldTarget } from './fold.js';
import type { FoldContext } from './fold_context.js';
import { holdCause } from './hold.js';
import type { AgentFacts, RolloutSpec, Target } from './model.js';
import { gateNames } from './names.js';
import { hasApplied, newTarget, provenBefore, skipReason } from './plan.js';
import { longestWindowMs, windowMs } from './windows.js';

/** The standing gate of every group with a default: so many bad among the last so many stop it until a person lets it go on. */
export const enrolmentGate = { bad: 3, of: 20 } as const;

/** The core looks at a group with something to do this often; its clock never moves by more than two of them (R12). */
export const enrolmentTickMs = 1_000;

/** What came of one agent that was given the default of its group. */
export interface EnrolmentVerdict {
	readonly agentId: AgentId;
	/** Why it counts against the gate: the agent's own words where it said some. Null: it runs the version and is well. */
	readonly bad: string | null;
}

/** What is kept of a group's enrolment. */
export interface EnrolmentState {
	/** The default the verdicts are about; null: nothing was ever enrolled. */
	readonly versionId: VersionId | null;
	/** Time in which agents could be heard, ms; the clock of the watched targets. */
	readonly observedMs: number;
	readonly lastTickAtMs: number | null;
	/** The last of them, newest last. */
	readonly verdicts: readonly EnrolmentVerdict[];
	/** The gate fired. */
	readonly stopped: { readonly atMs: number; readonly why: string } | null;
	/** Why nobody is admitted now though somebody waits, other than the gate; null: nothing is in the way. */
	readonly waitsFor: string | null;
}

export const newEnrolment: EnrolmentState = {
	...{ versionId: null, observedMs: 0, lastTickAtMs: null, verdicts: [], stopped: null, waitsFor: null },
};

/** An agent that was given the default, watched like one of a rollout. */
export interface Enrolled {
	readonly target: Target;
	/** It has been found well once, and holds no slot any more; a late harm still counts. */
	readonly well: boolean;
}

export interface EnrolmentSnapshot {
	readonly nowMs: number;
	readonly state: EnrolmentState;
	/** The default of the group; null: it has none. */
	readonly versionId: VersionId | null;
	/** An archived version is given to nobody. */
	readonly published: boolean;
	/** Windows of the gates, and the cap: `maxInFlight` as in a rollout of all members. */
	readonly spec: RolloutSpec;
	readonly members: number;
	readonly calendar: Calendar;
	/** A rollout under way brings newcomers itself (R15). */
	readonly busyWith: RolloutId | null;
	readonly controlLost: number;
	readonly controlConnected: number;
	readonly watched: readonly (Enrolled & { readonly facts: AgentFacts })[];
	/** Members that wait for the default, the longest waiting first, connected ones only; `placed`: a rollout of the group reached them. */
	readonly waiting: readonly { readonly facts: AgentFacts; readonly placed: boolean }[];
}

export interface EnrolmentDecision {
	readonly state: EnrolmentState;
	/** Watched agents of which something changed, and new ones. */
	readonly enrolled: readonly Enrolled[];
	/** Not watched any more. */
	readonly dropped: readonly AgentId[];
	/** They do not wait any more: enrolled and judged, or nothing that could be. */
	readonly settled: readonly AgentId[];
	readonly assignments: readonly (Omit<AssignmentWrite, 'cause'> & { readonly cause: 'default' })[];
	/** Assignments to be taken back unless they were offered meanwhile. */
	readonly withdraw: readonly AgentId[];
	readonly quarantine: readonly { readonly agentId: AgentId; readonly reason: string }[];
	/** The gate fired in this very decision. */
	readonly fired: boolean;
}

type Change = {
	-readonly [K in Exclude<keyof EnrolmentDecision, 'state' | 'fired'>]: EnrolmentDecision[K][number][];
};

/**
 * One look at a group: folds what its newcomers answered, judges them, and admits more of those that wait, unless the gate, the
 * calendar, a rollout or our own deafness is in the way. Pure.
 */
export function decideEnrolment(snapshot: EnrolmentSnapshot): EnrolmentDecision {
	const change: Change = { enrolled: [], dropped: [], settled: [], assignments: [], withdraw: [], quarantine: [] };
	const { versionId, watched, nowMs } = snapshot;
	const before = snapshot.state.versionId === versionId ? snapshot.state : { ...newEnrolment, versionId };
	const held = deafness(snapshot);
	const ticked = { ...before, observedMs: before.observedMs + elapsedMs(snapshot, held !== null), lastTickAtMs: nowMs };
	if (before !== snapshot.state) {
		for (const { target, facts } of watched) forget(change, target, isUnsent(target, facts));
		return lookAtAll(change, { ...snapshot, watched: [] }, { before, ticked, held });
	}
	return lookAtAll(change, snapshot, { before, ticked, held });
}

/** The look itself, at agents that were given the default of now. */
function lookAtAll(
	change: Change,
	snapshot: EnrolmentSnapshot,
	{ before, ticked, held }: { before: EnrolmentState; ticked: EnrolmentState; held: string | null },
): EnrolmentDecision {
	const { versionId, watched, nowMs, waiting } = snapshot;
	if (versionId === null) return { ...change, state: { ...ticked, waitsFor: null }, fired: false };
	const ctx = foldContext(snapshot, versionId, { observedMs: ticked.observedMs, held: held !== null });
	const verdicts = watched.flatMap((one) => look(change, one, ctx));
	const judged = judge({ ...ticked, verdicts: [...ticked.verdicts, ...verdicts].slice(-enrolmentGate.of) }, nowMs);
	const waitsFor = held ?? inTheWay(snapshot);
	if (judged.stopped !== null || waitsFor !== null) takeBack(change, snapshot);
	else admit(change, snapshot, { state: judged, versionId });
	const state = { ...judged, waitsFor: waiting.length === 0 ? null : waitsFor };
	return { ...change, state, fired: judged.stopped !== null && before.stopped === null };
}

/** A person has looked at what stopped it: it begins anew, carefully. */
export const resumedEnrolment = (state: EnrolmentState): EnrolmentState => ({ ...state, verdicts: [], stopped: null });

function deafness({ controlLost, controlConnected, spec, nowMs }: EnrolmentSnapshot): string | null {
	const environment = { unheardGateways: [], controlLost, controlConnected, latestOfGroup: true };
	const cause = holdCause(environment, spec, nowMs);
	return cause === null ? null : `holding: ${cause.text}`;
}

function elapsedMs({ nowMs, state: { lastTickAtMs } }: EnrolmentSnapshot, held: boolean): number {
	if (held || lastTickAtMs === null) return 0;
	return Math.min(Math.max(0, nowMs - lastTickAtMs), 2 * enrolmentTickMs);
}

function inTheWay({ busyWith, published, calendar, nowMs }: EnrolmentSnapshot): string | null {
	if (!published) return 'the default version is archived: name another one';
	if (busyWith !== null) return `rollout ${busyWith} is under way, and brings newcomers with its last step`;
	const { open, why, nextOpenMs } = windowState(calendar.windows, calendar.freezes, nowMs);
	return open ? null : closedText({ why, untilMs: nextOpenMs });
}

const foldContext = (
	{ spec }: EnrolmentSnapshot,
	versionId: VersionId,
	{ observedMs, held }: Pick<FoldContext, 'observedMs' | 'held'>,
): FoldContext => ({
	...{ rolloutId: null, versionId, spec, seq: 0, observedMs, held },
	// Nobody waits here to be pushed again, and gateways find by themselves what was not delivered.
	...{ dwellMs: 0, pushing: false, sending: false, rollingBack: false, currentStep: null },
});

/** Folds one agent's facts, and says what they mean for the gate. */
function look(
	change: Change,
	{ target: was, well, facts }: EnrolmentSnapshot['watched'][number],
	ctx: FoldContext,
): readonly EnrolmentVerdict[] {
	const heard = { ...ctx, held: ctx.held || facts.session === 'unheard' };
	const { target, withdraw, quarantine } = foldTarget(was, facts, heard);
	if (withdraw) change.withdraw.push(target.agentId);
	if (quarantine !== null) change.quarantine.push({ agentId: target.agentId, reason: quarantine });
	const { agentId } = target;
	const bad = harmOf(target);
	const nowWell = well || isWell(target, facts, ctx);
	if (bad !== null || isOver(target, nowWell || facts.session === 'goodbye', ctx)) change.dropped.push(agentId);
	else if (nowWell !== well || JSON.stringify(target) !== JSON.stringify(was)) {
		change.enrolled.push({ target, well: nowWell });
	}
	if (bad !== null || nowWell || target.state === 'TimedOut') change.settled.push(agentId);
	return bad !== null || nowWell !== well ? [{ agentId, bad }] : [];
}

/** What a gate would count it for; null: nothing. */
function harmOf(target: Target): string | null {
	const gate = gateNames.find((name) => target.against[name] !== undefined);
	if (gate === undefined) return null;
	const words = target.error ?? target.reason;
	const said = { Failed: 'failed', Reverted: 'reverted', TimedOut: 'never answered', Disconnected: 'disconnected' };
	const what =
		said[target.state as keyof typeof said] ?? (gate === 'unhealthy-ratio' ? 'unhealthy' : 'runs another config');
	return words === null ? what : `${what}: ${words}`;
}

/**
 * Nothing more is to be learned of it: it left, was given something else, answers nothing that counts, or was watched long enough, and is
 * `known` to be well or to have taken its leave.
 */
function isOver(target: Target, known: boolean, { observedMs, spec }: FoldContext): boolean {
	if (target.state === 'Applying') return false;
	if (target.state !== 'Applied') return target.state !== 'Pending' || target.seq === null;
	const troubled = target.goneSince !== null || target.unhealthySince !== null || target.mismatchSince !== null;
	return !troubled && known && observedMs - (target.pushedAt ?? observedMs) >= longestWindowMs(spec.gates);
}

function isWell(target: Target, { session }: AgentFacts, { observedMs, spec }: FoldContext): boolean {
	if (target.state !== 'Applied' || session !== 'live') return false;
	if (target.unhealthySince !== null || target.mismatchSince !== null) return false;
	return observedMs - (target.pushedAt ?? observedMs) - target.waitedMs >= windowMs(spec, 'unhealthy-ratio', 0);
}

function judge(state: EnrolmentState, nowMs: number): EnrolmentState {
	const bad = state.verdicts.flatMap((verdict) => (verdict.bad === null ? [] : [verdict.bad]));
	if (state.stopped !== null || bad.length < enrolmentGate.bad) return state;
	const why = `${bad.length} bad of the last ${state.verdicts.length}, the last one: ${bad.at(-1)}`;
	return { ...state, stopped: { atMs: nowMs, why } };
}

/** What no gateway has written to a socket yet is taken back; the rest is watched to its end. */
function takeBack(change: Change, { watched }: EnrolmentSnapshot): void {
	const gone = new Set(change.dropped);
	const changed = new Map(change.enrolled.map((one) => [one.target.agentId, one.target]));
	for (const { target: was } of watched) {
		const target = changed.get(was.agentId) ?? was;
		if (!gone.has(was.agentId) && target.state === 'Pending') forget(change, target, true);
	}
	change.enrolled = change.enrolled.filter(({ target }) => !change.dropped.includes(target.agentId));
}

const isUnsent = ({ seq }: Target, { assignment }: AgentFacts): boolean =>
	assignment !== null && assignment.rolloutId === null && assignment.seq === seq && assignment.answer === 'none';

function forget(change: Change, { agentId }: Target, unsent: boolean): void {
	change.dropped.push(agentId);
	if (unsent) change.withdraw.push(agentId);
}

/** Slots: one at first, one more with each that was found well, all of `maxInFlight` once as many as the gate looks back on were judged. */
function slots({ spec, members }: EnrolmentSnapshot, { verdicts }: EnrolmentState): number {
	const cap = inFlightCap(spec, members);
	const good = verdicts.filter(({ bad }) => bad === null).length;
	return verdicts.length < enrolmentGate.of ? Math.min(cap, 1 + good) : cap;
}

function admit(
	change: Change,
	snapshot: EnrolmentSnapshot,
	{ state, versionId }: { state: EnrolmentState; versionId: VersionId },
): void {
	const { watched, waiting, spec } = snapshot;
	const gone = new Set(change.dropped);
	const wellNow = new Set(change.enrolled.filter(({ well }) => well).map(({ target }) => target.agentId));
	const holding = watched.filter(
		({ target: { agentId }, well }) => !well && !wellNow.has(agentId) && !gone.has(agentId),
	);
	let free = slots(snapshot, state) - holding.length;
	const what = { versionId, spec };
	for (const { facts, placed } of waiting) {
		if (placed || hasApplied(facts, what) || skipReason(facts, what) !== null) {
			change.settled.push(facts.agentId);
			continue;
		}
		if (free <= 0) continue;
		free -= 1;
		const { agentId, assignment } = facts;
		const blank = newTarget(facts, what, 0);
		const seq = (assignment?.seq ?? 0) + 1;
		const previousVersion = provenBefore(facts, what);
		change.enrolled.push({ target: { ...blank, step: 0, seq, previousVersion }, well: false });
		const expectedSeq = assignment?.seq ?? null;
		change.assignments.push({ agentId, versionId, attempt: blank.attempt, cause: 'default', expectedSeq });
	}
}
