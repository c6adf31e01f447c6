import type { AgentId, GroupId } from '@ampora/runtime';
import type { AgentReport, LeaderLease, SelectionWrite, SelectorRow, SelectorSubject, SelectorWork } from '../ports.js';
import { ungroupedGroupId } from '../ungrouped.js';
import { catalogueKey } from './catalogue_moves.js';
import { isLeading } from './engine_moves.js';
import { copy, type MemoryAgent, type MemoryState, sameBytes } from './state.js';

type Description = NonNullable<AgentReport['description']>;

const merged = (description: Description | null): Readonly<Record<string, unknown>> => ({
	...description?.nonIdentifying,
	...description?.identifying,
});

function changedAttributes(before: Description | null, after: Description): string[] {
	const [old, now] = [merged(before), merged(after)];
	const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
	return names
		.filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
		.map((name) => `attribute:${name}`);
}

/** What selectors may read and a report changes; looked at before the report is folded in. */
export function changedBy(agent: MemoryAgent, { description, capabilities, componentsHash }: AgentReport): string[] {
	const { description: before } = agent;
	const changed = description ? changedAttributes(before, description) : [];
	if (description && (description.agentType ?? null) !== (before?.agentType ?? null))
		changed.push('type', 'components');
	if (description && (description.agentVersion ?? null) !== (before?.agentVersion ?? null))
		changed.push('version', 'components');
	if (description && before === null) changed.push('attributes');
	if (capabilities !== undefined && Number(capabilities) !== agent.capabilities) changed.push('capabilities');
	if (componentsHash && !sameBytes(componentsHash, agent.componentsHash)) changed.push('components');
	return changed;
}

const byId = (a: string, b: string): number => (a < b ? -1 : 1);

function dynamicGroups(state: MemoryState): SelectorRow[] {
	return [...state.groups]
		.sort(([a], [b]) => byId(a, b))
		.flatMap(([id, { selector, priority, createdAtMs, sweep, sweepSeq, sweepAfter, deleted }]) =>
			selector === null || deleted
				? []
				: [{ id, selector, priority, createdAtMs, sweep: sweep && { kind: sweep, seq: sweepSeq, after: sweepAfter } }],
		);
}

function selectorWork(state: MemoryState, limit: number): SelectorWork[] {
	const found = new Map<AgentId, { workIds: number[]; changed: Set<string> | null }>();
	for (const [id, { agentId, changed }] of [...state.selectorWork].slice(0, limit)) {
		const one = found.get(agentId) ?? { workIds: [], changed: new Set() };
		one.workIds.push(id);
		if (changed === null) one.changed = null;
		for (const field of changed ?? []) one.changed?.add(field);
		found.set(agentId, one);
	}
	return [...found].map(([agentId, { workIds, changed }]) => ({ agentId, workIds, changed: changed && [...changed] }));
}

function subject(state: MemoryState, agent: MemoryAgent): SelectorSubject {
	const { id: agentId, groupId, description, capabilities } = agent;
	const selection = state.selections.get(agentId);
	const isDynamic = (state.groups.get(groupId)?.selector ?? null) !== null;
	return {
		...{ agentId, groupId, capabilities },
		where: groupId === ungroupedGroupId ? 'ungrouped' : isDynamic ? 'dynamic' : 'chosen',
		description:
			description && copy({ identifying: description.identifying, nonIdentifying: description.nonIdentifying }),
		agentType: description?.agentType ?? null,
		agentVersion: description?.agentVersion ?? null,
		components: (agent.componentsHash && state.catalogues.get(catalogueKey(agent))?.components) ?? null,
		matches: selection?.matches ?? null,
		errors: selection?.errors ?? null,
	};
}

function write(state: MemoryState, lease: LeaderLease, { selections, workIds, sweep }: SelectionWrite) {
	if (!isLeading(state, lease)) return { held: false, moved: 0 };
	const held = sweep !== null && state.groups.get(sweep.groupId)?.sweepHolds === true;
	const holds = (...ids: GroupId[]): boolean =>
		held || ids.some((id) => state.groups.get(id)?.sweep != null && state.groups.get(id)?.sweepHolds === true);
	const concerned = new Set<GroupId>();
	let moved = 0;
	for (const { agentId, foundIn, moveTo, standing } of selections) {
		const agent = state.agents.get(agentId);
		if (!agent) continue;
		if (standing) state.selections.set(agentId, copy(standing));
		const target = moveTo === null ? undefined : state.groups.get(moveTo);
		const open = target?.deleted === false && (target.selector !== null || moveTo === ungroupedGroupId);
		if (moveTo === null || !open || agent.groupId !== foundIn) continue;
		agent.groupId = moveTo;
		agent.enrolmentDueAtMs = target.defaultVersion !== null && !holds(foundIn, moveTo) ? state.nowMs() : null;
		for (const id of [foundIn, moveTo]) concerned.add(id);
		moved += 1;
	}
	for (const id of concerned) {
		const group = state.groups.get(id);
		if (group) group.membershipSeq += 1;
	}
	for (const id of workIds) state.selectorWork.delete(id);
	const swept = sweep && state.groups.get(sweep.groupId);
	if (swept && swept.sweepSeq === sweep.seq) {
		swept.sweepAfter = sweep.after;
		if (sweep.after === null) swept.sweep = null;
	}
	return { held: true, moved };
}

export const selectorMoves = (state: MemoryState) => ({
	dynamicGroups: () => dynamicGroups(state),
	selectorWork: (limit: number) => selectorWork(state, limit),
	describedAgents: (after: AgentId | null, limit: number) =>
		[...state.agents.values()]
			.filter(({ id, description }) => description !== null && (after === null || id > after))
			.map(({ id }) => id)
			.sort(byId)
			.slice(0, limit),
	subjects: (agentIds: readonly AgentId[]) =>
		agentIds.flatMap((id) => {
			const agent = state.agents.get(id);
			return agent?.heirOf === null && !agent.archived ? [subject(state, agent)] : [];
		}),
	writeSelection: (lease: LeaderLease, what: SelectionWrite) => write(state, lease, what),
});
