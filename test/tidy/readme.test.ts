import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, root, textOf } from './tree.js';

const readme = textOf('README.md');
const made = new Set(['node_modules', 'dist']);
const foldersIn = (folder: string): string[] =>
	readdirSync(join(root, folder), { withFileTypes: true })
		.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !made.has(entry.name))
		.map((entry) => join(folder, entry.name));

/** The folders at the start of a table's rows: `| \`packages/store\` | …`. */
const mapped = [...readme.matchAll(/^\| `([\w./-]+?)\/?` \|/gm)].map(([, path]) => path ?? '');

test('the map names every member, and every folder at the top or something in it', () => {
	expect(['packages', 'services'].flatMap(foldersIn).filter((member) => !mapped.includes(member))).toEqual([]);
	const unnamed = foldersIn('').filter((top) => !mapped.some((path) => path === top || path.startsWith(`${top}/`)));
	expect(unnamed).toEqual([]);
});

test('what the map names is there', () => {
	expect(mapped.length).toBeGreaterThan(10);
	expect(mapped.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('links between documents lead somewhere', () => {
	const documents = files.filter((file) => file.endsWith('.md'));
	const links = documents.flatMap((file) =>
		[...textOf(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, target]) =>
			join(file, '..', target ?? ''),
		),
	);
	expect(links.filter((target) => !existsSync(join(root, target)))).toEqual([]);
});

test('the npm scripts it tells of are there', () => {
	const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
	const told = [...readme.matchAll(/npm (?:run )?([a-z][\w:]*)/g)].map(([, name]) => name ?? '');
	expect(told.length).toBeGreaterThan(3);
	expect(told.filter((name) => scripts[name] === undefined && name !== 'scripts')).toEqual([]);
});
