// What a plan binds to, and what of it has changed since.
import { createHash } from 'node:crypto';
import { type Approval, type Calendar, canonicalJson, type RolloutSpec, voidedBy } from '@ampora/rollout';

/** What a rollout binds to: everything that was decided, and nothing that merely was so at the time. */
export interface Terms {
	readonly group: string;
	/** Null: its members are chosen by hand. */
	readonly selector: string | null;
	readonly contentHash: string;
	/** Without the time at which it starts. */
	readonly spec: RolloutSpec;
	/** Windows, and freezes that are not over. Absent in plans from before they were terms. */
	readonly calendar?: Calendar;
	readonly risks: readonly string[];
}

/** Without what a plan adds by itself: that is named as a risk. */
export function askedOf({ strategy: { firstAgentAlone: _, ...strategy }, ...spec }: RolloutSpec): RolloutSpec {
	return { ...spec, strategy };
}

export const digestOf = (terms: Terms): string => createHash('sha256').update(canonicalJson(terms)).digest('hex');

/** What somebody agreed to. */
export interface Bound extends Approval, NonNullable<Approval['grounds']> {
	readonly spec: RolloutSpec;
}

/** What is so now. */
export interface Current {
	readonly terms: Terms;
	/** Components that agents lack, each a class of its own. */
	readonly lacking: readonly string[];
	readonly eligible: number;
	readonly nowMs: number;
}

/** What is no longer as it was planned, in words; empty: it binds. */
export function changesSince(before: Bound, now: Current): readonly string[] {
	// A group that opens in time is what was waited for.
	const goneRisks = before.risks.filter((risk) => risk !== 'no-window' && !now.terms.risks.includes(risk));
	return [
		...voidedBy(before, now),
		...groundsChanged(before, now),
		...goneRisks.map((risk) => `a risk that is no more: ${risk}`),
	];
}

/**
 * The same without what the rollout core judges by itself, how many agents there are and the time; and a risk that has gone, while
 * nobody was there to look at it, keeps nothing from starting.
 */
export function groundsChanged(before: Bound, { terms, lacking, nowMs }: Current): readonly string[] {
	const newRisks = terms.risks.filter((risk) => !before.risks.includes(risk));
	const newLacking = lacking.filter((component) => !before.lacking.includes(component));
	const changed = (what: string, a: unknown, b: unknown): readonly string[] => (isSame(a, b) ? [] : [what]);
	return [
		...changed('the selector of the group is another one', before.selector, terms.selector),
		...changed('how it would be done has changed', askedOf(before.spec), askedOf(terms.spec)),
		...calendarChanges(before.calendar, terms.calendar, nowMs),
		...newRisks.map((risk) => `a new risk: ${risk}`),
		...newLacking.map((component) => `agents that lack ${component} have come`),
	];
}

const isSame = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b);

/** A freeze that ended meanwhile is no change. */
function calendarChanges(before: Calendar | undefined, now: Calendar | undefined, nowMs: number): readonly string[] {
	if (before === undefined || now === undefined) return [];
	const ahead = ({ freezes }: Calendar) => freezes.filter(({ untilMs }) => untilMs > nowMs);
	return [...named('change window', before.windows, now.windows), ...named('freeze', ahead(before), ahead(now))];
}

/** `the change window "nights" was changed` */
function named<Thing extends { readonly name: string }>(
	what: string,
	before: readonly Thing[],
	now: readonly Thing[],
): readonly string[] {
	const names = [...new Set([...before, ...now].map(({ name }) => name))].sort();
	return names.flatMap((name) => {
		const [was, is] = [before, now].map((all) => all.find((one) => one.name === name));
		if (was !== undefined && is !== undefined && isSame(was, is)) return [];
		const how = was === undefined ? 'was added' : is === undefined ? 'was taken away' : 'was changed';
		return [`the ${what} "${name}" ${how}`];
	});
}
