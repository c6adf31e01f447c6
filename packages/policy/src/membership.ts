// Which group an agent belongs to, from which selectors match it.
//
// - A member of a static group was put there by somebody: no selector moves it.
// - Everybody else is in the dynamic group of the highest priority that matches, of several such groups in the oldest; in none, in
//   the built-in one.
// - A selector that errors may have meant to match: when it stands before the first that does, the agent stays where it is.
import type { AgentFacts, Field } from './agent_facts.js';
import type { Selector, Verdict } from './selector.js';

export interface DynamicGroup<Id extends string = string> {
	readonly id: Id;
	readonly priority: number;
	readonly createdAtMs: number;
	/** Null: what is stored is no selector of this version of Ampora; it errors for everybody. */
	readonly selector: Pick<Selector, 'reads' | 'evaluate'> | null;
}

/** What the last evaluations found. */
export interface Standing<Id extends string = string> {
	readonly matches: readonly Id[];
	/** Message by group. */
	readonly errors: Readonly<Partial<Record<Id, string>>>;
}

/** Where the agent is. `chosen`: in a static group. */
export type Where<Id extends string = string> =
	| { readonly kind: 'dynamic'; readonly id: Id }
	| { readonly kind: 'ungrouped' }
	| { readonly kind: 'chosen' };

/** `to`: null is the built-in group. `undecided`: the group whose selector errors. */
export type Move<Id extends string = string> =
	| { readonly kind: 'stay'; readonly undecided: Id | null }
	| { readonly kind: 'move'; readonly to: Id | null };

const before = <Id extends string>(a: DynamicGroup<Id>, b: DynamicGroup<Id>): number =>
	b.priority - a.priority || a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);

/** Where an agent of that standing belongs. */
export function decideMove<Id extends string>(
	groups: readonly DynamicGroup<Id>[],
	{ matches, errors }: Standing<Id>,
	where: Where<Id>,
): Move<Id> {
	if (where.kind === 'chosen') return { kind: 'stay', undecided: null };
	const matching = new Set(matches);
	const first = groups.toSorted(before).find(({ id }) => matching.has(id) || errors[id] !== undefined);
	if (first !== undefined && !matching.has(first.id)) return { kind: 'stay', undecided: first.id };
	const to = first?.id ?? null;
	const now = where.kind === 'dynamic' ? where.id : null;
	return to === now ? { kind: 'stay', undecided: null } : { kind: 'move', to };
}

/** What has to be evaluated anew. `fields`: the selectors that read one of them; none, when nothing changed but the groups. */
export type Due<Id extends string = string> =
	| { readonly kind: 'all' }
	| { readonly kind: 'fields'; readonly fields: readonly Field[] }
	| { readonly kind: 'group'; readonly id: Id };

function concerns<Id extends string>({ id, selector }: DynamicGroup<Id>, due: Due<Id>): boolean {
	if (due.kind === 'all') return true;
	if (due.kind === 'group') return due.id === id;
	const reads = selector?.reads;
	return due.fields.some(
		(field) => reads?.has(field) === true || (field.startsWith('attribute:') && reads?.has('attributes') === true),
	);
}

const unusable: Verdict = { kind: 'error', message: 'the stored selector cannot be used; set it again' };

/**
 * Evaluates what is due, and keeps what is known of the other groups. `standing` null: the agent was never looked at, and everything
 * is due. `evaluations`: how many that were.
 */
export function reevaluate<Id extends string>(
	groups: readonly DynamicGroup<Id>[],
	agent: AgentFacts,
	{ standing, due }: { standing: Standing<Id> | null; due: Due<Id> },
): { readonly standing: Standing<Id>; readonly evaluations: number } {
	const known = new Set(standing?.matches);
	const matches: Id[] = [];
	const errors: Partial<Record<Id, string>> = {};
	let evaluations = 0;
	for (const group of groups) {
		const { id, selector } = group;
		if (standing !== null && !concerns(group, due)) {
			if (known.has(id)) matches.push(id);
			const error = standing.errors[id];
			if (error !== undefined) errors[id] = error;
			continue;
		}
		evaluations += 1;
		const verdict = selector?.evaluate(agent) ?? unusable;
		if (verdict.kind === 'match') matches.push(id);
		if (verdict.kind === 'error') errors[id] = verdict.message;
	}
	return { standing: { matches: matches.sort(), errors }, evaluations };
}

export const sameStanding = (a: Standing, b: Standing): boolean =>
	a.matches.length === b.matches.length &&
	a.matches.every((id, at) => id === b.matches[at]) &&
	Object.keys(a.errors).length === Object.keys(b.errors).length &&
	Object.entries(a.errors).every(([id, message]) => b.errors[id] === message);
