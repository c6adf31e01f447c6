import { createHash } from 'node:crypto';
import type { ConfigDocument, ConfigNode, ConfigScalar } from './document.js';
import type { Path } from './findings.js';
import { Timestamp } from './timestamp.js';

/**
 * One text per meaning: two configurations a collector cannot tell apart have the same, any other two do not. The document is merged,
 * its anchors resolved and its scalars typed already; here the order of maps goes, and that of `receivers` and `exporters` of a
 * pipeline, which are sets. `key:` without a value stays a key, `${…}` stays text, and `60s` and `1m` are two texts.
 */
const canonicalForm = ({ root }: ConfigDocument): string => canonicalText(root, []);

/** SHA-256 of the canonical form, in hex: equal for versions of the same meaning. */
export const semanticHash = (document: ConfigDocument): string =>
	createHash('sha256').update(canonicalForm(document)).digest('hex');

/** Texts made before, for comparing lists level by level: without them, lists in lists would be written again at each. */
export type CanonicalTexts = WeakMap<ConfigNode, string>;

/** The canonical text of a value at its path, which decides whether its order means anything. */
export function canonicalText(node: ConfigNode, path: Path, texts?: CanonicalTexts): string {
	// Deeper than any set the text is the same wherever an alias puts it.
	const cache = node.kind !== 'scalar' && path.length > setDepth ? texts : undefined;
	const text = cache?.get(node) ?? textOf(node, path, texts);
	cache?.set(node, text);
	return text;
}

function textOf(node: ConfigNode, path: Path, texts: CanonicalTexts | undefined): string {
	switch (node.kind) {
		case 'scalar':
			return scalarText(node);
		case 'map': {
			const keys = [...node.entries.keys()].sort(compareText);
			const entries = keys.map((key) => {
				const value = node.entries.get(key);
				return value === undefined ? '' : `${JSON.stringify(key)}:${canonicalText(value, [...path, key], texts)}`;
			});
			return `{${entries.join()}}`;
		}
		case 'list': {
			const items = node.items.map((item, index) => canonicalText(item, [...path, index], texts));
			return `[${(isSet(path) ? items.sort(compareText) : items).join()}]`;
		}
	}
}

/** `1` and `1.0` are a whole number and a float to a collector, and two texts here; so are a moment and its text in quotes. */
function scalarText({ value }: ConfigScalar): string {
	if (typeof value === 'number') return `float ${Object.is(value, -0) ? '-0' : value}`;
	if (value instanceof Timestamp) return `time ${value.instant}`;
	return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

const setDepth = 4;

/** `service.pipelines.<id>.receivers` and `.exporters`: a collector reads them as sets; processors run in their order. */
export const isSet = (path: Path): boolean =>
	path.length === setDepth &&
	path[0] === 'service' &&
	path[1] === 'pipelines' &&
	(path[3] === 'receivers' || path[3] === 'exporters');

/** By UTF-16 unit: the same everywhere, unlike an order by language. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
