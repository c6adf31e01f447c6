import { expect, test } from 'vitest';
import { files } from './tree.js';

const sources = files.filter((file) => /^(packages|services|test|deploy)\//.test(file));

test('no file or folder is named after nothing in particular', () => {
	const empty = /(^|[/_.-])(utils?|helpers?|common|managers?|misc)(?=[/_.-]|$)/i;
	expect(files.filter((file) => empty.test(file))).toEqual([]);
});

test('TypeScript files are named in snake_case', () => {
	const typescript = sources.filter((file) => file.endsWith('.ts'));
	expect(typescript.length).toBeGreaterThan(50);
	expect(typescript.filter((file) => !/\/[a-z0-9_]+(\.[a-z]+)*\.ts$/.test(file))).toEqual([]);
});
