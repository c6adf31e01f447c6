import {
	type Alias,
	Composer,
	type Document,
	isAlias,
	isMap,
	isScalar,
	isSeq,
	Lexer,
	LineCounter,
	type Node,
	type Pair,
	Parser,
	type Scalar,
	type YAMLMap,
	type YAMLSeq,
} from 'yaml';
import {
	type ConfigFile,
	type ConfigLimits,
	type ConfigMap,
	type ConfigNode,
	type ConfigScalar,
	listNode,
	mapNode,
	type ScalarValue,
	scalarNode,
} from './document.js';
import { type Finding, type FindingCode, finding, type Path, type Position, startOf } from './findings.js';
import { resolvePlain } from './scalars.js';

const findingsMax = 50;
const coreTag = 'tag:yaml.org,2002:';

/** `root` is undefined when the file has no settings, or errors. */
export interface ParsedFile {
	readonly name: string;
	readonly root: ConfigMap | undefined;
	readonly findings: readonly Finding[];
}

/** Where values stand in the text of a file, from and to (exclusive), in UTF-16 units. */
export interface Spans {
	readonly values: Map<ConfigScalar, readonly [number, number]>;
	/** Where the text begins that no collector reads; null: it reads all. */
	unread: number | null;
}

/** `spans` is filled, where it is asked for. */
export function parseFile(file: ConfigFile, limits: ConfigLimits, spans?: Spans): ParsedFile {
	const findings: Finding[] = [];
	const failed = (): ParsedFile => ({ name: file.name, root: undefined, findings });
	const empty = (): ParsedFile => {
		findings.push(finding('empty-file', startOf(file.name), 'this file has no settings'));
		return failed();
	};
	const source = textOf(file);
	if (source === undefined) {
		findings.push(finding('not-utf8', startOf(file.name), 'this file is not UTF-8 text'));
		return failed();
	}
	const lines = new LineCounter();
	const at = (offset: number): Position => {
		const { line, col } = lines.linePos(offset);
		return { file: file.name, line, column: col };
	};
	const tokens = boundedTokens(source, lines, limits.depthMax);
	if ('deepAt' in tokens) {
		findings.push(finding('too-deep', at(tokens.deepAt), `nested more than ${limits.depthMax} levels deep`));
		return failed();
	}
	const document = composeOne(tokens.tokens, source, { at, findings, spans });
	if (document !== undefined) checkVersion(document, at, findings);
	if (document === undefined || hasErrors(findings)) return failed();
	if (document.contents === null) return empty();
	const reader = new NodeReader({ source, at, limits, findings, spans });
	const root = reader.read(document.contents as Node, []);
	if (hasErrors(findings) || root === undefined) return failed();
	if ((root.kind === 'scalar' && root.value === null) || (root.kind === 'map' && root.entries.size === 0))
		return empty();
	if (root.kind !== 'map') {
		const what = root.kind === 'list' ? 'a list' : 'a single value';
		findings.push(finding('not-a-mapping', root.at, `a collector configuration is a mapping, this file is ${what}`));
		return failed();
	}
	return { name: file.name, root, findings };
}

const hasErrors = (findings: readonly Finding[]): boolean => findings.some(({ severity }) => severity === 'error');

function textOf(file: ConfigFile): string | undefined {
	if (typeof file.body === 'string') return file.body;
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(file.body);
	} catch {
		return undefined;
	}
}

type Tokens = Parameters<Composer['compose']>[0];

/**
 * Stops reading at the depth limit, before composing: the composer recurses, and a few thousand brackets from an agent could end
 * the process (the engine's failure there cannot be caught).
 */
function boundedTokens(source: string, lines: LineCounter, depthMax: number): { tokens: Tokens } | { deepAt: number } {
	lines.addNewLine(0);
	const parser = new Parser(lines.addNewLine);
	const tokens = [];
	for (const lexeme of new Lexer().lex(source)) {
		for (const token of parser.next(lexeme)) tokens.push(token);
		// The document itself takes one place, and an open scalar another.
		if (parser.stack.length > depthMax + 2) return { deepAt: parser.offset };
	}
	for (const token of parser.end()) tokens.push(token);
	return { tokens };
}

interface Reading {
	readonly at: (offset: number) => Position;
	readonly findings: Finding[];
	readonly spans: Spans | undefined;
}

/** The first document, which is all that a collector reads. */
function composeOne(tokens: Tokens, source: string, { at, findings, spans }: Reading): Document.Parsed | undefined {
	// Failsafe: every scalar stays text, typed by resolvePlain. Duplicate keys are found in NodeReader, with their path.
	const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, prettyErrors: false });
	let first: Document.Parsed | undefined;
	for (const document of composer.compose(tokens, true, source.length)) {
		if (first !== undefined) {
			const [start] = document.range;
			const message = 'a second YAML document starts here, which a collector does not read';
			findings.push(finding('several-documents', at(start), message));
			if (spans !== undefined) spans.unread = start;
			break;
		}
		first = document as Document.Parsed;
		for (const error of document.errors.slice(0, findingsMax))
			findings.push(finding('yaml-syntax', at(error.pos[0]), error.message));
	}
	return first;
}

/** A collector's reader is of YAML 1.1 by name, and refuses files that say they are of another. */
function checkVersion({ directives }: Document.Parsed, at: (offset: number) => Position, findings: Finding[]): void {
	const { explicit, version } = directives?.yaml ?? {};
	if (explicit !== true || version === '1.1') return;
	findings.push(finding('yaml-syntax', at(0), `a collector refuses files of YAML ${version}: leave %YAML out`));
}

/** Turns the library's nodes into ours, in document order: anchors come before their aliases, and a later one of the same name wins. */
class NodeReader {
	readonly #source: string;
	readonly #at: (offset: number) => Position;
	readonly #limits: ConfigLimits;
	readonly #findings: Finding[];
	readonly #spans: Spans | undefined;
	/** undefined while the anchored node is still being read: an alias to it would be a cycle. */
	readonly #anchors = new Map<string, ConfigNode | undefined>();
	#values = 0;
	/** Brackets around what is being read. */
	#brackets = 0;

	constructor({ source, at, limits, findings, spans }: Reading & { source: string; limits: ConfigLimits }) {
		this.#source = source;
		this.#at = at;
		this.#limits = limits;
		this.#findings = findings;
		this.#spans = spans;
	}

	read(node: Node, path: Path, keyAt?: Position): ConfigNode | undefined {
		if (this.#findings.length >= findingsMax || this.#values > this.#limits.valuesMax) return undefined;
		const at = keyAt ?? this.#positionOf(node);
		if (isAlias(node)) return this.#alias(node, at, path);
		if (node.anchor !== undefined) this.#anchors.set(node.anchor, undefined);
		const read = this.#content(node, at, path);
		if (read !== undefined && node.anchor !== undefined) this.#anchors.set(node.anchor, read);
		return read;
	}

	#content(node: Node, at: Position, path: Path): ConfigNode | undefined {
		if (!this.#count(1, at, path)) return undefined;
		if (isMap(node) || isSeq(node)) {
			const brackets = node.flow === true ? 1 : 0;
			this.#brackets += brackets;
			const read = isMap(node) ? this.#map(node, at, path) : this.#list(node, at, path);
			this.#brackets -= brackets;
			return read;
		}
		this.#checkPlain(node as Scalar, path);
		const scalar = scalarNode(typed(node as Scalar), at);
		if (node.range) this.#spans?.values.set(scalar, [node.range[0], node.range[1]]);
		return scalar;
	}

	#alias(node: Alias, at: Position, path: Path): ConfigNode | undefined {
		const target = this.#anchors.get(node.source);
		if (target === undefined) {
			const known = this.#anchors.has(node.source);
			this.#report(
				'unknown-alias',
				at,
				path,
				known ? `*${node.source} contains itself` : `no anchor &${node.source} above`,
			);
			return undefined;
		}
		// Aliases of aliases grow exponentially: what counts is the expanded size.
		return this.#count(target.size, at, path) ? target : undefined;
	}

	#list(node: YAMLSeq, at: Position, path: Path): ConfigNode {
		const items: ConfigNode[] = [];
		node.items.forEach((item, index) => {
			const read = this.read(item as Node, [...path, index]);
			if (read !== undefined) items.push(read);
		});
		return listNode(items, at);
	}

	#map(node: YAMLMap, at: Position, path: Path): ConfigNode {
		const entries = new Map<string, ConfigNode>();
		const merged = new Map<string, ConfigNode>();
		let mergedAt: Position | undefined;
		for (const pair of node.items as Pair<Node, Node | null>[]) {
			if (!isScalar(pair.key)) {
				this.#report('bad-key', at, path, 'a key of this mapping is not plain text');
				continue;
			}
			const key = keyText(pair.key);
			const keyAt = this.#positionOf(pair.key);
			this.#checkPlain(pair.key, [...path, key]);
			this.#checkColon(pair.key, [...path, key]);
			const value = pair.value === null ? scalarNode(null, keyAt) : this.read(pair.value, [...path, key], keyAt);
			if (value === undefined) continue;
			if (key === '<<' && pair.key.type === 'PLAIN') {
				if (mergedAt === undefined) this.#mergeKey(value, merged, path);
				else this.#duplicate(key, mergedAt, keyAt, path);
				mergedAt = keyAt;
			} else if (entries.has(key)) this.#duplicate(key, entries.get(key)?.at, keyAt, path);
			else entries.set(key, value);
		}
		// Own keys win over merged ones.
		for (const [key, value] of merged) if (!entries.has(key)) entries.set(key, value);
		return mapNode(entries, at);
	}

	/** `<<: *base` and `<<: [*a, *b]`; the earlier source wins. */
	#mergeKey(value: ConfigNode, into: Map<string, ConfigNode>, path: Path): void {
		for (const source of value.kind === 'list' ? value.items : [value]) {
			if (source.kind !== 'map') {
				this.#report('yaml-syntax', value.at, path, '<< takes a mapping, or a list of mappings');
				return;
			}
			for (const [key, node] of source.entries) if (!into.has(key)) into.set(key, node);
		}
	}

	/** Within brackets the collector's reader ends an unquoted text at a `?`, and then finds no comma. */
	#checkPlain(node: Scalar, path: Path): void {
		const [start, end] = node.range ?? [0, 0];
		if (this.#brackets === 0 || node.type !== 'PLAIN' || !this.#source.slice(start, end).includes('?')) return;
		this.#report('yaml-syntax', this.#positionOf(node), path, 'within { } and [ ] a text with a ? needs quotes');
	}

	/** It takes the `:` of `{a:[b]}` for a part of the key. */
	#checkColon(key: Scalar, path: Path): void {
		if (this.#brackets === 0 || key.type !== 'PLAIN') return;
		colonWithoutBlank.lastIndex = key.range?.[1] ?? 0;
		if (colonWithoutBlank.test(this.#source))
			this.#report('yaml-syntax', this.#positionOf(key), path, 'within { } and [ ] a blank is needed behind the :');
	}

	#duplicate(key: string, first: Position | undefined, at: Position, path: Path): void {
		this.#report('duplicate-key', at, [...path, key], `"${key}" is already set on line ${first?.line ?? '?'}`);
	}

	#count(size: number, at: Position, path: Path): boolean {
		const before = this.#values;
		this.#values += size;
		if (this.#values <= this.#limits.valuesMax) return true;
		if (before <= this.#limits.valuesMax)
			this.#report('too-many-values', at, path, `more than ${this.#limits.valuesMax} values, aliases expanded`);
		return false;
	}

	#positionOf(node: Node): Position {
		return this.#at(node.range?.[0] ?? 0);
	}

	#report(code: FindingCode, at: Position, path: Path, message: string): void {
		if (this.#findings.length < findingsMax) this.#findings.push(finding(code, at, message, path));
	}
}

const colonWithoutBlank = /[ \t]*:[^\s]/y;

const keyText = (key: Scalar): string => String(key.value ?? '');

function typed(node: Scalar): ScalarValue {
	// The library makes values of its own of what has a tag it knows.
	const text = node.source ?? String(node.value ?? '');
	if (node.tag === undefined) return node.type === 'PLAIN' ? resolvePlain(text) : text;
	const explicit = ['null', 'bool', 'int', 'float', 'timestamp'].some((name) => node.tag === coreTag + name);
	return explicit ? resolvePlain(text) : text;
}
