// The members of the workspace, read from their manifests.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './child.mjs';

/** @returns {string[]} folders from the root: `packages/runtime`, … */
export function memberFolders() {
	const nested = ['packages', 'services'].flatMap((parent) =>
		existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : [],
	);
	return [...nested, 'test'].filter((folder) => existsSync(join(root, folder, 'package.json'))).sort();
}

/**
 * @param {string} folder
 * @returns {{ name: string, dependencies?: Record<string, string>, devDependencies?: Record<string, string> }}
 */
const manifest = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

/** The member itself and every member it depends on, directly or not. @param {string} folder @returns {string[]} */
export function closure(folder) {
	const byName = new Map(memberFolders().map((member) => [manifest(member).name, member]));
	const seen = new Set([folder]);
	for (const member of seen) {
		const { dependencies, devDependencies } = manifest(member);
		const names = Object.keys({ ...dependencies, ...(member === 'test' ? devDependencies : {}) });
		for (const name of names) {
			const found = byName.get(name);
			if (found) seen.add(found);
		}
	}
	return [...seen];
}
