import { createHash } from 'node:crypto';
import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import { cataloguesMax } from '../catalogues.js';
import { identityOf } from '../memory/identity_moves.js';
import type { MemoryState } from '../memory/state.js';
import { quarantineKey, staticGroup } from '../memory/state.js';
import type { StoreWorld } from './world.js';

function found<T>(value: T | undefined): T {
	if (value === undefined) throw new Error('there is no such row');
	return value;
}

const hashOf = (text: string) => Uint8Array.from(createHash('sha256').update(text).digest());

export const contentOf = (text: string, meaning?: string) => ({
	files: [{ name: '', contentType: 'text/yaml', body: Uint8Array.from(Buffer.from(text)) }],
	contentHash: hashOf(text),
	semanticHash: meaning === undefined ? null : hashOf(meaning),
});

export function memoryWorld(state: MemoryState): StoreWorld {
	const move = (agentIds: readonly AgentId[], groupId: GroupId) => {
		for (const agentId of agentIds) {
			const agent = found(state.agents.get(agentId));
			for (const id of [agent.groupId, groupId]) found(state.groups.get(id)).membershipSeq += 1;
			agent.groupId = groupId;
		}
	};
	return {
		async createGroup() {
			const id = state.newId<GroupId>();
			state.groups.set(id, staticGroup(state.nowMs()));
			return id;
		},
		async publish(text, meaning) {
			const id = state.newId<VersionId>();
			state.versions.set(id, contentOf(text, meaning));
			return id;
		},
		move: async (agentIds, groupId) => move(agentIds, groupId),
		async createRollout(rollout, onlyAgents) {
			state.rollouts.set(rollout.id, {
				...{ rollout, offers: 'closed', watching: 'all', membershipSeq: -1 },
				...{ nextWakeAtMs: null, waitsFor: null, rolledBackBy: null, traceparent: null },
				onlyAgents: onlyAgents ?? null,
				...{ steps: new Map(), targets: new Map(), journal: [] },
			});
		},
		async command(rolloutId, { id, kind, actor, ...args }) {
			state.commands.set(id, { id, kind, actor, args, rolloutId, outcome: null });
		},
		async addWindow(window, groupIds) {
			state.windows.push({ window, groupIds });
		},
		async addFreeze(freeze, groupIds) {
			state.freezes.push({ freeze, groupIds });
		},
		async allowEnrollment(tokenHash) {
			state.enrollmentTokens.add(Buffer.from(tokenHash).toString('hex'));
		},
		async identifyBy(attributes) {
			state.identityAttributes = attributes;
			for (const agent of state.agents.values()) agent.identity = identityOf(state, agent.description);
		},
		async identity(agentId) {
			const row = state.agents.get(agentId);
			return row ? { earlierUids: [...row.earlierUids], heirOf: row.heirOf } : null;
		},
		async ageAgent(agentId, ms) {
			const row = found(state.agents.get(agentId));
			state.agents.set(agentId, { ...row, createdAtMs: row.createdAtMs - ms });
		},
		agent: async (agentId) => ({ ...found(state.agents.get(agentId)) }),
		async assignment(agentId) {
			const row = state.assignments.get(agentId);
			return row ? { ...row, agentId, error: row.answerError } : null;
		},
		target: async (rolloutId, agentId) => state.rollouts.get(rolloutId)?.targets.get(agentId) ?? null,
		async rollout(rolloutId) {
			const { rollout, offers, rolledBackBy } = found(state.rollouts.get(rolloutId));
			return { state: rollout.state, seq: rollout.seq, offers, rolledBackBy };
		},
		inFlight: async (rolloutId) =>
			[...found(state.rollouts.get(rolloutId)).steps.values()].map(({ counters }) => counters.inFlight),
		journal: async (rolloutId) =>
			found(state.rollouts.get(rolloutId)).journal.map(({ seq, epoch }) => ({ seq, epoch })),
		signals: async (rolloutId) =>
			[...state.signals.values()].filter((signal) => signal.rolloutId === rolloutId).map(({ agentId }) => agentId),
		outcome: async (commandId) => state.commands.get(commandId)?.outcome ?? null,
		audit: async () => state.audit.map(({ actor, action }) => ({ actor, action })),
		quarantined: async (agentId, versionId) => state.quarantine.has(quarantineKey(agentId, versionId)),
		async setSelector(groupId, selector, priority) {
			const group = found(state.groups.get(groupId));
			const sweep = selector === group.selector && group.sweep !== 'evaluate' ? 'decide' : 'evaluate';
			Object.assign(group, { selector, priority, sweep: selector === null ? null : sweep, sweepAfter: null });
			group.sweepSeq += 1;
		},
		async deleteGroup(groupId) {
			found(state.groups.get(groupId)).deleted = true;
		},
		async setDefault(groupId, versionId, holds = false) {
			Object.assign(found(state.groups.get(groupId)), { defaultVersion: versionId, sweepHolds: holds });
		},
		async awaitDefault(agentIds) {
			for (const agentId of agentIds) found(state.agents.get(agentId)).enrolmentDueAtMs = state.nowMs();
		},
		awaitingDefault: async (agentIds) =>
			agentIds.filter((agentId) => found(state.agents.get(agentId)).enrolmentDueAtMs !== null),
		defaultOf: async (groupId) => found(state.groups.get(groupId)).defaultVersion,
		async protectGroup(groupId) {
			found(state.groups.get(groupId)).protected = true;
		},
		membership: async (agentId) => found(state.agents.get(agentId)).groupId,
		membershipSeq: async (groupId) => found(state.groups.get(groupId)).membershipSeq,
		async ageCatalogueAsks(ms) {
			for (const catalogue of state.catalogues.values())
				if (catalogue.asked) catalogue.asked = { ...catalogue.asked, atMs: catalogue.asked.atMs - ms };
		},
		async fillCatalogues() {
			for (let n = 0; n < cataloguesMax; n += 1) state.catalogues.set(`${n}`, { components: {}, asked: null, asks: 0 });
		},
		async expireLease(name) {
			found(state.leases.get(name)).expiresAtMs = state.nowMs();
		},
		async expireGateway(gateway) {
			found(state.gateways.get(gateway)).expiresAtMs = state.nowMs();
		},
		async ageDisconnect(agentId, ms) {
			const agent = found(state.agents.get(agentId));
			agent.disconnectedAtMs = (agent.disconnectedAtMs ?? state.nowMs()) - ms;
		},
	};
}
