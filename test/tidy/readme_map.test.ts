import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root, textOf } from './tree.js';

const made = new Set(['node_modules', 'dist', 'gen']);
const foldersIn = (folder: string): string[] =>
	readdirSync(join(root, folder), { withFileTypes: true })
		.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !made.has(entry.name))
		.map((entry) => join(folder, entry.name));

/** The folders that the README's map names: `packages/` at the margin, `  store/` below it. */
function mapped(readme: string): string[] {
	const map = (readme.match(/```[^\n]*\n[\s\S]*?```/g) ?? []).find((block) => /^packages\//m.test(block)) ?? '';
	let parent = '';
	return map.split('\n').flatMap((line) => {
		const [, indent, name] = /^(\s*)([\w.-]+)\//.exec(line) ?? [];
		if (name === undefined) return [];
		if (indent === '') parent = name;
		return [indent === '' ? name : join(parent, name)];
	});
}

test('the map in the README is the tree', () => {
	if (!existsSync(join(root, 'README.md'))) return;
	const tree = [...foldersIn(''), ...['packages', 'services', 'test'].flatMap(foldersIn)];
	const explained = mapped(textOf('README.md')).filter((path) => !/^(deploy|proto)\//.test(path));
	expect(explained.sort()).toEqual(tree.sort());
});
