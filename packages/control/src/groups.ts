import type { AnswerOf, Group, InputOf } from '@ampora/api-contract';
import { type GroupId, newId, ok } from '@ampora/runtime';
import { type Repositories, uniqueViolation } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { type Outcome, refuse } from './errors.js';
import { resumeEnrolment, updateGroup } from './group_change.js';
import { deleteGroup, restoreGroup } from './group_deletion.js';
import { roomFor } from './group_room.js';
import { groupAnswer, toGroup, toGroups, usableSelector } from './group_view.js';
import type { ControlDeps } from './ports.js';
import { findAnyGroup, findGroup, holdGroup, resolveAgents } from './references.js';
import { unitOfWork } from './unit_of_work.js';

async function exists(repositories: Repositories, name: string): Outcome<never> {
	const taken = await findAnyGroup(repositories, name);
	const details = { name };
	if (!taken.ok || taken.value.deletedAt === null)
		return refuse('already-exists', `there is a group "${name}" already`, { details });
	const action = `Bring it back with: ampora groups restore ${name}; or choose another name.`;
	return refuse('already-exists', `a deleted group has the name "${name}"`, { details, action });
}

async function changeMembers(
	repositories: Repositories,
	caller: Caller,
	{ reference, agents, add }: { reference: string; agents: readonly string[]; add: boolean },
): Outcome<AnswerOf<'addGroupAgents'>> {
	const found = await holdGroup(repositories, reference);
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

async function setSelector(
	repositories: Repositories,
	id: GroupId,
	membership: { readonly selector: string | null; readonly priority: number },
): Outcome<null> {
	const room = await roomFor(repositories, id, membership.selector);
	if (room.ok) await repositories.groups.setSelector(id, { ...membership, holds: false });
	return room;
}

export const groupUseCases = ({ store }: ControlDeps) => ({
	async createGroup(caller: Caller, input: InputOf<'createGroup'>): Outcome<Group> {
		const { name, selector = '', priority = 0, protected: guarded = false } = input;
		const usable = usableSelector(selector);
		if (!usable.ok) return usable;
		try {
			return await unitOfWork(store, async (repositories) => {
				const id = newId<GroupId>();
				await repositories.groups.insert(id, name);
				const membership = { selector: usable.value, priority };
				const set = await setSelector(repositories, id, membership);
				if (!set.ok) return set;
				if (guarded) await repositories.groups.setProtected(id, true);
				await audit(repositories, caller, {
					action: 'Group.Created',
					entity: ['group', id],
					after: { name, ...membership, protected: guarded },
				});
				return groupAnswer(repositories, id);
			});
		} catch (error) {
			if (uniqueViolation(error) !== undefined) return exists(store, name);
			throw error;
		}
	},

	async listGroups(_: Caller, { limit, cursor, deleted }: InputOf<'listGroups'>) {
		const after = textAfter(cursor);
		if (!after.ok) return after;
		const rows = await store.groups.list(limit + 1, after.value, deleted);
		const page = rows.slice(0, limit);
		return ok({
			items: await toGroups(store, page),
			nextCursor: rows.length > limit ? textCursor(page.at(-1)?.name ?? '') : null,
		});
	},

	async getGroup(_: Caller, { group }: InputOf<'getGroup'>): Outcome<Group> {
		return groupAnswer(store, group);
	},

	updateGroup: (caller: Caller, input: InputOf<'updateGroup'>) => updateGroup(store, caller, input),

	resumeEnrolment: (caller: Caller, { group }: InputOf<'resumeEnrolment'>): Outcome<Group> =>
		unitOfWork(store, (repositories) => resumeEnrolment(repositories, caller, group)),

	deleteGroup: (caller: Caller, { group }: InputOf<'deleteGroup'>) => deleteGroup(store, caller, group),

	restoreGroup: (caller: Caller, { group }: InputOf<'restoreGroup'>) => restoreGroup(store, caller, group),

	addGroupAgents: (caller: Caller, { group, agents }: InputOf<'addGroupAgents'>) =>
		unitOfWork(store, (repositories) => changeMembers(repositories, caller, { reference: group, agents, add: true })),

	removeGroupAgents: (caller: Caller, { group, agents }: InputOf<'removeGroupAgents'>) =>
		unitOfWork(store, (repositories) => changeMembers(repositories, caller, { reference: group, agents, add: false })),
});
