import {
	type AgentFacts,
	type Calendar,
	type Command,
	changedTargetsMax,
	dueObservedMs,
	type Environment,
	type Member,
	pageTargetsMax,
	type SnapshotNeeds,
	type Step,
	type Target,
	type TargetView,
} from '@ampora/rollout';
import type { AgentId, GroupId, RolloutId, VersionId } from '@ampora/runtime';
import { commandOf, namedBy } from '../engine/load_snapshot.js';
import type { LoadedSnapshot, Rollout } from '../ports.js';
import { reportsOf, sessionOf, unheardMs } from '../rollout_rows.js';
import { copy, isTodo, type MemoryAgent, type MemoryRollout, type MemoryState, quarantineKey } from './state.js';

const lostWithinMs = 60_000;

const byId = (a: { agentId: AgentId }, b: { agentId: AgentId }): number => (a.agentId < b.agentId ? -1 : 1);
const byRank = (a: Target, b: Target): number => a.rank - b.rank;

function isMember(row: MemoryRollout, agent: MemoryAgent): boolean {
	return agent.groupId === row.rollout.groupId || row.rollout.rollbackOf !== null;
}

function goneMs(state: MemoryState, agent: MemoryAgent): number {
	return agent.disconnectedAtMs === null ? 0 : state.nowMs() - agent.disconnectedAtMs;
}

/** Versions without a semantic hash are the same by their ids alone. */
function meansTheSame(state: MemoryState, assigned: VersionId | null, versionId: VersionId | null): boolean {
	const hashOf = (id: VersionId | null) => (id === null ? undefined : state.versions.get(id)?.semanticHash);
	const [one, other] = [hashOf(assigned), hashOf(versionId)];
	return one && other ? Buffer.compare(one, other) === 0 : assigned !== null && assigned === versionId;
}

/** `versionId`: the one that is brought to it; its quarantine is asked for. */
export function agentFacts(
	state: MemoryState,
	agentId: AgentId,
	{ versionId, isMember }: { versionId: VersionId | null; isMember: (agent: MemoryAgent) => boolean },
): AgentFacts {
	const agent = state.agents.get(agentId);
	const assignment = state.assignments.get(agentId);
	const live = agent?.gateway != null && state.gatewayLive(agent.gateway, agent.incarnation);
	return {
		agentId,
		inGroup: agent !== undefined && isMember(agent),
		session: agent
			? sessionOf(agent.gateway !== null, live, agent.disconnectReason, goneMs(state, agent))
			: sessionOf(false, false, null, 0),
		sessionEpoch: agent?.sessionEpoch ?? 0,
		reports: reportsOf(agent?.capabilities ?? 0),
		healthy: agent?.healthy ?? null,
		healthFlips: agent?.healthFlips ?? 0,
		restarts: agent?.restarts ?? 0,
		provenVersion: agent?.provenVersion ?? null,
		quarantined: versionId !== null && state.quarantine.has(quarantineKey(agentId, versionId)),
		assignment: assignment
			? {
					seq: assignment.seq,
					versionId: assignment.versionId,
					rolloutId: assignment.rolloutId,
					attempt: assignment.attempt,
					answer: assignment.answer,
					error: assignment.answerError,
					effective: assignment.effective,
					offeredEpoch: assignment.offeredEpoch ?? null,
					sameMeaning: meansTheSame(state, assignment.versionId, versionId),
				}
			: null,
	};
}

const factsOf = (state: MemoryState, row: MemoryRollout, agentId: AgentId): AgentFacts =>
	agentFacts(state, agentId, { versionId: row.rollout.versionId, isMember: (agent) => isMember(row, agent) });

function membersOf(state: MemoryState, row: MemoryRollout, limit: number): readonly Member[] {
	const only = row.onlyAgents === null ? null : new Set(row.onlyAgents);
	return [...state.agents.values()]
		.filter(
			(agent) => agent.groupId === row.rollout.groupId && !agent.archived && (only === null || only.has(agent.id)),
		)
		.filter((agent) => !row.targets.has(agent.id))
		.sort((a, b) => (a.id < b.id ? -1 : 1))
		.slice(0, limit)
		.map((agent) => ({
			facts: factsOf(state, row, agent.id),
			key: agent.instanceUid,
			hostname: agent.description?.hostname ?? '',
			lastSeenMs: agent.lastSeenMs,
			domain: domainOf(agent.description, row.rollout.spec.spreadBy ?? null),
		}));
}

/** What `->>` makes of the attribute: text as it is, anything else as JSON. */
export function domainOf(description: MemoryAgent['description'], attribute: string | null): string | null {
	if (attribute === null) return null;
	const { identifying = {}, nonIdentifying = {} } = description ?? {};
	const value = identifying[attribute] ?? nonIdentifying[attribute] ?? null;
	return value === null || typeof value === 'string' ? (value as string | null) : JSON.stringify(value);
}

const sickness = ({ state }: Target, healthy: boolean | null): number => {
	if (state === 'Failed' || state === 'Reverted') return 0;
	if (state === 'Disconnected' || state === 'TimedOut') return 1;
	return healthy === false ? 2 : 3;
};

/** The same lists as read_targets.sql. */
function lists(
	state: MemoryState,
	row: MemoryRollout,
	needs: SnapshotNeeds,
	signalled: ReadonlySet<AgentId>,
	moved: boolean,
) {
	const { rollout } = row;
	const commands = openCommands(state, rollout.id);
	const { agentIds, allFailed } = namedBy(commands);
	const all = [...row.targets.values()].map(({ target }) => target).sort(byId);
	const until = dueObservedMs(rollout, state.nowMs());
	const signalledOnes = all.filter((target) => signalled.has(target.agentId));
	const room = changedTargetsMax - signalledOnes.length;
	const woken = all
		.filter((target) => !signalled.has(target.agentId) && target.wakeAt !== null && target.wakeAt <= until)
		.sort((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0) || byId(a, b))
		.slice(0, room);
	const left = all
		.filter(({ state: at, agentId, wakeAt }) => {
			if (!moved || (at !== 'Pending' && at !== 'Deferred') || signalled.has(agentId)) return false;
			const agent = state.agents.get(agentId);
			return (wakeAt === null || wakeAt > until) && !(agent && isMember(row, agent));
		})
		.slice(0, room);
	const step = rollout.state === 'Completed' ? null : rollout.currentStep;
	const pending = all.filter((target) => target.state === 'Pending').sort(byRank);
	const view = (target: Target): TargetView => ({ target: copy(target), facts: factsOf(state, row, target.agentId) });
	const healthOf = (target: Target) => state.agents.get(target.agentId)?.healthy ?? null;
	const failed = (target: Target) => ['Failed', 'Reverted', 'TimedOut'].includes(target.state);
	return {
		changed: [...signalledOnes, ...woken, ...left].map(view),
		fill: pending
			.filter((target) => target.step === null)
			.slice(0, needs.fill)
			.map(view),
		admit: pending
			.filter((target) => target.seq === null && target.step !== null && (step === null || target.step === step))
			.slice(0, needs.admit)
			.map(view),
		back: all
			.filter((target) => isTodo(target.back))
			.sort((a, b) => sickness(a, healthOf(a)) - sickness(b, healthOf(b)) || byRank(a, b))
			.slice(0, needs.back)
			.map(view),
		named: all
			.filter((target) => agentIds.includes(target.agentId) || (allFailed && failed(target)))
			.sort(byRank)
			.slice(0, pageTargetsMax)
			.map(view),
		commands,
		sawAllLeavers: left.length < room,
	};
}

const openCommands = (state: MemoryState, rolloutId: RolloutId): readonly Command[] =>
	[...state.commands.values()]
		.filter((command) => command.rolloutId === rolloutId && command.outcome === null)
		.map(commandOf);

const isUnheard = (state: MemoryState, agent: MemoryAgent): boolean => {
	if (agent.gateway !== null) return !state.gatewayLive(agent.gateway, agent.incarnation);
	const ours = agent.disconnectReason === 'gateway-lost' || agent.disconnectReason === 'drained';
	return ours && goneMs(state, agent) < unheardMs;
};

/** The other rollout of the group that has not ended and is not queued. */
export function busyWith(state: MemoryState, { id, groupId }: Rollout): RolloutId | null {
	if (state.flaws.ignoreBusy) return null;
	for (const { rollout } of state.rollouts.values()) {
		if (rollout.groupId === groupId && rollout.id !== id && rollout.state !== 'Queued' && rollout.endedAtMs === null)
			return rollout.id;
	}
	return null;
}

/** Of the group and of all groups, in name order. */
export function calendarOf(state: MemoryState, groupId: GroupId): Calendar {
	if (state.flaws.ignoreCalendar) return { windows: [], freezes: [] };
	const concerns = ({ groupIds }: { groupIds: readonly GroupId[] | null }) => groupIds?.includes(groupId) ?? true;
	const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
	return {
		windows: state.windows
			.filter(concerns)
			.map(({ window }) => window)
			.sort(byName),
		freezes: state.freezes
			.filter(concerns)
			.map(({ freeze }) => freeze)
			.filter(({ untilMs }) => untilMs > state.nowMs())
			.sort(byName),
	};
}

function environmentOf(state: MemoryState, row: MemoryRollout): Environment {
	const unheard = new Map<string, { gateway: string; why: 'lost' | 'draining'; sinceMs: number; agents: number }>();
	let controlLost = 0;
	let connected = 0;
	for (const agent of state.agents.values()) {
		const pushed = (row.targets.get(agent.id)?.target.seq ?? null) !== null;
		if (agent.gateway !== null && !pushed) connected += 1;
		const gateway = agent.gateway ?? agent.lastGateway;
		if (pushed && gateway !== null && isUnheard(state, agent)) {
			const why = agent.disconnectReason === 'drained' ? 'draining' : 'lost';
			const expiredAtMs = Math.min(state.gateways.get(gateway)?.expiresAtMs ?? state.nowMs(), state.nowMs());
			const sinceMs = agent.disconnectedAtMs ?? expiredAtMs;
			const known = unheard.get(`${gateway} ${why}`) ?? { gateway, why, sinceMs, agents: 0 };
			unheard.set(`${gateway} ${why}`, {
				...known,
				sinceMs: Math.min(known.sinceMs, sinceMs),
				agents: known.agents + 1,
			});
		}
		const vanished = agent.disconnectReason === 'lost' || agent.disconnectReason === 'gateway-lost';
		if (!pushed && agent.gateway === null && vanished && goneMs(state, agent) < lostWithinMs) controlLost += 1;
	}
	const { groupId, createdAtMs } = row.rollout;
	const newer = [...state.rollouts.values()].some(
		({ rollout }) => rollout.groupId === groupId && rollout.createdAtMs > createdAtMs && rollout.startedAtMs !== null,
	);
	const { supersedes = null } = row.rollout;
	return {
		unheardGateways: [...unheard.keys()].sort().flatMap((key) => unheard.get(key) ?? []),
		controlLost,
		controlConnected: controlLost === 0 ? 0 : connected + controlLost,
		latestOfGroup: !newer,
		calendar: calendarOf(state, groupId),
		busyWith: busyWith(state, row.rollout),
		protectedGroup: state.groups.get(groupId)?.protected ?? false,
		superseded: supersedes === null ? null : (state.rollouts.get(supersedes)?.rollout.state ?? null),
	};
}

export function loadMove(
	state: MemoryState,
	rolloutId: RolloutId,
	needsOf: (rollout: Rollout, steps: readonly Step[]) => SnapshotNeeds,
): LoadedSnapshot | null {
	const row = state.rollouts.get(rolloutId);
	if (row === undefined) return null;
	const rollout = state.flaws.misread?.(copy(row.rollout)) ?? copy(row.rollout);
	const steps = [...row.steps.values()].sort((a, b) => a.index - b.index).map(copy);
	const needs = needsOf(rollout, steps);
	const signals = [...state.signals].filter(([, signal]) => signal.rolloutId === rolloutId).slice(0, changedTargetsMax);
	const groupSeq = state.groups.get(rollout.groupId)?.membershipSeq ?? 0;
	// Planning needs every member, also when a start was refused before.
	const moved = rollout.startedAtMs === null || row.membershipSeq !== groupSeq;
	const { sawAllLeavers, ...targets } = lists(
		...([state, row, needs, new Set(signals.map(([, { agentId }]) => agentId)), moved] as const),
	);
	const members = moved ? membersOf(state, row, needs.members) : [];
	const environment = environmentOf(state, row);
	return {
		snapshot: { rollout, steps, ...targets, members, environment, nowMs: state.nowMs() },
		signalIds: signals.map(([id]) => id),
		membershipSeq: moved && sawAllLeavers && members.length < needs.members ? groupSeq : row.membershipSeq,
		traceparent: row.traceparent,
	};
}
