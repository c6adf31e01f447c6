import { type CanonicalTexts, canonicalText, compareText, isSet } from './canonical.js';
import {
	type ConfigDocument,
	type ConfigList,
	type ConfigMap,
	type ConfigNode,
	listNode,
	mapNode,
} from './document.js';
import { formatPath, type Path } from './findings.js';
import { pipelineUses, rolesOf, usesByComponent } from './pipelines.js';
import { isSecretAt, type ShownValue, shownValue } from './secrets.js';

export type EditOp = 'add' | 'remove' | 'change' | 'reorder';

/** What an edit concerns. */
export type EditKind =
	| 'receiver'
	| 'processor'
	| 'exporter'
	| 'connector'
	| 'extension'
	| 'pipeline'
	| 'telemetry'
	| 'service'
	| 'other';

/**
 * One difference in meaning. In a list an `add` stands at its index in the new list, a `remove` at its index in the old one; items of
 * a set (`receivers` and `exporters` of a pipeline) stand there by their text. A `reorder` has the whole lists.
 */
export interface Edit {
	readonly op: EditOp;
	readonly keys: Path;
	readonly before: ConfigNode | null;
	readonly after: ConfigNode | null;
	readonly kind: EditKind;
	/** Ids of the pipelines it touches, before or after, sorted. */
	readonly pipelines: readonly string[];
	/** Something on the way there, before or after, says that it is a secret. */
	readonly secret: boolean;
}

/** An edit as people and programs see it: values that secret-bearing keys hold are hidden. */
export interface ShownEdit {
	readonly op: EditOp;
	/** As `formatPath` writes it. */
	readonly path: string;
	readonly before: ShownValue;
	readonly after: ShownValue;
	readonly kind: EditKind;
	readonly pipelines: readonly string[];
}

export const showEdit = ({ op, keys, before, after, kind, pipelines, secret }: Edit): ShownEdit => ({
	op,
	path: formatPath(keys),
	before: before === null ? null : shownValue(before, keys, secret),
	after: after === null ? null : shownValue(after, keys, secret),
	kind,
	pipelines,
});

type Raw = Pick<Edit, 'op' | 'keys' | 'before' | 'after'>;

interface Found {
	readonly edits: Raw[];
	readonly texts: CanonicalTexts;
}

/** Everything that differs in meaning, in the order of the paths; empty exactly when the semantic hashes are equal. */
export function diffConfigs(before: ConfigDocument, after: ConfigDocument): readonly Edit[] {
	const found: Found = { edits: [], texts: new WeakMap() };
	compareNodes(before.root, after.root, [], found);
	const uses = [...pipelineUses(before), ...pipelineUses(after)];
	const all = sortedIds(uses.map(({ pipeline }) => pipeline));
	const using = usesByComponent(uses);
	return found.edits.map((edit) => ({
		...edit,
		kind: kindOf(edit.keys),
		pipelines: pipelinesOf(edit, { all, using }),
		secret: isSecretAt(before.root, edit.keys) || isSecretAt(after.root, edit.keys),
	}));
}

function compareNodes(before: ConfigNode, after: ConfigNode, path: Path, found: Found): void {
	if (before === after) return;
	if (before.kind === 'map' && after.kind === 'map') compareMaps(before, after, path, found);
	else if (before.kind === 'list' && after.kind === 'list') {
		if (isSet(path)) compareSets(before, after, path, found);
		else compareLists(before, after, path, found);
	} else if (canonicalText(before, path, found.texts) !== canonicalText(after, path, found.texts)) {
		found.edits.push({ op: 'change', keys: path, before, after });
	}
}

function compareMaps(before: ConfigMap, after: ConfigMap, path: Path, found: Found): void {
	const keys = [...new Set([...before.entries.keys(), ...after.entries.keys()])].sort(compareText);
	for (const key of keys) {
		const keysTo = [...path, key];
		const [left, right] = [before.entries.get(key), after.entries.get(key)];
		if (left !== undefined && right !== undefined) compareNodes(left, right, keysTo, found);
		else if (left !== undefined) found.edits.push({ op: 'remove', keys: keysTo, before: left, after: null });
		else if (right !== undefined) found.edits.push({ op: 'add', keys: keysTo, before: null, after: right });
	}
}

/** An item that is in a set twice counts twice: the hash sees it too. */
function compareSets(before: ConfigList, after: ConfigList, path: Path, found: Found): void {
	const left = keyed(before, path, found);
	const right = keyed(after, path, found);
	const keys = ({ node, text }: Keyed): Path => [...path, node.kind === 'scalar' ? String(node.value) : text];
	for (const item of without(left, right))
		found.edits.push({ op: 'remove', keys: keys(item), before: item.node, after: null });
	for (const item of without(right, left))
		found.edits.push({ op: 'add', keys: keys(item), before: null, after: item.node });
}

interface Keyed {
	readonly node: ConfigNode;
	readonly text: string;
}

const keyed = ({ items }: ConfigList, path: Path, { texts }: Found): readonly Keyed[] =>
	items.map((node, index) => ({ node, text: canonicalText(node, [...path, index], texts) }));

function without(items: readonly Keyed[], taken: readonly Keyed[]): readonly Keyed[] {
	const counts = new Map<string, number>();
	for (const { text } of taken) counts.set(text, (counts.get(text) ?? 0) + 1);
	const left = items.filter(({ text }) => {
		const count = counts.get(text) ?? 0;
		counts.set(text, count - 1);
		return count <= 0;
	});
	return left.toSorted((a, b) => compareText(a.text, b.text));
}

function compareLists(before: ConfigList, after: ConfigList, path: Path, found: Found): void {
	const left = keyed(before, path, found);
	const right = keyed(after, path, found);
	const start = commonLength(left, right);
	const end = commonLength(left.slice(start).reverse(), right.slice(start).reverse());
	const [from, to] = [left.slice(start, left.length - end), right.slice(start, right.length - end)];
	if (from.length === 0 && to.length === 0) return;
	if (from.length === to.length && without(from, to).length === 0) {
		found.edits.push({ op: 'reorder', keys: path, before, after });
	} else if (from.length === to.length) {
		from.forEach(({ node }, index) => {
			const other = to[index];
			if (other !== undefined) compareNodes(node, other.node, [...path, start + index], found);
		});
	} else compareLengths(from, to, { path, start }, found);
}

function commonLength(left: readonly Keyed[], right: readonly Keyed[]): number {
	const until = left.findIndex(({ text }, index) => text !== right[index]?.text);
	return until === -1 ? Math.min(left.length, right.length) : until;
}

/** Items that came and went, by the longest common subsequence; lists too long for that differ as far as their ends are not alike. */
function compareLengths(
	from: readonly Keyed[],
	to: readonly Keyed[],
	{ path, start }: { readonly path: Path; readonly start: number },
	found: Found,
): void {
	const [keptFrom, keptTo] = commonItems(from, to);
	from.forEach(({ node }, index) => {
		if (!keptFrom.has(index))
			found.edits.push({ op: 'remove', keys: [...path, start + index], before: node, after: null });
	});
	to.forEach(({ node }, index) => {
		if (!keptTo.has(index)) found.edits.push({ op: 'add', keys: [...path, start + index], before: null, after: node });
	});
}

const cellsMax = 1_000_000;

/** Indexes of the items both lists keep, in order. */
function commonItems(
	from: readonly Keyed[],
	to: readonly Keyed[],
): readonly [ReadonlySet<number>, ReadonlySet<number>] {
	const kept = [new Set<number>(), new Set<number>()] as const;
	if (from.length * to.length > cellsMax) return kept;
	const width = to.length + 1;
	const lengths = new Uint32Array((from.length + 1) * width);
	const at = (row: number, column: number): number => lengths[row * width + column] ?? 0;
	for (let row = from.length - 1; row >= 0; row -= 1) {
		for (let column = to.length - 1; column >= 0; column -= 1) {
			const same = from[row]?.text === to[column]?.text;
			lengths[row * width + column] = same
				? at(row + 1, column + 1) + 1
				: Math.max(at(row + 1, column), at(row, column + 1));
		}
	}
	for (let row = 0, column = 0; row < from.length && column < to.length; ) {
		if (from[row]?.text === to[column]?.text) {
			kept[0].add(row++);
			kept[1].add(column++);
		} else if (at(row + 1, column) >= at(row, column + 1)) row += 1;
		else column += 1;
	}
	return kept;
}

const kinds: Readonly<Partial<Record<string, EditKind>>> = {
	receivers: 'receiver',
	processors: 'processor',
	exporters: 'exporter',
	connectors: 'connector',
	extensions: 'extension',
};

function kindOf([section, part]: Path): EditKind {
	if (section === 'service') return part === 'pipelines' ? 'pipeline' : part === 'telemetry' ? 'telemetry' : 'service';
	return kinds[String(section)] ?? 'other';
}

interface Uses {
	readonly all: readonly string[];
	readonly using: ReturnType<typeof usesByComponent>;
}

function pipelinesOf({ keys, before, after }: Raw, { all, using }: Uses): readonly string[] {
	const [section, part, id] = keys;
	if (section === 'service' && part === 'pipelines') {
		if (typeof id === 'string') return [id];
		const named = [before, after].flatMap((node) => (node?.kind === 'map' ? [...node.entries.keys()] : []));
		return [...new Set(named)].sort(compareText);
	}
	if (section === 'service' && part === undefined) return all;
	if (kinds[String(section)] === undefined) return [];
	const ids =
		typeof part === 'string'
			? [part]
			: [before, after].flatMap((node) => (node?.kind === 'map' ? [...node.entries.keys()] : []));
	return sortedIds(ids.flatMap((id) => rolesOf(String(section)).flatMap((role) => using(role, id))));
}

const sortedIds = (ids: readonly string[]): readonly string[] => [...new Set(ids)].sort(compareText);

/** The configuration that `edits`, made by `diffConfigs(before, …)`, lead to; it has the hash of the one they were made from. */
export function applyEdits(before: ConfigDocument, edits: readonly Edit[]): ConfigDocument {
	const root = applyAt(before.root, [], edits);
	if (root.kind !== 'map') throw new Error('the root of a configuration is a map');
	return { root };
}

const startsWith = (keys: Path, path: Path): boolean => path.every((key, index) => keys[index] === key);

function applyAt(node: ConfigNode, path: Path, edits: readonly Edit[]): ConfigNode {
	const own = edits.filter(({ keys }) => startsWith(keys, path));
	if (own.length === 0) return node;
	const replaced = own.find(({ keys, op }) => keys.length === path.length && (op === 'change' || op === 'reorder'));
	if (replaced?.after) return replaced.after;
	if (node.kind === 'map') return applyToMap(node, path, own);
	if (node.kind === 'list') return isSet(path) ? applyToSet(node, path, own) : applyToList(node, path, own);
	return node;
}

function applyToMap(node: ConfigMap, path: Path, edits: readonly Edit[]): ConfigMap {
	const entries = new Map<string, ConfigNode>();
	for (const [key, value] of node.entries) entries.set(key, applyAt(value, [...path, key], edits));
	for (const { op, keys, after } of edits) {
		const key = keys[path.length];
		if (keys.length !== path.length + 1 || typeof key !== 'string') continue;
		if (op === 'remove') entries.delete(key);
		if (op === 'add' && after !== null) entries.set(key, after);
	}
	return mapNode(entries, node.at);
}

function applyToSet(node: ConfigList, path: Path, edits: readonly Edit[]): ConfigList {
	const text = (item: ConfigNode): string => canonicalText(item, [...path, 0]);
	const items = [...node.items];
	for (const { op, before, after } of edits) {
		if (op === 'remove' && before !== null) {
			const index = items.findIndex((item) => text(item) === text(before));
			if (index >= 0) items.splice(index, 1);
		}
		if (op === 'add' && after !== null) items.push(after);
	}
	return listNode(items, node.at);
}

function applyToList(node: ConfigList, path: Path, edits: readonly Edit[]): ConfigList {
	const own = edits.filter(({ keys }) => keys.length === path.length + 1);
	const gone = new Set(own.filter(({ op }) => op === 'remove').map(({ keys }) => keys[path.length]));
	const items = node.items
		.map((item, index) => applyAt(item, [...path, index], edits))
		.filter((_, index) => !gone.has(index));
	for (const { op, keys, after } of own) {
		const index = keys[path.length];
		if (op === 'add' && after !== null && typeof index === 'number') items.splice(index, 0, after);
	}
	return listNode(items, node.at);
}
