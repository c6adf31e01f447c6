import { hasEnded } from '@ampora/rollout';
import type { AgentId, GroupId, RolloutId } from '@ampora/runtime';
import type { MemoryRollout, MemoryState } from '@ampora/store/testing';
import type { AgentRow, AssignmentRow, DatabaseView, TargetRow } from '../checkers/database_view.js';

type Agent = NonNullable<ReturnType<MemoryState['agents']['get']>>;
type Assignment = NonNullable<ReturnType<MemoryState['assignments']['get']>>;

const agentRow = (agent: Agent): AgentRow => ({
	agentId: agent.id,
	instanceUid: agent.instanceUid,
	groupId: agent.groupId,
	sessionEpoch: agent.sessionEpoch,
	factSeq: agent.factSeq,
	gateway: agent.gateway,
	gatewayIncarnation: agent.incarnation,
	disconnectReason: agent.disconnectReason,
	sequenceNum: agent.sequenceNum,
	provenVersion: agent.provenVersion,
	healthFlips: agent.healthFlips,
	restarts: agent.restarts,
});

const assignmentRow = (agentId: AgentId, row: Assignment): AssignmentRow => ({
	agentId,
	versionId: row.versionId,
	offeredHash: row.offeredHash && Buffer.from(row.offeredHash).toString('hex'),
	attempt: row.attempt,
	seq: row.seq,
	cause: row.cause,
	rolloutId: row.rolloutId,
	answer: row.answer,
});

/** Nobody else of its group is under way or waits to be started, and its time has come. */
const mayTakeTurn = (state: MemoryState, { id, groupId, spec }: MemoryRollout['rollout']): boolean =>
	(spec.startAtMs ?? 0) <= state.nowMs() &&
	[...state.rollouts.values()].every(
		({ rollout }) =>
			rollout.id === id || rollout.groupId !== groupId || rollout.state === 'Queued' || hasEnded(rollout.state),
	);

/** The memory store as the checkers look at it. Rollouts, steps and targets are replaced, never changed, so they are handed out as they are. */
export const viewOf = (state: MemoryState): DatabaseView => ({
	nowMs: () => state.nowMs(),
	agents: () => new Map([...state.agents].map(([id, agent]) => [id, agentRow(agent)])),
	agent(agentId) {
		const agent = state.agents.get(agentId);
		return agent ? agentRow(agent) : null;
	},
	attribute(agentId, name) {
		const { identifying = {}, nonIdentifying = {} } = state.agents.get(agentId)?.description ?? {};
		const value = identifying[name] ?? nonIdentifying[name];
		return typeof value === 'string' ? value : null;
	},
	assignment(agentId) {
		const row = state.assignments.get(agentId);
		return row ? assignmentRow(agentId, row) : null;
	},
	assignments: () => [...state.assignments].map(([id, row]) => assignmentRow(id, row)),
	rollouts: () => [...state.rollouts.keys()],
	rollout(rolloutId) {
		const row = state.rollouts.get(rolloutId);
		if (row === undefined) return null;
		const { rollout, offers, nextWakeAtMs, waitsFor } = row;
		const targets = new Map<AgentId, TargetRow>(
			[...row.targets].map(([id, { target, lateAnswer }]) => [id, { target, lateAnswer }]),
		);
		return { rollout, offers, nextWakeAtMs, waitsFor, targets, steps: [...row.steps.values()] };
	},
	standing(rolloutId) {
		const row = state.rollouts.get(rolloutId);
		if (row === undefined) return null;
		const { groupId, versionId, state: rolloutState, pauseReasons, tailUntilMs } = row.rollout;
		const { offers, nextWakeAtMs, waitsFor } = row;
		return { groupId, versionId, state: rolloutState, pauseReasons, tailUntilMs, offers, nextWakeAtMs, waitsFor };
	},
	groups: () => [...state.groups.keys()],
	calendar(groupId) {
		const concerns = ({ groupIds }: { groupIds: readonly GroupId[] | null }) => groupIds?.includes(groupId) ?? true;
		return {
			windows: state.windows.filter(concerns).map(({ window }) => window),
			freezes: state.freezes.filter(concerns).map(({ freeze }) => freeze),
		};
	},
	due() {
		const due = new Set<RolloutId>();
		for (const [id, { nextWakeAtMs }] of state.rollouts)
			if (nextWakeAtMs !== null && nextWakeAtMs <= state.nowMs()) due.add(id);
		for (const [id, { rollout }] of state.rollouts)
			if (rollout.state === 'Queued' && mayTakeTurn(state, rollout)) due.add(id);
		for (const { rolloutId, outcome } of state.commands.values()) if (outcome === null) due.add(rolloutId);
		for (const { rolloutId } of state.signals.values()) due.add(rolloutId);
		return [...due];
	},
	gateway(gateway) {
		const row = state.gateways.get(gateway);
		return row ? { incarnation: row.incarnation, expiresAtMs: row.expiresAtMs } : null;
	},
	lease(name) {
		const row = state.leases.get(name);
		return row ? { ...row } : null;
	},
	quarantined: (agentId, versionId) => state.quarantine.has(`${agentId} ${versionId}`),
	journalSeq: (rolloutId) => state.rollouts.get(rolloutId)?.journal.at(-1)?.seq ?? 0,
});
