import { expect, test } from 'vitest';
import { files, linesMatching, textOf } from './tree.js';

const text = files.filter((file) => !/\.(png|ico|woff2?|pb|bin|gz)$/.test(file));
const tests = files.filter((file) => file.endsWith('.test.ts'));
const product = files.filter(
	(file) => /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'),
);

test('no test is left out, and none runs alone', () => {
	expect(tests.length).toBeGreaterThan(10);
	expect(linesMatching(tests, /\.(only|skip|skipIf|runIf|todo)\s*[(.]/)).toEqual([]);
});

test('nothing names a place on one particular machine', () => {
	const others = text.filter((file) => file !== 'test/tidy/contents.test.ts');
	const place = /(?<![\w.~-])\/(work|home|Users|root|tmp)\/[\w.-]|[A-Z]:\\Users/;
	expect(linesMatching(others, place)).toEqual([]);
	expect(linesMatching(others, /\bregistry\.[a-z-]+\.(org|com|io|net)\b/)).toEqual([]);
});

test('the environment is read where a process starts, and given to its config.ts', () => {
	const starts = ['packages/runtime/src/service.ts', 'packages/cli/src/main.ts'];
	const others = product.filter((file) => !starts.includes(file));
	expect(others.length).toBeGreaterThan(50);
	expect(linesMatching(others, /process\.env\b/)).toEqual([]);
});

/** Longer than that, a file has more than one subject; a file of tests is a list, and may be longer. */
const linesMax = (file: string): number => (file.endsWith('.test.ts') ? 1_000 : 600);
/** Were longer when the limit came: file → its lines then. Each may only shrink, and leaves when it is short enough. */
const longer: Readonly<Record<string, number>> = {};

test('files stay readable', () => {
	const sources = files.filter((file) => /^(packages|services|test|deploy)\/.*\.(ts|tsx|mjs|go)$/.test(file));
	const lengths = sources.map((file) => [file, textOf(file).split('\n').length] as const);
	expect(lengths.filter(([file, lines]) => lines > (longer[file] ?? linesMax(file)))).toEqual([]);
	const stillLonger = new Set(lengths.filter(([file, lines]) => lines > linesMax(file)).map(([file]) => file));
	expect(Object.keys(longer).filter((file) => !stillLonger.has(file))).toEqual([]);
});
