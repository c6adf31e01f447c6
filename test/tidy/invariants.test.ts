import { expect, test } from 'vitest';
import { files, textOf } from './tree.js';

const numbered = (letter: string, count: number): string[] =>
	Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

/** What dispatch and rollouts promise, by number. */
const invariants = [...numbered('D', 7), ...numbered('R', 16)];

const proofs = files.filter(
	(file) =>
		(file.endsWith('.test.ts') || /^test\/(simulation|contract|integration|e2e)\/.*\.ts$/.test(file)) &&
		!file.startsWith('test/tidy/'),
);
const cited = new Set(proofs.flatMap((file) => textOf(file).match(/\b[DR]\d+\b/g) ?? []));

test('every invariant is cited by a test', () => {
	expect(invariants.filter((id) => !cited.has(id))).toEqual([]);
});
