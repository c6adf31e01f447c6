// No other way in: a selector, priority or default that would change what more than a few agents run does nothing by itself; it becomes
// a rollout per group, which somebody looks at and starts.
import type { InputOf, PlannedRollout } from '@ampora/api-contract';
import { type GroupId, ok, type RolloutId, type VersionId } from '@ampora/runtime';
import type { GroupGives, Repositories } from '@ampora/store';
import type { Caller } from './caller.js';
import { type Outcome, refuse } from './errors.js';
import { type GroupChange, groupMoves } from './group_moves.js';
import { writeRollout } from './rollout_create.js';

const agentsMax = 10;
const percentMax = 1;

/** More than 10 agents, or more than 1 % of the group they are in or come to. */
export const isMass = (agents: number, members: number): boolean =>
	agents > agentsMax || 100 * agents > percentMax * members;

/** By group: how many agents would come to it that do not run what it gives. Groups that give nothing are left out. */
export type Newcomers = ReadonlyMap<GroupId, number>;

/** Reads the whole fleet, page by page: outside of any transaction. */
export async function newcomersUnder(
	repositories: Pick<Repositories, 'selection' | 'groups'>,
	change: GroupChange,
): Promise<Newcomers> {
	const gives = await repositories.groups.gives();
	const newcomers = new Map<GroupId, number>();
	// Where nobody is given anything there is no reason to look at everybody.
	if (![...gives.values()].some(({ defaultVersion, rollout }) => defaultVersion !== null || rollout !== null))
		return newcomers;
	for await (const { moves } of groupMoves(repositories, change)) {
		for (const { kind, from, to, subject } of moves) {
			const target = gives.get(to);
			if (target === undefined || !isGiven(target, subject.versionId)) continue;
			// An earlier change moves them, and their rollout is planned.
			const held = gives.get(from)?.holding === true || target.holding;
			if (held && kind === 'passes' && target.rollout === null) continue;
			newcomers.set(to, (newcomers.get(to) ?? 0) + 1);
		}
	}
	return newcomers;
}

/** Does the group change what an agent with this version runs. */
const isGiven = ({ defaultVersion, rollout }: GroupGives, versionId: VersionId | null): boolean =>
	(defaultVersion !== null && defaultVersion !== versionId) || (rollout !== null && rollout.versionId !== versionId);

/** Does the change have to wait for planned rollouts, by the size of the groups as they are. */
export async function areMass({ groups }: Pick<Repositories, 'groups'>, newcomers: Newcomers): Promise<boolean> {
	const gives = await groups.gives();
	return [...newcomers].some(([id, agents]) => isMass(agents, gives.get(id)?.members ?? 0));
}

/** Risks of a planned rollout that whoever makes the change takes. */
export type Consent = Pick<InputOf<'updateGroup'>, 'acceptNoWayBack' | 'acceptProtected'>;

interface Wanted {
	readonly group: GroupId;
	/** By id. */
	readonly version: VersionId;
	readonly agents: number;
	/** Its agents have still to come to the group. */
	readonly toCome: boolean;
	readonly consent: Consent;
}

/** A rollout that waits for a person, and makes its version the default; refused while another one of the group has not ended. */
export async function planRolloutOf(
	repositories: Repositories,
	caller: Caller,
	{ group, version, agents, toCome, consent }: Wanted,
): Outcome<PlannedRollout> {
	const own = { ...caller, idempotencyKey: null };
	const asked = { group, version, start: 'manual' as const, ...consent };
	const written = await writeRollout(repositories, own, asked, { setsDefault: true, unbound: toCome });
	if (!written.ok) return written;
	const { rollout, group: name, versionRef } = written.value.row;
	return ok({ rollout: rollout.id, group: name, version: versionRef, agents });
}

/** One for each group that gets newcomers; refused when a rollout under way would take many of them in by itself. */
export async function planRolloutsFor(
	repositories: Repositories,
	caller: Caller,
	{ newcomers, consent }: { newcomers: Newcomers; consent: Consent },
): Outcome<PlannedRollout[]> {
	const gives = await repositories.groups.gives();
	const planned: PlannedRollout[] = [];
	for (const [group, agents] of newcomers) {
		const { defaultVersion: version, rollout, members } = gives.get(group) ?? nothing;
		if (rollout !== null && isMass(agents, members)) return refuseTakenIn(repositories, rollout.id, agents);
		if (version === null) continue;
		const one = await planRolloutOf(repositories, caller, { group, version, agents, toCome: true, consent });
		if (!one.ok) return one;
		planned.push(one.value);
	}
	return ok(planned);
}

const nothing = { defaultVersion: null, rollout: null, members: 0 };

async function refuseTakenIn(repositories: Repositories, id: RolloutId, agents: number): Outcome<never> {
	const active = await repositories.rollouts.find(id);
	if (active === null) throw new Error('a rollout under way is not there');
	const { state } = active.rollout;
	const { group, versionRef: version } = active;
	const message = `the change would bring ${agents} agents to the group "${group}", and rollout ${id} of ${version}, which is ${state}, would take them in`;
	return refuse('rollout-active', message, { details: { rollout: id, state, group, agents } });
}
