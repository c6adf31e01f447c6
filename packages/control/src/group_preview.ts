import { type AnswerOf, type InputOf, uuidShape } from '@ampora/api-contract';
import { type GroupId, ok } from '@ampora/runtime';
import { type Repositories, ungroupedGroupId } from '@ampora/store';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { type Outcome, refuse } from './errors.js';
import { type GroupChange, type GroupMove, groupMoves } from './group_moves.js';
import { selectorErrorFix, usableSelector } from './group_view.js';
import type { ControlDeps } from './ports.js';
import { findAnyGroup } from './references.js';

type Answer = AnswerOf<'previewGroup'>;

/** The id of a group that does not exist yet. */
const newGroup = '00000000-0000-7000-8000-00000000ffff' as GroupId;

async function changeOf(
	{ store, clock }: ControlDeps,
	{ group, selector, priority }: InputOf<'previewGroup'>,
): Outcome<GroupChange> {
	const usable = usableSelector(selector ?? '');
	if (!usable.ok) return usable;
	if (group === undefined) {
		if (usable.value === null)
			return refuse('invalid-argument', 'a new group needs a selector to be previewed', {
				details: { field: 'selector' },
			});
		const at = { id: newGroup, createdAtMs: clock.nowMs() };
		return ok({ ...at, selector: usable.value, priority: priority ?? 0, evaluate: true });
	}
	const found = await findAnyGroup(store, group);
	if (!found.ok) return found;
	const { id, name, builtIn, createdAt, deletedAt } = found.value;
	if (builtIn) return refuse('group-not-a-target', `the group "${name}" is built in`, { details: { group: name } });
	const wanted = selector === undefined ? found.value.selector : usable.value;
	return ok({
		...{ id, selector: wanted, createdAtMs: createdAt.getTime() },
		priority: priority ?? found.value.priority,
		// Nobody kept up what a deleted one matches: this is who would come when it is restored.
		evaluate: wanted !== found.value.selector || deletedAt !== null,
	});
}

async function toItems(store: Repositories, moves: readonly GroupMove[], name: string): Promise<Answer['items']> {
	const gives = await store.groups.gives();
	// Newcomers of a group that gives nothing keep what they run.
	const givenBy = (id: GroupId) => gives.get(id)?.rollout?.versionId ?? gives.get(id)?.defaultVersion;
	const names = new Map((await store.selection.dynamicGroups()).map((row) => [row.id, row.name]));
	const ids = [...moves.map(({ subject }) => subject.versionId), ...moves.map(({ to }) => givenBy(to))];
	const refs = await store.configurations.versionRefs(ids.filter((id) => id != null));
	const refOf = (id: string | null | undefined) => (id ? (refs.get(id) ?? null) : null);
	return moves.map(({ subject, kind, to }) => ({
		agent: subject.agentId,
		instanceUid: subject.instanceUid,
		hostname: subject.hostname,
		change: kind,
		from: subject.groupName,
		to: kind === 'comes' ? name : to === ungroupedGroupId ? 'ungrouped' : (names.get(to) ?? to),
		runs: refOf(subject.versionId),
		wouldRun: refOf(givenBy(to)) ?? refOf(subject.versionId),
	}));
}

export const groupPreviewUseCases = (deps: ControlDeps) => ({
	/** Nothing is written. The first page counts over the whole fleet; the others only go on. */
	async previewGroup(_: Caller, input: InputOf<'previewGroup'>): Outcome<Answer> {
		const after = textAfter(input.cursor, uuidShape);
		if (!after.ok) return after;
		const change = await changeOf(deps, input);
		if (!change.ok) return change;
		const counts = { agents: 0, comes: 0, goes: 0, passes: 0, errors: 0 };
		let errorExample: string | null = null;
		const shown: GroupMove[] = [];
		for await (const page of groupMoves(deps.store, change.value, after.value)) {
			counts.agents += page.agents;
			counts.errors += page.errors;
			errorExample ??= page.errorExample;
			for (const move of page.moves) {
				counts[move.kind] += 1;
				if (shown.length <= input.limit) shown.push(move);
			}
			if (after.value !== null && shown.length > input.limit) break;
		}
		const moves = shown.slice(0, input.limit);
		const last = moves.at(-1)?.subject.agentId;
		return ok({
			counts:
				after.value === null
					? { ...counts, errorExample, errorFix: errorExample && selectorErrorFix(errorExample) }
					: null,
			items: await toItems(deps.store, moves, input.group ?? '(new)'),
			nextCursor: shown.length > input.limit && last !== undefined ? textCursor(last) : null,
		});
	},
});
