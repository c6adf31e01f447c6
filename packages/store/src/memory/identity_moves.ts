import type { AgentId, GatewayId } from '@ampora/runtime';
import { heirWaitsMs } from '../identities.js';
import type { ConnectRequest, GatewayLease } from '../ports.js';
import type { MemoryAgent, MemoryState } from './state.js';
import { quarantineKey } from './state.js';

/** Uids an agent had before are kept up to so many. */
const earlierUidsMax = 20;

const tells = (value: unknown): boolean =>
	(typeof value === 'string' && value !== '') || typeof value === 'number' || typeof value === 'boolean';

/** Null: it does not tell all that identifies agents, or only uids count. */
export function identityOf(state: MemoryState, description: ConnectRequest['description'] | null): string | null {
	const { identityAttributes: names } = state;
	if (!description || names.length === 0 || state.flaws.ignoreIdentity) return null;
	const told = names.map((name) => [name, description.identifying[name] ?? description.nonIdentifying[name]] as const);
	return told.every(([, value]) => tells(value)) ? JSON.stringify(told) : null;
}

const byAge = (a: MemoryAgent, b: MemoryAgent): number => (a.id < b.id ? -1 : 1);

const isGone = ({ gateway, disconnectReason }: MemoryAgent): boolean =>
	gateway === null && (disconnectReason === 'goodbye' || disconnectReason === 'lost');

function holdersOf(state: MemoryState, identity: string | null): MemoryAgent[] {
	if (identity === null) return [];
	return [...state.agents.values()].filter((agent) => agent.identity === identity).sort(byAge);
}

/** Whose place a stranger takes, or waits for. */
export function placeFor(state: MemoryState, identity: string | null): { agent: MemoryAgent; free: boolean } | null {
	const holders = holdersOf(state, identity);
	const [agent] = holders;
	return agent ? { agent, free: holders.every(isGone) } : null;
}

/** It may be the same agent, of whose end nobody knows yet (R9). */
export function makeHeir(state: MemoryState, heir: MemoryAgent, of: AgentId): void {
	heir.heirOf = of;
	for (const [key, reason] of state.quarantine) {
		const [agentId, versionId] = key.split(' ');
		const own = `${heir.id} ${versionId}`;
		if (agentId === of && !state.quarantine.has(own)) state.quarantine.set(own, reason);
	}
}

/** Under another uid from now on; what the process before said is forgotten. */
export function takePlace(state: MemoryState, agent: MemoryAgent, instanceUid: string, formerUids: string[]): void {
	const earlier = [...agent.earlierUids, ...agent.formerUids, agent.instanceUid];
	state.agentsByUid.delete(agent.instanceUid);
	state.agentsByUid.set(instanceUid, agent.id);
	state.audit.push({ actor: 'ampora', action: 'Agent.PlaceTaken' });
	Object.assign(agent, {
		...{ instanceUid, formerUids, earlierUids: earlier.slice(-earlierUidsMax) },
		...{ sequenceNum: null, reportedHash: null, reportedStatus: null },
	});
}

/** After a report said anew who the agent is. */
export function identify(state: MemoryState, agent: MemoryAgent, description: ConnectRequest['description']): void {
	const identity = identityOf(state, description);
	if (identity === agent.identity) return;
	const older = holdersOf(state, identity).find(({ id }) => id < agent.id);
	agent.identity = identity;
	agent.heirOf = null;
	if (older && !state.assignments.has(agent.id)) makeHeir(state, agent, older.id);
}

function remove(state: MemoryState, heir: MemoryAgent): void {
	state.signal(heir.id);
	const group = state.groups.get(heir.groupId);
	if (group) group.membershipSeq += 1;
	for (const [id, { agentId }] of state.selectorWork) if (agentId === heir.id) state.selectorWork.delete(id);
	for (const versionId of state.versions.keys()) state.quarantine.delete(quarantineKey(heir.id, versionId));
	state.selections.delete(heir.id);
	state.agentsByUid.delete(heir.instanceUid);
	state.agents.delete(heir.id);
}

/** Those of the live gateway whose time it is: in their place, or let go. Answers the former. */
function settle(state: MemoryState, { gateway, incarnation }: GatewayLease): AgentId[] {
	const merged: AgentId[] = [];
	const seated = new Set<AgentId>();
	for (const heir of heirsOf(state, gateway)) {
		const older = heir.heirOf === null ? undefined : state.agents.get(heir.heirOf);
		const free = older !== undefined && !seated.has(older.id) && mayMerge(state, heir, older);
		if (free && state.gatewayLive(gateway, incarnation)) {
			remove(state, heir);
			takePlace(state, older, heir.instanceUid, heir.formerUids);
			older.sessionEpoch = Math.max(older.sessionEpoch, heir.sessionEpoch) + 1;
			state.signal(older.id);
			seated.add(older.id);
			merged.push(heir.id);
		} else if (state.nowMs() - heir.createdAtMs > heirWaitsMs) {
			if (older) makeHeir(state, heir, older.id);
			heir.heirOf = null;
			state.addSelectorWork(heir.id, null);
		}
	}
	return merged;
}

const heirsOf = (state: MemoryState, gateway: GatewayId): MemoryAgent[] =>
	[...state.agents.values()].filter((agent) => agent.heirOf !== null && agent.gateway === gateway).sort(byAge);

const mayMerge = (state: MemoryState, heir: MemoryAgent, older: MemoryAgent): boolean =>
	isGone(older) && older.identity === heir.identity && !state.assignments.has(heir.id);

export const identityMoves = (state: MemoryState) => ({
	settleIdentities: (lease: GatewayLease) => settle(state, lease),
});
