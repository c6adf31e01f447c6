import type { AnswerOf } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import type { ControlStore, GroupRow, Repositories } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { type Outcome, refuse } from './errors.js';
import { roomFor } from './group_room.js';
import { groupAnswer } from './group_view.js';
import { areMass, type Newcomers, newcomersUnder, planRolloutsFor } from './mass_moves.js';
import { findAnyGroup, findGroup } from './references.js';
import { unitOfWork } from './unit_of_work.js';

type Deleted = AnswerOf<'deleteGroup'>;
type Restored = AnswerOf<'restoreGroup'>;

function refuseInUse({ name, builtIn, agents, selector, activeRollout }: GroupRow) {
	const inUse = (why: string, action?: string) =>
		refuse('group-in-use', `the group "${name}" ${why}`, {
			details: { group: name, agents, rollout: activeRollout },
			...(action !== undefined && { action }),
		});
	if (builtIn) return inUse('is built in', 'Leave it: it holds whoever is in no other group.');
	if (activeRollout !== null)
		return inUse(
			`has a rollout that has not ended: ${activeRollout}`,
			'Wait until it has ended, or abort, cancel or roll it back first.',
		);
	if (agents === 0 || selector !== null) return null;
	const action = `They were chosen, and no selector would place them: move them first, with: ampora groups add <other group> --from ${name}; or take them out with: ampora groups remove ${name} <agents>.`;
	return inUse(`is static and has ${agents} ${agents === 1 ? 'agent' : 'agents'}`, action);
}

/** To whom what the group holds would go, looked at before anything is locked. */
const foreseen = async (store: ControlStore, row: GroupRow, returns: boolean): Promise<Newcomers> => {
	const { id, selector, priority, createdAt, builtIn } = row;
	if (selector === null || builtIn) return new Map();
	const change = { id, priority, createdAtMs: createdAt.getTime() };
	// Nobody kept up what a deleted one matches.
	if (returns) return newcomersUnder(store, { ...change, selector, evaluate: true });
	return newcomersUnder(store, { ...change, selector: null, deleted: true, evaluate: false });
};

/** Its members belong to no group, or where other selectors say; a default they come to by that is given as after any other change. */
export async function deleteGroup(store: ControlStore, caller: Caller, reference: string): Outcome<Deleted> {
	const looked = await findGroup(store, reference);
	if (!looked.ok) return looked;
	const { id } = looked.value;
	const newcomers = await foreseen(store, looked.value, false);
	return unitOfWork(store, async (repositories) => {
		const { groups } = repositories;
		await groups.holdAlone(id);
		// Whoever was about to put an agent or a rollout into it has done so.
		const held = await findGroup(repositories, id);
		if (!held.ok) return held;
		const refused = refuseInUse(held.value);
		if (refused !== null) return refused;
		await groups.releaseMembers(id);
		await groups.markDeleted(id);
		const holds = await areMass(repositories, newcomers);
		if (holds) await groups.holdMoves([...newcomers.keys()]);
		const { name, selector, priority, agents } = held.value;
		await audit(repositories, caller, {
			...{ action: 'Group.Deleted', entity: ['group', id] },
			...{ before: { name, selector, priority, agents }, after: { plannedFor: holds ? newcomers.size : 0 } },
		});
		return planned(repositories, caller, holds ? newcomers : new Map());
	});
}

async function planned(repositories: Repositories, caller: Caller, newcomers: Newcomers): Outcome<Deleted> {
	const rollouts = await planRolloutsFor(repositories, caller, { newcomers, consent: {} });
	return rollouts.ok ? ok({ planned: rollouts.value }) : rollouts;
}

/** Whoever its selector matches by now comes back, and is given its default as after any other change. */
export async function restoreGroup(store: ControlStore, caller: Caller, reference: string): Outcome<Restored> {
	const looked = await findAnyGroup(store, reference);
	if (!looked.ok) return looked;
	const { id } = looked.value;
	const newcomers = looked.value.deletedAt === null ? new Map() : await foreseen(store, looked.value, true);
	return unitOfWork(store, async (repositories) => {
		const { groups } = repositories;
		await groups.holdAlone(id);
		const found = await findAnyGroup(repositories, id);
		if (!found.ok) return found;
		const { name, selector, priority, deletedAt } = found.value;
		// Of a group that is there it changes nothing.
		const answered = async (rollouts: Restored['planned']): Outcome<Restored> => {
			const group = await groupAnswer(repositories, id);
			return group.ok ? ok({ group: group.value, planned: rollouts }) : group;
		};
		if (deletedAt === null) return answered([]);
		const room = await roomFor(repositories, id, selector);
		if (!room.ok) return room;
		const holds = await areMass(repositories, newcomers);
		await groups.restore(id, holds);
		if (holds) await groups.holdMoves([...newcomers.keys()].filter((group) => group !== id));
		await audit(repositories, caller, {
			...{ action: 'Group.Restored', entity: ['group', id] },
			after: { name, selector, priority, plannedFor: holds ? newcomers.size : 0 },
		});
		const rollouts = await planned(repositories, caller, holds ? newcomers : new Map());
		return rollouts.ok ? answered(rollouts.value.planned) : rollouts;
	});
}
