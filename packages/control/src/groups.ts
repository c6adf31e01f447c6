import type { AnswerOf, Group, InputOf } from '@ampora/api-contract';
import { type GroupId, newId, ok } from '@ampora/runtime';
import { type Repositories, uniqueViolation } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { type Outcome, refuse } from './errors.js';
import { toGroup, toGroups, usableSelector } from './group_view.js';
import type { ControlDeps } from './ports.js';
import { findGroup, resolveAgents } from './references.js';
import { unitOfWork } from './unit_of_work.js';

const exists = (name: string) => refuse('already-exists', `there is a group "${name}" already`, { details: { name } });

async function changeMembers(
	repositories: Repositories,
	caller: Caller,
	{ reference, agents, add }: { reference: string; agents: readonly string[]; add: boolean },
): Outcome<AnswerOf<'addGroupAgents'>> {
	const found = await findGroup(repositories, reference);
	if (!found.ok) return found;
	const { id, name, builtIn } = found.value;
	if (builtIn) {
		const action = 'Agents are in it when they are in no other group: remove them from theirs.';
		return refuse('group-not-a-target', `the group "${name}" is built in`, { details: { group: name }, action });
	}
	if (found.value.selector !== null)
		return refuse('group-dynamic', `the group "${name}" is dynamic`, { details: { group: name } });
	const resolved = await resolveAgents(repositories, agents);
	if (!resolved.ok) return resolved;
	const { groups } = repositories;
	const changed = add
		? await groups.moveAgents(resolved.value, id, null)
		: await groups.moveAgents(resolved.value, await groups.builtIn(), id);
	if (changed > 0) {
		await audit(repositories, caller, {
			action: add ? 'Group.AgentsAdded' : 'Group.AgentsRemoved',
			entity: ['group', id],
			// Names of ten thousand agents would drown the audit; the group's rollouts list their own.
			after: { group: name, changed, agents: resolved.value.slice(0, 100) },
		});
	}
	const now = await findGroup(repositories, id);
	return now.ok ? ok({ group: await toGroup(repositories, now.value), changed }) : now;
}

/** Every new agent is looked at by every selector. */
const dynamicGroupsMax = 1_000;

async function setSelector(
	{ groups, selection }: Repositories,
	id: GroupId,
	membership: { readonly selector: string | null; readonly priority: number },
): Outcome<null> {
	const others =
		membership.selector === null ? [] : (await selection.dynamicGroups()).filter((group) => group.id !== id);
	if (others.length >= dynamicGroupsMax) {
		const action = 'Delete a group that is not needed, or make it static.';
		return refuse('invalid-argument', `there are ${dynamicGroupsMax} dynamic groups already`, { action });
	}
	await groups.setSelector(id, membership);
	return ok(null);
}

async function groupAnswer(repositories: Repositories, reference: string): Outcome<Group> {
	const found = await findGroup(repositories, reference);
	return found.ok ? ok(await toGroup(repositories, found.value)) : found;
}

async function changeGroup(
	repositories: Repositories,
	caller: Caller,
	{ group: reference, ...change }: InputOf<'updateGroup'>,
): Outcome<Group> {
	const found = await findGroup(repositories, reference);
	if (!found.ok) return found;
	const { id, name, builtIn, selector, priority } = found.value;
	if (builtIn) {
		const action = 'It holds whoever no selector matches.';
		return refuse('group-not-a-target', `the group "${name}" is built in`, { details: { group: name }, action });
	}
	const usable = usableSelector(change.selector ?? selector ?? '');
	if (!usable.ok) return usable;
	const [before, after] = [
		{ selector, priority },
		{ selector: usable.value, priority: change.priority ?? priority },
	];
	if (before.selector === after.selector && before.priority === after.priority) return groupAnswer(repositories, id);
	const set = await setSelector(repositories, id, after);
	if (!set.ok) return set;
	await audit(repositories, caller, { action: 'Group.Changed', entity: ['group', id], before, after });
	return groupAnswer(repositories, id);
}

export const groupUseCases = ({ store }: ControlDeps) => ({
	async createGroup(caller: Caller, { name, selector = '', priority = 0 }: InputOf<'createGroup'>): Outcome<Group> {
		const usable = usableSelector(selector);
		if (!usable.ok) return usable;
		try {
			return await unitOfWork(store, async (repositories) => {
				const id = newId<GroupId>();
				await repositories.groups.insert(id, name);
				const membership = { selector: usable.value, priority };
				const set = await setSelector(repositories, id, membership);
				if (!set.ok) return set;
				await audit(repositories, caller, {
					action: 'Group.Created',
					entity: ['group', id],
					after: { name, ...membership },
				});
				return groupAnswer(repositories, id);
			});
		} catch (error) {
			if (uniqueViolation(error) !== undefined) return exists(name);
			throw error;
		}
	},

	async listGroups(_: Caller, { limit, cursor }: InputOf<'listGroups'>) {
		const after = textAfter(cursor);
		if (!after.ok) return after;
		const rows = await store.groups.list(limit + 1, after.value);
		const page = rows.slice(0, limit);
		return ok({
			items: await toGroups(store, page),
			nextCursor: rows.length > limit ? textCursor(page.at(-1)?.name ?? '') : null,
		});
	},

	async getGroup(_: Caller, { group }: InputOf<'getGroup'>): Outcome<Group> {
		return groupAnswer(store, group);
	},

	updateGroup: (caller: Caller, input: InputOf<'updateGroup'>) =>
		unitOfWork(store, (repositories) => changeGroup(repositories, caller, input)),

	async deleteGroup(caller: Caller, { group }: InputOf<'deleteGroup'>): Outcome<Record<string, never>> {
		return unitOfWork(store, async (repositories) => {
			const found = await findGroup(repositories, group);
			if (!found.ok) return found;
			const { id, name, agents } = found.value;
			if (!(await repositories.groups.deleteUnused(id))) {
				const why = found.value.builtIn ? 'is built in' : agents > 0 ? `has ${agents} agents` : 'has had a rollout';
				return refuse('group-in-use', `the group "${name}" ${why}`, { details: { group: name, agents } });
			}
			await audit(repositories, caller, { action: 'Group.Deleted', entity: ['group', id], before: { name } });
			return ok({});
		});
	},

	addGroupAgents: (caller: Caller, { group, agents }: InputOf<'addGroupAgents'>) =>
		unitOfWork(store, (repositories) => changeMembers(repositories, caller, { reference: group, agents, add: true })),

	removeGroupAgents: (caller: Caller, { group, agents }: InputOf<'removeGroupAgents'>) =>
		unitOfWork(store, (repositories) => changeMembers(repositories, caller, { reference: group, agents, add: false })),
});
