import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Document, stringify } from 'yaml';
import { semanticHash } from './canonical.js';
import { applyEdits, diffConfigs } from './diff.js';
import type { ConfigDocument } from './document.js';
import { parseConfig } from './parse.js';

type Tree = null | string | number | boolean | Tree[] | { [key: string]: Tree };
type Section = { [key: string]: Tree };

const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);
const scalar = fc.oneof(
	fc.integer({ min: -5, max: 1e9 }),
	fc.boolean(),
	fc.constant(null),
	fc.constantFrom('60s', '1m', '', 'yes', '0x1f', '12', '1.0', ' spaced ', 'two\nlines\n', '# none', '-', 'null'),
	fc.stringMatching(/^[a-z]{1,6}$/),
);
const { section } = fc.letrec<{ section: Section; value: Tree }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4, depthSize: 'small' },
		scalar,
		fc.array(scalar, { maxLength: 5 }),
		fc.array(tie('section'), { maxLength: 3 }),
		tie('section'),
	),
	section: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));
const names = fc.uniqueArray(fc.constantFrom('otlp', 'nop', 'otlp/b', 'kafka', 'debug'), { maxLength: 4 });
const pipeline = fc.record({ receivers: names, processors: names, exporters: names });
/** With pipelines, whose lists are sets or not. */
const config = fc
	.record({
		rest: section,
		pipelines: fc.dictionary(fc.constantFrom('traces', 'logs', 'logs/b'), pipeline, { noNullPrototype: true }),
	})
	.map(({ rest, pipelines }): Section => ({ kept: 1, ...rest, service: { pipelines } }));

const read = (body: string): ConfigDocument => {
	const parsed = parseConfig([{ name: '', body }]);
	if (!parsed.ok) throw new Error(parsed.findings.map(({ message }) => message).join('; '));
	return parsed.document;
};
const readTree = (tree: Tree): ConfigDocument => read(stringify(tree));
const hashOf = (tree: Tree): string => semanticHash(readTree(tree));

const isSection = (tree: Tree | undefined): tree is Section =>
	typeof tree === 'object' && tree !== null && !Array.isArray(tree);

/** Other order of maps, and of the lists that are sets. */
function shuffled(tree: Tree, path: readonly string[] = []): Tree {
	if (Array.isArray(tree)) {
		const isSet = path.length === 4 && path[1] === 'pipelines' && path[3] !== 'processors';
		return isSet ? tree.toReversed() : tree.map((item) => shuffled(item, [...path, '']));
	}
	if (!isSection(tree)) return tree;
	const entries = Object.entries(tree).map(([step, value]) => [step, shuffled(value, [...path, step])] as const);
	return Object.fromEntries(entries.reverse());
}

/** The same, written another way: comments, quotes, flow style, indentation. */
function reformatted(tree: Tree, flow: boolean): string {
	const document = new Document(shuffled(tree));
	document.commentBefore = ' written another way';
	if (flow && document.contents !== null && 'flow' in document.contents) document.contents.flow = true;
	return document.toString({
		indent: 4,
		defaultStringType: flow ? 'QUOTE_DOUBLE' : 'QUOTE_SINGLE',
		defaultKeyType: 'PLAIN',
		lineWidth: 0,
	});
}

type Place = { readonly holder: Section | Tree[]; readonly step: string | number };

/** Every place a value stands in. */
function places(tree: Tree): Place[] {
	if (Array.isArray(tree)) return tree.flatMap((item, step) => [{ holder: tree, step }, ...places(item)]);
	if (!isSection(tree)) return [];
	return Object.entries(tree).flatMap(([step, value]) => [{ holder: tree, step }, ...places(value)]);
}

const valueAt = ({ holder, step }: Place): Tree | undefined =>
	Array.isArray(holder) ? holder[Number(step)] : holder[String(step)];

/** One edit of one place: another value, nothing, or something new beside it. */
function editOnce(tree: Section, at: number, how: 'change' | 'remove' | 'add'): Section {
	const copy = structuredClone(tree);
	const all = places(copy);
	const place = all[at % Math.max(1, all.length)];
	if (place === undefined || how === 'add') {
		const target = place !== undefined && isSection(valueAt(place)) ? (valueAt(place) as Section) : copy;
		target.added_here = 'new';
	} else if (how === 'remove') {
		if (Array.isArray(place.holder)) place.holder.splice(Number(place.step), 1);
		else delete place.holder[String(place.step)];
	} else if (Array.isArray(place.holder)) place.holder[Number(place.step)] = 'changed.here';
	else place.holder[String(place.step)] = 'changed.here';
	return copy;
}

const isInSet = ({ holder }: Place, tree: Section): boolean => {
	const pipelines = isSection(tree.service) ? tree.service.pipelines : null;
	if (!isSection(pipelines ?? null)) return false;
	return Object.values(pipelines as Section).some(
		(one) => isSection(one) && (one.receivers === holder || one.exporters === holder),
	);
};

describe('the semantic hash', () => {
	it('does not change when a configuration is only written another way', () => {
		fc.assert(
			fc.property(config, fc.boolean(), (tree, flow) => {
				expect(semanticHash(read(reformatted(tree, flow)))).toBe(hashOf(tree));
			}),
		);
	});

	it('changes with every edit of meaning', () => {
		fc.assert(
			fc.property(config, fc.nat(), fc.constantFrom('change', 'remove', 'add'), (tree, at, how) => {
				expect(hashOf(editOnce(tree, at, how))).not.toBe(hashOf(tree));
			}),
		);
	});

	it('is one for configurations without a difference, and only for those', () => {
		fc.assert(
			fc.property(config, config, (left, right) => {
				const edits = diffConfigs(readTree(left), readTree(right));
				expect(edits.length === 0).toBe(hashOf(left) === hashOf(right));
			}),
		);
	});
});

describe('a diff', () => {
	it('of a configuration with itself is empty', () => {
		fc.assert(
			fc.property(config, fc.boolean(), (tree, flow) => {
				expect(diffConfigs(readTree(tree), read(reformatted(tree, flow)))).toEqual([]);
			}),
		);
	});

	it('applied to the old leads to the new', () => {
		fc.assert(
			fc.property(config, config, (left, right) => {
				const [before, after] = [readTree(left), readTree(right)];
				expect(semanticHash(applyEdits(before, diffConfigs(before, after)))).toBe(semanticHash(after));
			}),
		);
	});

	it('of lists that lost and gained items leads from one to the other', () => {
		fc.assert(
			fc.property(fc.array(fc.constantFrom(1, 2, 3, 4)), fc.array(fc.constantFrom(1, 2, 3, 4)), (left, right) => {
				const [before, after] = [readTree({ a: { list: left } }), readTree({ a: { list: right } })];
				const edits = diffConfigs(before, after);
				expect(semanticHash(applyEdits(before, edits))).toBe(semanticHash(after));
			}),
		);
	});

	it('says one edit as one edit', () => {
		fc.assert(
			fc.property(config, fc.nat(), fc.constantFrom('change', 'remove', 'add'), (tree, at, how) => {
				const all = places(tree);
				const place = all[at % Math.max(1, all.length)];
				// Another item in a set is one that went and one that came.
				fc.pre(how !== 'change' || place === undefined || !isInSet(place, tree));
				expect(diffConfigs(readTree(tree), readTree(editOnce(tree, at, how)))).toHaveLength(1);
			}),
		);
	});
});
