// No other way in: a selector, priority or default that would change what more than a few agents run does nothing by itself; it becomes
// a rollout per group, which somebody looks at and starts.
import type { InputOf, PlannedRollout } from '@ampora/api-contract';
import { type GroupId, ok, type VersionId } from '@ampora/runtime';
import type { Repositories } from '@ampora/store';
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';
import { type GroupChange, groupMoves } from './group_moves.js';
import { writeRollout } from './rollout_create.js';

const agentsMax = 10;
const percentMax = 1;

/** More than 10 agents, or more than 1 % of the group they are in or come to. */
export const isMass = (agents: number, members: number): boolean =>
	agents > agentsMax || 100 * agents > percentMax * members;

/** By group: how many agents would come to it that do not run its default. Groups without a default are left out: nothing is given there. */
export type Newcomers = ReadonlyMap<GroupId, number>;

/** Reads the whole fleet, page by page: outside of any transaction. */
export async function newcomersUnder(
	repositories: Pick<Repositories, 'selection' | 'groups'>,
	change: GroupChange,
): Promise<Newcomers> {
	const defaults = await repositories.groups.defaults();
	const newcomers = new Map<GroupId, number>();
	// Without any default nobody is given anything: no reason to look at everybody.
	if (defaults.size === 0) return newcomers;
	for await (const { moves } of groupMoves(repositories, change)) {
		for (const { to, subject } of moves) {
			const wanted = defaults.get(to);
			if (wanted !== undefined && wanted.versionId !== subject.versionId)
				newcomers.set(to, (newcomers.get(to) ?? 0) + 1);
		}
	}
	return newcomers;
}

/** Does the change have to wait for planned rollouts, by the size of the groups as they are. */
export async function areMass({ groups }: Pick<Repositories, 'groups'>, newcomers: Newcomers): Promise<boolean> {
	const defaults = await groups.defaults();
	return [...newcomers].some(([id, agents]) => isMass(agents, defaults.get(id)?.members ?? 0));
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

/** One for each group that gets newcomers. */
export async function planRolloutsFor(
	repositories: Repositories,
	caller: Caller,
	{ newcomers, consent }: { newcomers: Newcomers; consent: Consent },
): Outcome<PlannedRollout[]> {
	const defaults = await repositories.groups.defaults();
	const planned: PlannedRollout[] = [];
	for (const [group, agents] of newcomers) {
		const version = defaults.get(group)?.versionId;
		if (version === undefined) continue;
		const one = await planRolloutOf(repositories, caller, {
			group,
			version,
			agents,
			toCome: true,
			consent,
		});
		if (!one.ok) return one;
		planned.push(one.value);
	}
	return ok(planned);
}
