import { factsOf } from '@ampora/control';
import {
	compileSelector,
	type Due,
	type DynamicGroup,
	decideMove,
	type Field,
	reevaluate,
	type Selector,
	type Standing,
	sameStanding,
	type Where,
} from '@ampora/policy';
import type { AgentId, GroupId } from '@ampora/runtime';
import {
	type Selection,
	type SelectorRow,
	type SelectorSubject,
	type SelectorWork,
	ungroupedGroupId,
} from '@ampora/store';

/** The dynamic groups, compiled; an expression is compiled once for as long as some group has it. */
export class CompiledGroups {
	#selectors = new Map<string, Selector | null>();

	compile(rows: readonly SelectorRow[]): DynamicGroup<GroupId>[] {
		const selectors = new Map<string, Selector | null>();
		for (const { selector } of rows) selectors.set(selector, this.#selector(selector));
		this.#selectors = selectors;
		return rows.map(({ id, priority, createdAtMs, selector }) => ({
			...{ id, priority, createdAtMs },
			selector: selectors.get(selector) ?? null,
		}));
	}

	#selector(source: string): Selector | null {
		const known = this.#selectors.get(source);
		if (known !== undefined) return known;
		const compiled = compileSelector(source);
		return compiled.ok ? compiled.value : null;
	}
}

export const dueOf = ({ changed }: SelectorWork): Due<GroupId> =>
	changed === null ? { kind: 'all' } : { kind: 'fields', fields: changed as readonly Field[] };

export const dueInSweep = ({ id, sweep }: SelectorRow): Due<GroupId> =>
	sweep?.kind === 'evaluate' ? { kind: 'group', id } : { kind: 'fields', fields: [] };

const whereOf = ({ where, groupId }: SelectorSubject): Where<GroupId> =>
	where === 'dynamic' ? { kind: where, id: groupId } : { kind: where };

const standingOf = ({ matches, errors }: SelectorSubject): Standing<GroupId> | null =>
	matches === null ? null : { matches: matches.toSorted(), errors: errors ?? {} };

/** Looks at each agent, and says of whom there is something to write. */
export function lookAt(
	groups: readonly DynamicGroup<GroupId>[],
	subjects: readonly SelectorSubject[],
	dueFor: (agentId: AgentId) => Due<GroupId>,
): { readonly selections: readonly Selection[]; readonly evaluations: number } {
	const selections: Selection[] = [];
	let evaluations = 0;
	for (const subject of subjects) {
		const before = standingOf(subject);
		const looked = reevaluate(groups, factsOf(subject), { standing: before, due: dueFor(subject.agentId) });
		evaluations += looked.evaluations;
		const move = decideMove(groups, looked.standing, whereOf(subject));
		const same = before !== null && sameStanding(before, looked.standing);
		if (same && move.kind === 'stay') continue;
		selections.push({
			agentId: subject.agentId,
			foundIn: subject.groupId,
			moveTo: move.kind === 'move' ? (move.to ?? ungroupedGroupId) : null,
			standing: same ? null : (looked.standing as Selection['standing']),
		});
	}
	return { selections, evaluations };
}
