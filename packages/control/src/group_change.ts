import type { AnswerOf, Group, InputOf, PlannedRollout } from '@ampora/api-contract';
import { resumedEnrolment } from '@ampora/rollout';
import { ok, type Result, type VersionId } from '@ampora/runtime';
import type { ControlStore, GroupRow, Repositories } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { type ControlError, type Outcome, refuse } from './errors.js';
import { roomFor } from './group_room.js';
import { groupAnswer, usableSelector } from './group_view.js';
import {
	areMass,
	type Consent,
	isMass,
	type Newcomers,
	newcomersUnder,
	planRolloutOf,
	planRolloutsFor,
} from './mass_moves.js';
import { findGroup, holdGroup } from './references.js';
import { publishedVersion } from './rollout_sources.js';
import { unitOfWork } from './unit_of_work.js';

type Input = InputOf<'updateGroup'>;
type Answer = AnswerOf<'updateGroup'>;

async function changeable(repositories: Repositories, reference: string): Outcome<GroupRow> {
	const found = await findGroup(repositories, reference);
	if (!found.ok || !found.value.builtIn) return found;
	const { name } = found.value;
	const action = 'It holds whoever no selector matches.';
	return refuse('group-not-a-target', `the group "${name}" is built in`, { details: { group: name }, action });
}

type Membership = Pick<GroupRow, 'selector' | 'priority'>;

function membershipAfter({ selector, priority }: GroupRow, change: Input): Result<Membership, ControlError> {
	const usable = usableSelector(change.selector ?? selector ?? '');
	return usable.ok ? ok({ selector: usable.value, priority: change.priority ?? priority }) : usable;
}

const consentOf = ({ acceptNoWayBack, acceptProtected }: Input): Consent => ({ acceptNoWayBack, acceptProtected });

async function setProtected(
	repositories: Repositories,
	caller: Caller,
	{ id, protected: before }: GroupRow,
	after: boolean | undefined,
): Promise<void> {
	if (after === undefined || after === before) return;
	await repositories.groups.setProtected(id, after);
	await audit(repositories, caller, {
		...{ action: 'Group.Changed', entity: ['group', id] },
		...{ before: { protected: before }, after: { protected: after } },
	});
}

async function setMembership(
	repositories: Repositories,
	caller: Caller,
	{ row, after, newcomers, input }: { row: GroupRow; after: Membership; newcomers: Newcomers; input: Input },
): Outcome<PlannedRollout[]> {
	const { id, selector, priority } = row;
	const room = await roomFor(repositories, id, after.selector);
	if (!room.ok) return room;
	const holds = await areMass(repositories, newcomers);
	await repositories.groups.setSelector(id, { ...after, holds });
	if (holds) await repositories.groups.holdMoves([...newcomers.keys()].filter((group) => group !== id));
	await audit(repositories, caller, {
		...{ action: 'Group.Changed', entity: ['group', id] },
		...{ before: { selector, priority }, after: { ...after, plannedFor: holds ? newcomers.size : 0 } },
	});
	if (!holds) return ok([]);
	return planRolloutsFor(repositories, caller, { newcomers, consent: consentOf(input) });
}

/** The version newcomers are given from now on; where that would change many, only once a rollout has brought the group there. */
async function setDefault(
	repositories: Repositories,
	caller: Caller,
	{ row, reference, input }: { row: GroupRow; reference: string; input: Input },
): Outcome<PlannedRollout[]> {
	const version = reference === '' ? ok(null) : await publishedVersion(repositories, reference, true);
	if (!version.ok) return version;
	const { id: group, agents: members, defaultVersion } = row;
	const wanted = (version.value?.id ?? null) as VersionId | null;
	if (wanted === defaultVersion) return ok([]);
	const agents = wanted === null ? 0 : await repositories.groups.notAssigned(group, wanted);
	if (wanted !== null && isMass(agents, members)) {
		const planned = await planRolloutOf(repositories, caller, {
			...{ group, version: wanted, agents, toCome: false, consent: consentOf(input) },
		});
		return planned.ok ? ok([planned.value]) : planned;
	}
	await repositories.groups.setDefault(group, wanted);
	await audit(repositories, caller, {
		...{ action: 'Group.DefaultChanged', entity: ['group', group] },
		...{ before: { defaultVersion }, after: { defaultVersion: wanted, agents } },
	});
	return ok([]);
}

const oneAtATime = () =>
	refuse('invalid-argument', 'change the membership of a group or its default, one at a time', {
		details: { field: 'defaultVersion' },
		action: 'Whom the one moves is counted by the other: send two requests.',
	});

/** What the change would bring to groups with a default, looked at before anything is locked. */
async function foreseen(store: ControlStore, row: GroupRow, after: Membership): Promise<Newcomers> {
	const { id, selector, createdAt } = row;
	// What is known of a selector that is still being evaluated is that of the one before; whom it moves may be held already.
	const evaluate = after.selector !== selector || (row.settling && !row.holding);
	if (after.selector === selector && after.priority === row.priority) return new Map();
	return newcomersUnder(store, { id, ...after, createdAtMs: createdAt.getTime(), evaluate });
}

export async function updateGroup(store: ControlStore, caller: Caller, input: Input): Outcome<Answer> {
	const { defaultVersion: reference } = input;
	const membership = input.selector !== undefined || input.priority !== undefined;
	if (membership && reference !== undefined) return oneAtATime();
	const looked = await changeable(store, input.group);
	if (!looked.ok) return looked;
	const wanted = membershipAfter(looked.value, input);
	if (!wanted.ok) return wanted;
	const newcomers = await foreseen(store, looked.value, wanted.value);
	return unitOfWork(store, async (repositories) => {
		const row = await holdGroup(repositories, looked.value.id);
		if (!row.ok) return row;
		const after = membershipAfter(row.value, input);
		if (!after.ok) return after;
		const same = after.value.selector === row.value.selector && after.value.priority === row.value.priority;
		await setProtected(repositories, caller, row.value, input.protected);
		const planned =
			reference !== undefined
				? await setDefault(repositories, caller, { row: row.value, reference, input })
				: same
					? ok([])
					: await setMembership(repositories, caller, { row: row.value, after: after.value, newcomers, input });
		if (!planned.ok) return planned;
		const group = await groupAnswer(repositories, row.value.id);
		return group.ok ? ok({ group: group.value, planned: planned.value }) : group;
	});
}

/** Of a group whose enrolment gate did not fire it changes nothing. */
export async function resumeEnrolment(repositories: Repositories, caller: Caller, reference: string): Outcome<Group> {
	const found = await changeable(repositories, reference);
	if (!found.ok) return found;
	const { id } = found.value;
	const before = await repositories.groups.enrolmentForChange(id);
	if (before?.stopped) {
		await repositories.groups.setEnrolment(id, resumedEnrolment(before));
		await audit(repositories, caller, {
			...{ action: 'Group.EnrolmentResumed', entity: ['group', id] },
			...{ before: { stopped: before.stopped, verdicts: before.verdicts }, after: { stopped: null } },
		});
	}
	return groupAnswer(repositories, id);
}
