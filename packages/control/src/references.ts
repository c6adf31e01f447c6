// What callers name by id or by name, found.
import { uuidShape } from '@ampora/api-contract';
import { type AgentId, ok } from '@ampora/runtime';
import type { GroupRow, Repositories } from '@ampora/store';
import { notFound, type Outcome, refuse } from './errors.js';

type Groups = Pick<Repositories, 'groups'>;

/** Deleted ones too: for what is only read. */
export async function findAnyGroup({ groups }: Groups, reference: string): Outcome<GroupRow> {
	const row = await groups.find(uuidShape.test(reference) ? { id: reference } : { name: reference });
	return row === null ? notFound('group', reference, 'ampora groups list') : ok(row);
}

const deleted = ({ name }: GroupRow) =>
	refuse('group-deleted', `the group "${name}" was deleted`, {
		details: { group: name },
		action: `Bring it back with: ampora groups restore ${name}`,
	});

export async function findGroup(repositories: Groups, reference: string): Outcome<GroupRow> {
	const found = await findAnyGroup(repositories, reference);
	return found.ok && found.value.deletedAt !== null ? deleted(found.value) : found;
}

/** A group that nobody deletes before the transaction ends. */
export async function holdGroup(repositories: Groups, reference: string): Outcome<GroupRow> {
	const found = await findGroup(repositories, reference);
	return !found.ok || (await repositories.groups.hold(found.value.id)) ? found : deleted(found.value);
}

const unknownShown = 5;

/** Internal ids of agents given by id or instance uid, each once; refuses when one fits nobody. */
export async function resolveAgents(
	{ agents }: Pick<Repositories, 'agents'>,
	references: readonly string[],
): Outcome<readonly AgentId[]> {
	const given = references.map((reference) => reference.toLowerCase());
	const wellFormed = given.filter((reference) => uuidShape.test(reference));
	const ids = await agents.resolve(wellFormed);
	const unknown = given.filter((reference) => !ids.has(reference));
	if (unknown.length === 0) return ok([...new Set(ids.values())]);
	const named = unknown.slice(0, unknownShown).join(', ');
	const more = unknown.length > unknownShown ? ` and ${unknown.length - unknownShown} more` : '';
	return refuse('not-found', `no such agent: ${named}${more}`, {
		details: { kind: 'agent', unknown: unknown.slice(0, 100) },
		action: 'Name agents by id or instance uid; ampora agents list shows them.',
	});
}
