import {
	type ConfigDocument,
	type ConfigFile,
	type ConfigLimits,
	type ConfigList,
	type ConfigMap,
	type ConfigNode,
	type ConfigScalar,
	defaultLimits,
	mapNode,
} from './document.js';
import { type Finding, finding, formatPath, type Path, type Position } from './findings.js';
import { parseConfig } from './parse.js';
import { isExpanded, isRedacted, isZero, sameScalar } from './scalars.js';

/** One assigned setting that the agent does not run. Values are left out on purpose: they may be secrets. */
export interface Difference {
	/** As `formatPath` writes it. */
	readonly path: string;
	readonly what: 'missing' | 'differs';
	/** Where the assigned configuration says it. */
	readonly assigned: Position;
}

export type EffectiveMatch =
	| { readonly outcome: 'match' }
	/** The first differences in the order of the assigned configuration; `more` when there are others. */
	| { readonly outcome: 'mismatch'; readonly differences: readonly Difference[]; readonly more: boolean }
	/** One of the two does not parse (or is empty), or comparing them would cost too much. */
	| { readonly outcome: 'unreadable'; readonly which: 'assigned' | 'effective'; readonly findings: readonly Finding[] };

/** A parsed configuration, or its files. */
export type ConfigSource = ConfigDocument | readonly ConfigFile[];

const differencesMax = 20;
/** Pairs of values looked at; only long lists of unlike maps come near it. */
const comparisonsMax = 2_000_000;

/**
 * Compares by meaning: every setting of `assigned` has to be in `effective`, at the same path, with the same value; a list has to be
 * contained in the other, in any order. No mismatch are: what the agent's side adds, the order of maps, values the agent hides,
 * values with `${…}` on either side, and the ways a collector prints what it was given (`sameScalar`). A collector prints its settings
 * from typed structures, hence also: an assigned null stands for "the defaults" and is met by anything present; a zero value (`false`,
 * `0`, `""`, `[]`), or a non-empty section of nothing else, may be absent; a section switched off by `enabled: false` may be
 * empty or absent; a map may come as a list of `{name, value}`; a value of a type that cannot be printed comes as `{}`.
 */
export function effectiveMatches(
	assigned: ConfigSource,
	effective: ConfigSource,
	limits: ConfigLimits = defaultLimits,
): EffectiveMatch {
	const wanted = read(assigned, limits);
	if (!wanted.ok) return { outcome: 'unreadable', which: 'assigned', findings: wanted.findings };
	const reported = read(effective, limits);
	if (!reported.ok) return { outcome: 'unreadable', which: 'effective', findings: reported.findings };
	const comparison = new Comparison();
	try {
		comparison.node(wanted.document.root, reported.document.root, []);
	} catch (error) {
		if (!(error instanceof TooManyComparisons)) throw error;
		const message = `comparing takes more than ${comparisonsMax} steps: too many long lists of mappings`;
		const tooMany = finding('too-many-values', reported.document.root.at, message);
		return { outcome: 'unreadable', which: 'effective', findings: [tooMany] };
	}
	return comparison.result();
}

function read(source: ConfigSource, limits: ConfigLimits): ReturnType<typeof parseConfig> {
	return 'root' in source ? { ok: true, document: source, findings: [] } : parseConfig(source, limits);
}

class TooManyComparisons extends Error {}

class Comparison {
	readonly #differences: Difference[] = [];
	#budget = comparisonsMax;

	result(): EffectiveMatch {
		if (this.#differences.length === 0) return { outcome: 'match' };
		const differences = this.#differences.slice(0, differencesMax);
		return { outcome: 'mismatch', differences, more: this.#differences.length > differencesMax };
	}

	/** False as soon as something differs; differences are recorded unless `quiet`, which is for trying list items against each other. */
	node(assigned: ConfigNode, effective: ConfigNode | undefined, path: Path, quiet = false): boolean {
		this.#budget -= 1;
		if (this.#budget < 0) throw new TooManyComparisons();
		if (assigned.kind === 'scalar' && isExpanded(assigned.value)) return true;
		if (effective === undefined)
			return mayBeAbsent(assigned, path.length) || this.#record('missing', assigned, path, quiet);
		if (effective.kind === 'scalar' && (isExpanded(effective.value) || isRedacted(effective.value))) return true;
		if (assigned.kind === 'map') return this.#map(assigned, effective, path, quiet);
		if (assigned.kind === 'list') return this.#list(assigned, effective, path, quiet);
		return scalarMatches(assigned, effective) || this.#record('differs', assigned, path, quiet);
	}

	#map(assigned: ConfigMap, effective: ConfigNode, path: Path, quiet: boolean): boolean {
		const reported = asMap(effective);
		if (reported === undefined) return this.#record('differs', assigned, path, quiet);
		if (reported.entries.size === 0 && isSwitchedOff(assigned)) return true;
		let same = true;
		for (const [key, node] of assigned.entries) {
			if (!this.node(node, reported.entries.get(key), [...path, key], quiet)) same = false;
			if (!same && (quiet || this.#differences.length > differencesMax)) return false;
		}
		return same;
	}

	#list(assigned: ConfigList, effective: ConfigNode, path: Path, quiet: boolean): boolean {
		if (effective.kind === 'scalar' && effective.value === null && assigned.items.length === 0) return true;
		if (effective.kind !== 'list') return this.#record('differs', assigned, path, quiet);
		let same = true;
		assigned.items.forEach((item, index) => {
			if ((!same && quiet) || this.#isIn(item, index, effective, path)) return;
			same = this.#record('missing', item, [...path, index], quiet);
		});
		return same;
	}

	#isIn(item: ConfigNode, index: number, list: ConfigList, path: Path): boolean {
		// Most lists come back as they were sent: the same place first.
		const sameIndex = list.items[index];
		if (sameIndex !== undefined && this.node(item, sameIndex, path, true)) return true;
		return list.items.some((candidate) => candidate !== sameIndex && this.node(item, candidate, path, true));
	}

	#record(what: Difference['what'], assigned: ConfigNode, path: Path, quiet: boolean): false {
		if (!quiet && this.#differences.length <= differencesMax)
			this.#differences.push({ path: formatPath(path), what, assigned: assigned.at });
		return false;
	}
}

function scalarMatches(assigned: ConfigScalar, effective: ConfigNode): boolean {
	if (assigned.value === null) return true;
	if (effective.kind === 'map') return effective.entries.size === 0;
	if (effective.kind === 'list') return false;
	return sameScalar(assigned.value, effective.value) || (effective.value === null && isZero(assigned.value));
}

/** A component (`exporters.otlp`) or a part of `service` has to be there, whatever is in it. */
const componentDepth = 2;

function mayBeAbsent(assigned: ConfigNode, depth: number): boolean {
	if (assigned.kind === 'scalar') return isZero(assigned.value);
	if (assigned.kind === 'list') return assigned.items.length === 0;
	if (depth <= componentDepth || assigned.entries.size === 0) return false;
	return isSwitchedOff(assigned) || [...assigned.entries.values()].every((node) => mayBeAbsent(node, depth + 1));
}

function isSwitchedOff(section: ConfigMap): boolean {
	const enabled = section.entries.get('enabled');
	return enabled?.kind === 'scalar' && enabled.value === false;
}

/** A null stands for an empty section. Headers given as a map come back as a list of names and values. */
function asMap(node: ConfigNode): ConfigMap | undefined {
	if (node.kind === 'map') return node;
	if (node.kind === 'scalar') return node.value === null ? mapNode(new Map(), node.at) : undefined;
	const entries = new Map<string, ConfigNode>();
	for (const item of node.items) {
		if (item.kind !== 'map' || item.entries.size !== 2) return undefined;
		const name = item.entries.get('name');
		const value = item.entries.get('value');
		if (name?.kind !== 'scalar' || typeof name.value !== 'string' || value === undefined) return undefined;
		entries.set(name.value, value);
	}
	return mapNode(entries, node.at);
}
