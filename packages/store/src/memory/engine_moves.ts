import { type AssignmentWrite, type Decision, isTouched, withoutUnsent } from '@ampora/rollout';
import type { AgentId, GatewayId, GroupId, RolloutId } from '@ampora/runtime';
import { auditOf, handsOut, type Opening, openingOf } from '../engine/commit_decision.js';
import { offeredHashOf } from '../offers.js';
import type {
	CommitOutcome,
	Committing,
	EngineFigures,
	EngineStore,
	JournalEntry,
	LeaderLease,
	LoadedSnapshot,
	Rollout,
	SessionRow,
} from '../ports.js';
import { unheardMs, watchingOf } from '../rollout_rows.js';
import { cohorts } from './cohorts.js';
import { busyWith, calendarOf, loadMove } from './snapshot_move.js';
import {
	copy,
	type MemoryAgent,
	type MemoryRollout,
	type MemoryState,
	type MemoryTarget,
	quarantineKey,
} from './state.js';

type Moves<Port> = {
	[Name in keyof Port]: Port[Name] extends (...args: infer Args) => Promise<infer Result>
		? (...args: Args) => Result
		: never;
};
export type EngineMoves = Moves<EngineStore>;

export function isLeading(state: MemoryState, { name, holder, epoch }: LeaderLease): boolean {
	const lease = state.leases.get(name);
	return lease?.holder === holder && lease.epoch === epoch && lease.expiresAtMs > state.nowMs();
}

function takeLease(state: MemoryState, ...[name, holder, ttlMs]: Parameters<EngineMoves['takeLease']>) {
	const nowMs = state.nowMs();
	const lease = state.leases.get(name);
	const live = lease !== undefined && lease.expiresAtMs > nowMs;
	if (live && lease.holder !== holder) return null;
	const epoch = live ? lease.epoch : (lease?.epoch ?? 0) + 1;
	state.leases.set(name, { holder, epoch, expiresAtMs: nowMs + ttlMs });
	return { name, holder, epoch };
}

function due(state: MemoryState, limit: number) {
	const nowMs = state.nowMs();
	const signalled = new Set([...state.signals.values()].map(({ rolloutId }) => rolloutId));
	const asked = new Set([...state.commands.values()].filter((c) => c.outcome === null).map((c) => c.rolloutId));
	const found: { id: RolloutId; at: number }[] = [];
	let next: number | null = null;
	for (const [id, { rollout, nextWakeAtMs, membershipSeq }] of state.rollouts) {
		const woken = nextWakeAtMs !== null && nextWakeAtMs <= nowMs;
		if (!woken && nextWakeAtMs !== null) next = Math.min(next ?? nextWakeAtMs, nextWakeAtMs);
		const open = (rollout.state === 'InProgress' || rollout.state === 'Paused') && !rollout.rollingBack;
		const moved = open && membershipSeq !== state.groups.get(rollout.groupId)?.membershipSeq;
		const waits = rollout.state === 'Queued' && (rollout.spec.startAtMs ?? 0) <= nowMs;
		const turn = waits && busyWith(state, rollout) === null;
		if (woken || moved || turn || signalled.has(id) || asked.has(id)) found.push({ id, at: nextWakeAtMs ?? nowMs });
	}
	found.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
	return { due: found.slice(0, limit).map(({ id }) => id), nextWakeInMs: next === null ? null : next - nowMs };
}

function reap(state: MemoryState, lease: LeaderLease) {
	const gateways: GatewayId[] = [];
	let agents = 0;
	if (!isLeading(state, lease)) return { gateways, agents };
	const nowMs = state.nowMs();
	for (const agent of state.agents.values()) {
		if (agent.gateway !== null && !state.gatewayLive(agent.gateway, agent.incarnation)) {
			state.disconnect(agent, 'gateway-lost');
			agents += 1;
			state.signal(agent.id);
		} else if (agent.disconnectReason === 'gateway-lost' || agent.disconnectReason === 'drained') {
			if (nowMs - (agent.disconnectedAtMs ?? nowMs) < unheardMs) continue;
			agent.disconnectReason = 'lost';
			state.signal(agent.id);
		}
	}
	for (const gateway of state.gateways.values()) {
		if (gateway.expiresAtMs > nowMs || gateway.lostAtMs !== null) continue;
		gateway.lostAtMs = nowMs;
		gateways.push(gateway.id);
	}
	return { gateways, agents };
}

function isTargetOfOpenRollout(state: MemoryState, agentId: AgentId): boolean {
	return [...state.rollouts.values()].some(
		({ rollout, targets }) => rollout.endedAtMs === null && targets.has(agentId),
	);
}

function archive(state: MemoryState, ...[lease, retention, limit]: Parameters<EngineMoves['archiveAgents']>): number {
	if (!isLeading(state, lease)) return 0;
	const keptMs = { goodbye: retention.goodbyeMs, lost: retention.unseenMs };
	const due = [...state.agents.values()]
		.filter(({ gateway, archived, disconnectReason: reason, disconnectedAtMs }) => {
			if (gateway !== null || archived || (reason !== 'goodbye' && reason !== 'lost')) return false;
			return disconnectedAtMs !== null && disconnectedAtMs <= state.nowMs() - keptMs[reason];
		})
		.filter(({ id }) => !state.enrolments.has(id) && !isTargetOfOpenRollout(state, id))
		.sort((a, b) => (a.disconnectedAtMs ?? 0) - (b.disconnectedAtMs ?? 0) || (a.id < b.id ? -1 : 1))
		.slice(0, limit);
	for (const agent of due) {
		agent.archived = true;
		state.selections.delete(agent.id);
	}
	if (due.length > 0) state.audit.push({ actor: 'ampora', action: 'Agents.Archived' });
	return due.length;
}

/** Agents of gateways that lapsed, as long as nothing was concluded about them. */
const unconcluded = (state: MemoryState): MemoryAgent[] =>
	[...state.agents.values()].filter(
		(agent) =>
			agent.gateway === null &&
			agent.disconnectReason === 'gateway-lost' &&
			state.nowMs() - (agent.disconnectedAtMs ?? 0) < unheardMs,
	);

function lapsed(state: MemoryState): GatewayId[] {
	const gateways = unconcluded(state).flatMap(({ lastGateway }) => lastGateway ?? []);
	return [...new Set(gateways)].sort().filter((id) => (state.gateways.get(id)?.expiresAtMs ?? 0) <= state.nowMs());
}

function keepUnheard(state: MemoryState, lease: LeaderLease, gateways: readonly GatewayId[]): number {
	if (!isLeading(state, lease)) return 0;
	const kept = unconcluded(state).filter(({ lastGateway }) => lastGateway !== null && gateways.includes(lastGateway));
	for (const agent of kept) agent.disconnectedAtMs = state.nowMs();
	return kept.length;
}

/** Assignments of the version that no gateway has recorded as offered. */
const isUnsent = (state: MemoryState, row: MemoryRollout, agentId: AgentId): boolean => {
	const assignment = state.assignments.get(agentId);
	return (
		assignment?.rolloutId === row.rollout.id &&
		assignment.versionId === row.rollout.versionId &&
		(assignment.cause === 'rollout' || assignment.cause === 'retry') &&
		assignment.answer === 'none'
	);
};

const movedSince = (state: MemoryState, { agentId, expectedSeq }: AssignmentWrite): boolean =>
	!state.agents.has(agentId) || (state.assignments.get(agentId)?.seq ?? null) !== expectedSeq;

function keepLateAnswer(state: MemoryState, agentId: AgentId): void {
	const before = state.assignments.get(agentId);
	const row = before?.rolloutId ? state.rollouts.get(before.rolloutId)?.targets.get(agentId) : undefined;
	if (!before || row?.target.seq !== before.seq || before.answer === 'none') return;
	row.lateAnswer = before.answer;
	row.lateError = before.answerError;
}

const noFormer = { versionId: null, attempt: 0, answer: 'none' } as const;

function writeTargets(state: MemoryState, row: MemoryRollout, { targets }: Decision): void {
	for (const target of targets) {
		const known = row.targets.get(target.agentId);
		const same = known?.target.seq === target.seq;
		row.targets.set(target.agentId, {
			target: copy(target),
			former: known?.former ?? noFormer,
			lateAnswer: same ? known.lateAnswer : null,
			lateError: same ? known.lateError : null,
			admittedAtMs: same ? known.admittedAtMs : target.seq === null ? null : state.nowMs(),
		});
	}
}

function writeAssignment(
	state: MemoryState,
	row: MemoryRollout,
	{ agentId, versionId, attempt, cause }: AssignmentWrite,
) {
	const before = state.assignments.get(agentId);
	const version = state.versions.get(versionId);
	if (version === undefined) throw new Error(`there is no version ${versionId}`);
	const target = row.targets.get(agentId);
	if (target && (cause === 'rollout' || cause === 'retry')) {
		target.former = before ? { versionId: before.versionId, attempt: before.attempt, answer: before.answer } : noFormer;
	}
	state.assignments.set(agentId, {
		...{ versionId, attempt, cause, rolloutId: row.rollout.id, traceparent: row.traceparent },
		offeredHash: offeredHashOf(version.contentHash, attempt),
		seq: (before?.seq ?? 0) + 1,
		...{ answer: 'none', answerError: null, effective: 'unknown', changedAtMs: state.nowMs() },
	});
}

/** The assignment says again what it said before, under a new seq (D3). */
export function restored(state: MemoryState, agentId: AgentId, former: MemoryTarget['former'] | undefined): void {
	const assignment = state.assignments.get(agentId);
	if (!former || !assignment) return;
	const version = former.versionId === null ? undefined : state.versions.get(former.versionId);
	state.assignments.set(agentId, {
		...assignment,
		versionId: former.versionId,
		attempt: former.attempt,
		offeredHash: version ? offeredHashOf(version.contentHash, former.attempt) : null,
		seq: assignment.seq + 1,
		...{ cause: 'withdrawal', rolloutId: null, answerError: null, effective: 'unknown' },
		answer: former.versionId === null ? 'none' : former.answer,
		changedAtMs: state.nowMs(),
	});
}

function withdraw(state: MemoryState, row: MemoryRollout, agentId: AgentId): void {
	const known = row.targets.get(agentId);
	if (!known || !state.assignments.has(agentId)) return;
	const { former, target } = known;
	restored(state, agentId, former);
	if (target.seq === null) return;
	known.admittedAtMs = null;
	known.target = {
		...target,
		seq: null,
		wakeAt: null,
		dispatches: 0,
		dispatchAt: null,
		waitedMs: 0,
		waitingSince: null,
	};
	const step = target.step === null ? undefined : row.steps.get(target.step);
	if (step === undefined) return;
	row.steps.set(step.index, { ...step, counters: withoutUnsent(step.counters, target) });
}

function beginWayBack(row: MemoryRollout): void {
	for (const known of row.targets.values()) {
		const { target } = known;
		if (isTouched(target)) known.target = { ...target, back: { state: 'todo' } };
	}
}

function settleCommands(state: MemoryState, { outcomes }: Decision): void {
	for (const { commandId, ...outcome } of outcomes) {
		const command = state.commands.get(commandId);
		if (command && command.outcome === null) command.outcome = outcome;
	}
}

function unsentOf(state: MemoryState, row: MemoryRollout): readonly AgentId[] {
	return [...row.targets.values()]
		.filter(({ target }) => target.seq !== null && (target.state === 'Pending' || target.state === 'Deferred'))
		.map(({ target }) => target.agentId)
		.filter((agentId) => isUnsent(state, row, agentId));
}

function commit(
	state: MemoryState,
	...[lease, loaded, decision, journal, successor]: Parameters<EngineMoves['commitDecision']>
): CommitOutcome {
	if (!isLeading(state, lease) && !state.flaws.ignoreLease) return { kind: 'lease-lost' };
	const all = [{ loaded, decision, journal }, ...(successor ? [successor] : [])];
	const ends = decision.rollout.endedAtMs === null ? null : decision.rollout.id;
	const rows = all.map((one) => rowFor(state, one, ends));
	const dispatch: AgentId[] = [];
	for (const [index, one] of all.entries()) {
		const row = rows[index];
		if (!row || rows.includes(null)) return { kind: 'conflict' };
		for (const id of one.loaded.signalIds) state.signals.delete(id);
		row.membershipSeq = one.loaded.membershipSeq;
		if (one.decision.changed) write(state, row, { lease, ...one });
		dispatch.push(...one.decision.dispatch);
	}
	return { kind: 'committed', dispatch };
}

/** The row that the decision may be written to, as things are; null: something moved. `ends`: what gives way in the same moment. */
function rowFor(
	state: MemoryState,
	{ loaded, decision, journal }: Committing,
	ends: RolloutId | null,
): MemoryRollout | null {
	const row = state.rollouts.get(loaded.snapshot.rollout.id);
	if (row?.rollout.seq !== loaded.snapshot.rollout.seq) return null;
	// R15: what the unique index of Postgres says.
	const { state: to, endedAtMs } = decision.rollout;
	const busy = busyWith(state, row.rollout);
	if (to !== 'Queued' && endedAtMs === null && busy !== null && busy !== ends) return null;
	const written = new Set(decision.assignments.map(({ agentId }) => agentId));
	if (decision.assignments.some((write) => movedSince(state, write))) return null;
	if (decision.withdraw.some((agentId) => written.has(agentId) || !isUnsent(state, row, agentId))) return null;
	const opening = openingOf(loaded, journal);
	return handsOut(loaded, decision) && !isStillOpen(state, row.rollout.groupId, opening) ? null : row;
}

/** As still_open.sql. */
export function isStillOpen(state: MemoryState, groupId: GroupId, { windows: before, closesAtMs }: Opening): boolean {
	const nowMs = state.nowMs();
	const { windows, freezes } = calendarOf(state, groupId);
	if (state.flaws.commitLate) return true;
	return (
		!freezes.some(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs) &&
		windows.length === before.length &&
		windows.every(({ name }, index) => name === before[index]?.name) &&
		(closesAtMs === null || nowMs < closesAtMs)
	);
}

interface Writing {
	readonly lease: LeaderLease;
	readonly loaded: LoadedSnapshot;
	readonly decision: Decision;
	readonly journal: JournalEntry;
}

function write(state: MemoryState, row: MemoryRollout, { lease, loaded, decision, journal }: Writing): void {
	const before = row.rollout;
	const seq = before.seq + 1;
	for (const { agentId } of decision.assignments) keepLateAnswer(state, agentId);
	writeTargets(state, row, decision);
	for (const assignment of decision.assignments) writeAssignment(state, row, assignment);
	for (const step of decision.steps) row.steps.set(step.index, copy(step));
	row.rollout = { ...copy(decision.rollout), seq };
	row.offers = journal.offers;
	row.watching = watchingOf(decision.rollout, [...row.steps.values()]);
	row.nextWakeAtMs = state.flaws.loseWake ? null : decision.nextWakeAtMs;
	row.waitsFor = decision.waitsFor;
	row.journal.push({ ...copy(journal), seq, epoch: lease.epoch, atMs: state.nowMs(), events: copy(decision.events) });
	settleCommands(state, decision);
	state.audit.push(...auditOf(loaded, decision));
	for (const { agentId, reason } of decision.quarantine)
		state.quarantine.set(quarantineKey(agentId, before.versionId), reason);
	for (const agentId of decision.unquarantine) state.quarantine.delete(quarantineKey(agentId, before.versionId));
	const unsent = decision.withdrawUnsent && !state.flaws.skipWithdrawal ? unsentOf(state, row) : [];
	for (const agentId of new Set([...decision.withdraw, ...unsent])) withdraw(state, row, agentId);
	if (decision.rollout.rollingBack && !before.rollingBack) beginWayBack(row);
	setDefault(state, before, decision);
	const parent = before.rollbackOf === null ? undefined : state.rollouts.get(before.rollbackOf);
	const ended = decision.rollout.state === 'RolledBack' || decision.rollout.state === 'Completed';
	if (parent && ended) parent.rolledBackBy = before.id;
}

/** The group has come to run this version: so shall its newcomers, where they are given anything. */
function setDefault(state: MemoryState, before: Rollout, { rollout }: Decision): void {
	const group = state.groups.get(before.groupId);
	const onlyAgents = state.rollouts.get(before.id)?.onlyAgents ?? null;
	const completes = rollout.state === 'Completed' && before.state !== 'Completed' && before.rollbackOf === null;
	if (!group || group.defaultVersion === null || !completes || onlyAgents !== null) return;
	group.defaultVersion = before.versionId;
}

function sessions(state: MemoryState, agentIds: readonly AgentId[]): readonly SessionRow[] {
	return agentIds.flatMap((agentId) => {
		const agent = state.agents.get(agentId);
		if (agent === undefined) return [];
		const { gateway, incarnation, sessionEpoch } = agent;
		return [
			{ agentId, gateway, gatewayLive: gateway !== null && state.gatewayLive(gateway, incarnation), sessionEpoch },
		];
	});
}

function tally<T extends string>(names: readonly T[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
	return counts;
}

const longestSeconds = (state: MemoryState, sinceMs: readonly number[]): number =>
	sinceMs.length === 0 ? 0 : (state.nowMs() - Math.min(...sinceMs)) / 1_000;

function pausedSinceMs({ rollout, journal }: MemoryRollout): number {
	const pause = journal.findLast(({ events }) =>
		events.some((event) => event.kind === 'state' && event.to === 'Paused'),
	);
	return pause?.atMs ?? rollout.createdAtMs;
}

function figures(state: MemoryState): EngineFigures {
	const running = [...state.rollouts.values()].filter(
		({ rollout }) => rollout.startedAtMs !== null && rollout.endedAtMs === null,
	);
	const paused = [...state.rollouts.values()].filter(({ rollout }) => rollout.state === 'Paused');
	const kinds = [false, true].flatMap((connected) => [false, true, null].map((healthy) => ({ connected, healthy })));
	return {
		stoppedGroups: [...state.groups.values()].filter(({ enrolment }) => enrolment?.stopped).length,
		rollouts: tally([...state.rollouts.values()].map(({ rollout }) => rollout.state)),
		rolloutAgents: tally(running.flatMap(({ targets }) => [...targets.values()].map(({ target }) => target.state))),
		agents: kinds
			.map(({ connected, healthy }) => ({
				...{ connected, healthy },
				count: [...state.agents.values()].filter(
					(agent) => !agent.archived && (agent.gateway !== null) === connected && agent.healthy === healthy,
				).length,
			}))
			.filter(({ count }) => count > 0),
		pausedSeconds: longestSeconds(state, paused.map(pausedSinceMs)),
		oldestUnansweredSeconds: longestSeconds(
			state,
			running.flatMap(({ targets }) =>
				[...targets.values()].flatMap(({ target, admittedAtMs }) =>
					target.state === 'Applying' && admittedAtMs !== null ? [admittedAtMs] : [],
				),
			),
		),
	};
}

export const engineMoves = (state: MemoryState): EngineMoves => ({
	takeLease: (name, holder, ttlMs) => takeLease(state, name, holder, ttlMs),
	releaseLease({ name, holder, epoch }) {
		const lease = state.leases.get(name);
		if (lease?.holder === holder && lease.epoch === epoch)
			lease.expiresAtMs = Math.min(lease.expiresAtMs, state.nowMs());
	},
	dueRollouts: (limit) => due(state, limit),
	loadSnapshot: (rolloutId, needs) => loadMove(state, rolloutId, needs),
	commitDecision: (...args) => commit(state, ...args),
	reapGateways: (lease) => reap(state, lease),
	archiveAgents: (lease, retention, limit) => archive(state, lease, retention, limit),
	lapsedGateways: () => lapsed(state),
	keepUnheard: (lease, gateways) => keepUnheard(state, lease, gateways),
	sessionsOf: (agentIds) => sessions(state, agentIds),
	figures: () => figures(state),
	cohorts: (limit) => cohorts(state, limit),
});
