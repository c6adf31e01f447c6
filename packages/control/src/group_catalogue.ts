import {
	type ComponentCatalogue,
	type ComponentSection,
	componentCatalogue,
	componentSections,
} from '@ampora/collector-config';
import { ok } from '@ampora/runtime';
import type { Repositories } from '@ampora/store';
import type { Outcome } from './errors.js';
import { findAnyGroup } from './references.js';

/** What is known of the components of a group's agents. */
export interface GroupCatalogue {
	/** What all have that said what they have; null: none did. */
	readonly common: ComponentCatalogue | null;
	/** Some did not say. */
	readonly incomplete: boolean;
}

/** Null: nobody is in the group. */
export async function groupCatalogue(
	repositories: Pick<Repositories, 'groups' | 'catalogues'>,
	reference: string,
): Outcome<GroupCatalogue | null> {
	const group = await findAnyGroup(repositories, reference);
	if (!group.ok) return group;
	const builds = await repositories.catalogues.builds({ groupId: group.value.id });
	if (builds.length === 0) return ok(null);
	const catalogues = builds.map(({ components }) => componentCatalogue(components ?? {}));
	const told = catalogues.filter((catalogue) => catalogue !== null);
	return ok({ common: intersection(told), incomplete: told.length < catalogues.length });
}

function intersection([first, ...others]: readonly ComponentCatalogue[]): ComponentCatalogue | null {
	if (first === undefined) return null;
	const shared = (section: ComponentSection): ReadonlySet<string> =>
		new Set([...first[section]].filter((type) => others.every((other) => other[section].has(type))));
	const sections = componentSections.map((section) => [section, shared(section)] as const);
	return Object.fromEntries(sections) as ComponentCatalogue;
}
