import type { ConfigDocument } from './document.js';

/** The sections of a configuration that name components; a catalogue has the same. */
export const componentSections = ['receivers', 'processors', 'exporters', 'connectors', 'extensions'] as const;
export type ComponentSection = (typeof componentSections)[number];

/** The types of components that a build of a collector has, by section: what it says of itself. */
export type ComponentCatalogue = { readonly [Section in ComponentSection]: ReadonlySet<string> };

/**
 * Whether an agent has what a configuration needs. `components`: what it lacks, written `receivers/otlp`, in the order of the sections
 * and then of their first appearance. Unknown is never compatible: nobody can say.
 */
export type Compatibility =
	| { readonly kind: 'has' }
	| { readonly kind: 'lacks'; readonly components: readonly string[] }
	| { readonly kind: 'unknown' };

/**
 * A catalogue from types listed by section, as agents report them; other sections are ignored, and a missing one is empty. Null when
 * no type is listed at all: such an agent has not said what it has.
 */
export function componentCatalogue(
	listed: Readonly<Partial<Record<string, readonly string[]>>>,
): ComponentCatalogue | null {
	if (componentSections.every((section) => (listed[section] ?? []).length === 0)) return null;
	const types = (section: ComponentSection): ReadonlySet<string> => new Set(listed[section]);
	return {
		receivers: types('receivers'),
		processors: types('processors'),
		exporters: types('exporters'),
		connectors: types('connectors'),
		extensions: types('extensions'),
	};
}

/**
 * The component types a configuration needs, each once, written `receivers/otlp`. Those that no pipeline uses count: a collector that
 * does not know the type of a configured component does not start.
 */
export function neededComponents({ root }: ConfigDocument): readonly string[] {
	return componentSections.flatMap((section) => {
		const configured = root.entries.get(section);
		if (configured?.kind !== 'map') return [];
		const types = new Set(Array.from(configured.entries.keys(), typeOf));
		return Array.from(types, (type) => `${section}/${type}`);
	});
}

/** Null: the agent has no catalogue. */
export function compatibility(document: ConfigDocument, catalogue: ComponentCatalogue | null): Compatibility {
	if (catalogue === null) return { kind: 'unknown' };
	const available = new Set(
		componentSections.flatMap((section) => Array.from(catalogue[section], (type) => `${section}/${type}`)),
	);
	const lacking = neededComponents(document).filter((component) => !available.has(component));
	return lacking.length === 0 ? { kind: 'has' } : { kind: 'lacks', components: lacking };
}

/** `otlp/backup` is a component of type `otlp`; blanks around either half do not count. */
const typeOf = (id: string): string => id.slice(0, id.includes('/') ? id.indexOf('/') : undefined).trim();
