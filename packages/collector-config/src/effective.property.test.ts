// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { effectiveMatches } from './effective.js';
import { parseConfig } from './parse.js';

type Tree = string | number | boolean | Tree[] | { [key: string]: Tree };
type Section = { [key: string]: Tree };

const key = fc.stringMatching(/^[a-z][a-z0-9_/.]{0,8}$/).filter((text) => text !== 'enabled' && text !== 'name');
/** No zero, hidden or expanded values: those have rules of their own. */
const scalar = fc.oneof(
	fc.integer({ min: 1, max: 1e9 }),
	fc.constant(true),
	fc.stringMatching(/^[a-z]{2,8}\.[a-z0-9:/]{1,10}$/),
	fc.constantFrom('5s', 'detailed', 'yes', '0x1f', '12', ' spaced ', 'two\nlines\n', '#no comment', ''.padEnd(3, '-')),
);
const { section } = fc.letrec<{ section: Section; value: Tree }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4, depthSize: 'small' },
		scalar,
		fc.array(scalar, { minLength: 1, maxLength: 4 }),
		fc.array(tie('section'), { minLength: 1, maxLength: 3 }),
		tie('section'),
	),
	section: fc.dictionary(key, tie('value'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
}));

const asFiles = (tree: Tree) => [{ name: '', body: stringify(tree) }];
const outcome = (assigned: Tree, effective: Tree) => effectiveMatches(asFiles(assigned), asFiles(effective)).outcome;

const isSection = (tree: Tree | undefined): tree is Section => typeof tree === 'object' && !Array.isArray(tree);

/** Every way down to a setting through maps. */
function settings(tree: Section, path: string[] = []): string[][] {
	return Object.entries(tree).flatMap(([step, value]) => [
		[...path, step],
		...(isSection(value) ? settings(value, [...path, step]) : []),
	]);
}

/** A copy with `change` applied to the section that holds the last step. */
function edited(tree: Section, path: string[], change: (holder: Section, step: string) => void): Section {
	const copy = structuredClone(tree);
	let holder = copy;
	for (const step of path.slice(0, -1)) holder = holder[step] as Section;
	change(holder, path.at(-1) ?? '');
	return copy;
}

function reversed(tree: Tree): Tree {
	if (Array.isArray(tree)) return tree.map(reversed).reverse();
	if (!isSection(tree)) return tree;
	return Object.fromEntries(
		Object.entries(tree)
			.map(([step, value]) => [step, reversed(value)] as const)
			.reverse(),
	);
}

const withSetting = section.chain((tree) => fc.tuple(fc.constant(tree), fc.constantFrom(...settings(tree))));

describe('effectiveMatches', () => {
	it('a configuration matches itself, in any order, in YAML and in JSON', () => {
		fc.assert(
			fc.property(section, (tree) => {
				expect(outcome(tree, tree)).toBe('match');
				expect(outcome(tree, reversed(tree))).toBe('match');
				expect(effectiveMatches(asFiles(tree), [{ name: 'x', body: JSON.stringify(tree) }]).outcome).toBe('match');
			}),
		);
	});

	it('order of maps never changes the outcome', () => {
		fc.assert(
			fc.property(section, section, (a, b) => {
				expect(outcome(reversed(a), reversed(b))).toBe(outcome(a, b));
			}),
		);
	});

	it('a setting that is gone, or another value, is a mismatch', () => {
		fc.assert(
			fc.property(withSetting, ([tree, path]) => {
				const gone = edited(tree, path, (holder, step) => delete holder[step]);
				expect(outcome(tree, { ...gone, kept: 1 })).toBe('mismatch');
				const other = edited(tree, path, (holder, step) => {
					holder[step] = 'another value';
				});
				expect(outcome(tree, other)).toBe('mismatch');
			}),
		);
	});

	it('a setting more is none', () => {
		fc.assert(
			fc.property(withSetting, section, ([tree, path], more) => {
				const added = edited(tree, path, (holder) => {
					for (const [step, value] of Object.entries(more)) holder[`${step}_added`] = value;
				});
				expect(outcome(tree, added)).toBe('match');
			}),
		);
	});

	it('hidden and expanded values are none', () => {
		fc.assert(
			fc.property(withSetting, fc.constantFrom('[REDACTED]', '${env:X}'), ([tree, path], hidden) => {
				const other = edited(tree, path, (holder, step) => {
					holder[step] = hidden;
				});
				expect(outcome(tree, other)).toBe('match');
			}),
		);
	});
});

describe('parseConfig', () => {
	const yamlish = fc.string({ unit: fc.constantFrom(...'ab1:-?[]{},&*!|>%@#"\'<~ \t\n\r\0'), maxLength: 60 });

	it('answers for any input, and says where', () => {
		fc.assert(
			fc.property(fc.oneof(yamlish, fc.uint8Array({ maxLength: 60 })), (body) => {
				const result = parseConfig([{ name: 'f', body }]);
				if (result.ok) expect(result.document.root.entries.size).toBeGreaterThan(0);
				else expect(result.findings.every(({ line, column }) => line > 0 && column > 0)).toBe(true);
				expect(result.ok).toBe(!result.findings.some(({ severity }) => severity === 'error'));
			}),
			{ numRuns: 2000 },
		);
	});
});
