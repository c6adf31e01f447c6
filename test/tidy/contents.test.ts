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

test('the environment is read in one place, for the config.ts of every process', () => {
	const others = product.filter((file) => file !== 'packages/runtime/src/service.ts');
	expect(others.length).toBeGreaterThan(50);
	expect(linesMatching(others, /process\.env\b/)).toEqual([]);
});

/** Longer than that, a file has more than one subject. These were found so: each may only shrink. */
const linesMax = 600;
const longer: Readonly<Record<string, number>> = {};

test('files stay readable', () => {
	const sources = files.filter((file) => /^(packages|services|test|deploy)\/.*\.(ts|tsx|mjs|go)$/.test(file));
	const lengths = sources.map((file) => [file, textOf(file).split('\n').length] as const);
	expect(lengths.filter(([file, lines]) => lines > (longer[file] ?? linesMax))).toEqual([]);
	const stillLonger = new Set(lengths.filter(([, lines]) => lines > linesMax).map(([file]) => file));
	expect(Object.keys(longer).filter((file) => !stillLonger.has(file))).toEqual([]);
});
