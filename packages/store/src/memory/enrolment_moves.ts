import { closesAtMs, type EnrolmentDecision, newEnrolment } from '@ampora/rollout';
import type { AgentId, GroupId } from '@ampora/runtime';
import { offeredHashOf } from '../offers.js';
import type { EnrolmentWrite, LeaderLease, LoadedEnrolment } from '../ports.js';
import { isLeading, isStillOpen, restored } from './engine_moves.js';
import { agentFacts } from './snapshot_move.js';
import { copy, type MemoryAgent, type MemoryState, quarantineKey } from './state.js';

const underWay = ['InProgress', 'Paused', 'RollingBack'];
const lostWithinMs = 60_000;

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);

const waits = (state: MemoryState, groupId: GroupId) => (agent: MemoryAgent) =>
	agent.groupId === groupId &&
	agent.enrolmentDueAtMs !== null &&
	agent.gateway !== null &&
	!state.enrolments.has(agent.id);

const watchedOf = (state: MemoryState, groupId: GroupId) =>
	[...state.enrolments.values()].filter((one) => one.groupId === groupId);

function groups(state: MemoryState, limit: number): GroupId[] {
	const agents = [...state.agents.values()];
	return [...state.groups]
		.filter(([id, { defaultVersion }]) => {
			const due = agents.some((a) => a.groupId === id && a.enrolmentDueAtMs !== null && a.gateway !== null);
			return watchedOf(state, id).length > 0 || (defaultVersion !== null && due);
		})
		.map(([id]) => id)
		.sort()
		.slice(0, limit);
}

/** A rollout of the group gave it something since it came. */
function isPlaced(state: MemoryState, { id, groupId, enrolmentDueAtMs }: MemoryAgent): boolean {
	const assignment = state.assignments.get(id);
	const of = assignment?.rolloutId ? state.rollouts.get(assignment.rolloutId)?.rollout.groupId : undefined;
	return of === groupId && (assignment?.changedAtMs ?? 0) >= (enrolmentDueAtMs ?? 0);
}

function load(
	state: MemoryState,
	groupId: GroupId,
	limits: { readonly watched: number; readonly waiting: number },
): LoadedEnrolment | null {
	const group = state.groups.get(groupId);
	if (group === undefined) return null;
	const { defaultVersion: versionId, enrolment, enrolmentSeq: seq } = group;
	const known = copy(enrolment ?? newEnrolment);
	const agents = [...state.agents.values()];
	const factsOf = (agentId: AgentId) =>
		agentFacts(state, agentId, { versionId, isMember: (agent) => agent.groupId === groupId });
	const watched = watchedOf(state, groupId).sort((a, b) => (a.target.agentId < b.target.agentId ? -1 : 1));
	const mine = new Set(watched.map(({ target }) => target.agentId));
	const lost = agents.filter(
		({ id, gateway, disconnectedAtMs, disconnectReason: why }) =>
			gateway === null &&
			(disconnectedAtMs ?? 0) > state.nowMs() - lostWithinMs &&
			(why === 'lost' || why === 'gateway-lost') &&
			!mine.has(id),
	).length;
	const waiting = agents
		.filter(waits(state, groupId))
		.sort((a, b) => (a.enrolmentDueAtMs ?? 0) - (b.enrolmentDueAtMs ?? 0) || byId(a, b));
	const busy = [...state.rollouts.values()].find(
		({ rollout }) => rollout.groupId === groupId && underWay.includes(rollout.state),
	);
	return {
		...{
			versionId,
			seq,
			published: versionId !== null,
			nowMs: state.nowMs(),
			state: state.flaws.forgetVerdicts ? { ...known, verdicts: [], stopped: null } : known,
		},
		members: agents.filter((agent) => agent.groupId === groupId && !agent.archived).length,
		busyWith: busy?.rollout.id ?? null,
		controlLost: lost,
		controlConnected:
			lost === 0 ? 0 : agents.filter(({ id, gateway }) => gateway !== null && !mine.has(id)).length + lost,
		watched: watched
			.slice(0, limits.watched)
			.map(({ target, well }) => ({ target: copy(target), well, facts: factsOf(target.agentId) })),
		waiting: waiting
			.slice(0, limits.waiting)
			.map((agent) => ({ facts: factsOf(agent.id), placed: isPlaced(state, agent) })),
	};
}

/** Nothing of it moved since the decision was made. */
function stillHolds(state: MemoryState, groupId: GroupId, { assignments, withdraw }: EnrolmentDecision): boolean {
	const free = assignments.every(
		({ agentId, expectedSeq }) =>
			state.agents.get(agentId)?.groupId === groupId && (state.assignments.get(agentId)?.seq ?? null) === expectedSeq,
	);
	const unsent = withdraw.every((agentId) => {
		const assignment = state.assignments.get(agentId);
		const seq = state.enrolments.get(agentId)?.target.seq;
		return assignment?.cause === 'default' && assignment.answer === 'none' && assignment.seq === seq;
	});
	return free && unsent;
}

function assign(state: MemoryState, { agentId, versionId, attempt }: EnrolmentDecision['assignments'][number]): void {
	const version = state.versions.get(versionId);
	if (version === undefined) throw new Error(`there is no version ${versionId}`);
	state.assignments.set(agentId, {
		...{ versionId, attempt, cause: 'default', rolloutId: null, traceparent: null },
		offeredHash: offeredHashOf(version.contentHash, attempt),
		seq: (state.assignments.get(agentId)?.seq ?? 0) + 1,
		...{ answer: 'none', answerError: null, effective: 'unknown', changedAtMs: state.nowMs() },
	});
}

function commit(
	state: MemoryState,
	lease: LeaderLease,
	groupId: GroupId,
	{ loaded, decision, calendar }: EnrolmentWrite & { readonly loaded: LoadedEnrolment },
): 'committed' | 'lease-lost' | 'conflict' {
	if (!isLeading(state, lease)) return 'lease-lost';
	const group = state.groups.get(groupId);
	if (group?.enrolmentSeq !== loaded.seq || group.defaultVersion !== decision.state.versionId) return 'conflict';
	if (!stillHolds(state, groupId, decision)) return 'conflict';
	const opening = { windows: calendar.windows, closesAtMs: closesAtMs(calendar, loaded.nowMs) };
	if (decision.assignments.length > 0 && !isStillOpen(state, groupId, opening)) return 'conflict';
	group.enrolment = copy(decision.state);
	group.enrolmentSeq += 1;
	for (const agentId of decision.withdraw) restored(state, agentId, state.enrolments.get(agentId)?.former);
	for (const { target, well } of decision.enrolled) {
		const before = state.assignments.get(target.agentId);
		const { versionId = null, attempt = 0, answer = 'none' } = before ?? {};
		const former = state.enrolments.get(target.agentId)?.former ?? { versionId, attempt, answer };
		state.enrolments.set(target.agentId, { groupId, target: copy(target), well, former });
	}
	for (const assignment of decision.assignments) assign(state, assignment);
	for (const agentId of decision.dropped) state.enrolments.delete(agentId);
	for (const agentId of decision.settled) {
		const agent = state.agents.get(agentId);
		if (agent?.groupId === groupId) agent.enrolmentDueAtMs = null;
	}
	for (const { agentId, reason } of decision.quarantine)
		if (group.defaultVersion !== null) state.quarantine.set(quarantineKey(agentId, group.defaultVersion), reason);
	return 'committed';
}

export const enrolmentMoves = (state: MemoryState) => ({
	enrolmentGroups: (limit: number) => groups(state, limit),
	loadEnrolment: (groupId: GroupId, limits: { readonly watched: number; readonly waiting: number }) =>
		load(state, groupId, limits),
	commitEnrolment: (lease: LeaderLease, groupId: GroupId, loaded: LoadedEnrolment, write: EnrolmentWrite) =>
		commit(state, lease, groupId, { loaded, ...write }),
});
