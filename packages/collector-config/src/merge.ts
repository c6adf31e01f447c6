import { type ConfigMap, type ConfigNode, mapNode } from './document.js';

export interface NamedRoot {
	readonly name: string;
	readonly root: ConfigMap;
}

/**
 * Merges files as the collector's confmap does: in name order with '' last, maps deeply, everything else replaced by the later file.
 * A later `key:` without a value is a null and replaces too; it does not remove the key. Undefined when there is no file.
 */
export function mergeFiles(files: readonly NamedRoot[]): ConfigMap | undefined {
	const ordered = [...files].sort((a, b) => compareNames(a.name, b.name));
	return ordered.reduce<ConfigMap | undefined>(
		(merged, { root }) => (merged === undefined ? root : mergeMaps(merged, root)),
		undefined,
	);
}

function mergeMaps(under: ConfigMap, over: ConfigMap): ConfigMap {
	const entries = new Map(under.entries);
	for (const [key, node] of over.entries) entries.set(key, mergeNodes(entries.get(key), node));
	return mapNode(entries, under.at);
}

function mergeNodes(under: ConfigNode | undefined, over: ConfigNode): ConfigNode {
	return under?.kind === 'map' && over.kind === 'map' ? mergeMaps(under, over) : over;
}

/** By code point, which is the byte order of UTF-8 that Go sorts by; '' comes last. */
function compareNames(a: string, b: string): number {
	if (a === b) return 0;
	if (a === '' || b === '') return a === '' ? 1 : -1;
	const left = [...a];
	const right = [...b];
	for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
		const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0);
		if (difference !== 0) return difference;
	}
	return left.length - right.length;
}
