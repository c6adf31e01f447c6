// Whom a change of a selector or a priority would move. This is where "apply the moves" is decided from: the preview shows them, and
// whoever admits a change counts them.
import {
	compileSelector,
	type Due,
	type DynamicGroup,
	decideMove,
	reevaluate,
	type Standing,
	type Where,
} from '@ampora/policy';
import type { GroupId } from '@ampora/runtime';
import { type DynamicGroupRow, type PreviewSubject, type Repositories, ungroupedGroupId } from '@ampora/store';
import { factsOf } from './agent_facts.js';

/** A group as it would be. `selector` null: it becomes static, and keeps its members. */
export interface GroupChange {
	readonly id: GroupId;
	readonly selector: string | null;
	readonly priority: number;
	readonly createdAtMs: number;
	/** The selector is another than the stored one: what is known of it does not count. */
	readonly evaluate: boolean;
	/** It goes, and its members are in none. Absent: it does not. */
	readonly deleted?: true;
}

/** `comes`: into the group; `goes`: out of it; `passes`: from another to yet another, since this one holds it back no more. */
export interface GroupMove {
	readonly subject: PreviewSubject;
	readonly kind: 'comes' | 'goes' | 'passes';
	readonly from: GroupId;
	readonly to: GroupId;
}

export interface MovesPage {
	readonly moves: readonly GroupMove[];
	/** Agents for which the selector would error: they stay where they are unless another group decides. */
	readonly errors: number;
	/** One of these errors. */
	readonly errorExample: string | null;
	readonly agents: number;
	/** The last agent looked at. */
	readonly last: string | null;
}

const compiledOf = (source: string): DynamicGroup['selector'] => {
	const compiled = compileSelector(source);
	return compiled.ok ? compiled.value : null;
};

/** All dynamic groups as they would be. */
function groupsUnder(rows: readonly DynamicGroupRow[], change: GroupChange): DynamicGroup<GroupId>[] {
	const others = rows
		.filter(({ id }) => id !== change.id)
		.map(({ id, priority, createdAt, selector }) => ({
			...{ id, priority, createdAtMs: createdAt.getTime() },
			selector: compiledOf(selector),
		}));
	if (change.selector === null) return others;
	const { id, priority, createdAtMs, selector } = change;
	return [...others, { id, priority, createdAtMs, selector: compiledOf(selector) }];
}

function whereUnder({ where, groupId }: PreviewSubject, change: GroupChange): Where<GroupId> {
	if (groupId === change.id && change.deleted) return { kind: 'ungrouped' };
	if (groupId === change.id) return change.selector === null ? { kind: 'chosen' } : { kind: 'dynamic', id: groupId };
	return where === 'dynamic' ? { kind: where, id: groupId } : { kind: where };
}

/** Where each of these agents would go. Pure; only the changed group is evaluated, of the others what is known counts. */
export function movesUnder(
	groups: readonly DynamicGroup<GroupId>[],
	subjects: readonly PreviewSubject[],
	change: GroupChange,
): Pick<MovesPage, 'moves' | 'errors' | 'errorExample'> {
	const due: Due<GroupId> = change.evaluate ? { kind: 'group', id: change.id } : { kind: 'fields', fields: [] };
	const moves: GroupMove[] = [];
	let errors = 0;
	let errorExample: string | null = null;
	for (const subject of subjects) {
		const before: Standing<GroupId> | null =
			subject.matches === null ? null : { matches: subject.matches, errors: subject.errors ?? {} };
		const { standing } = reevaluate(groups, factsOf(subject), { standing: before, due });
		const error = standing.errors[change.id];
		if (error !== undefined) {
			errors += 1;
			errorExample ??= error;
		}
		const move = decideMove(groups, standing, whereUnder(subject, change));
		if (move.kind === 'stay') continue;
		const [from, to] = [subject.groupId, move.to ?? ungroupedGroupId];
		const kind = to === change.id ? 'comes' : from === change.id ? 'goes' : 'passes';
		// Whoever was never looked at is placed by what it said of itself, not by the change.
		if (kind !== 'passes' || before !== null) moves.push({ subject, kind, from, to });
	}
	return { moves, errors, errorExample };
}

const pageSize = 2_000;

/** Page by page over the whole fleet, in the order of agent ids, from behind `after`; others get their turn between two pages. */
export async function* groupMoves(
	{ selection }: Pick<Repositories, 'selection'>,
	change: GroupChange,
	after: string | null = null,
): AsyncGenerator<MovesPage> {
	const groups = groupsUnder(await selection.dynamicGroups(), change);
	for (let from = after; ; ) {
		const subjects = await selection.subjects(from, pageSize);
		const last = subjects.at(-1)?.agentId ?? null;
		yield { ...movesUnder(groups, subjects, change), agents: subjects.length, last };
		if (subjects.length < pageSize || last === null) return;
		from = last;
	}
}
