// Work that was done once for the same inputs is not done again: a stamp keeps the hash of what went in and what came out.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './child.mjs';

export const cache = join(root, 'node_modules/.cache/ampora');

const ignored = new Set(['node_modules', '.git']);

/**
 * Every file under `path` (a folder or a file, from the root), sorted; nothing when it is not there.
 * @param {string} path
 * @param {(path: string) => boolean} [wanted]
 * @returns {string[]}
 */
export function filesUnder(path, wanted = () => true) {
	const stats = statSync(join(root, path), { throwIfNoEntry: false });
	if (!stats) return [];
	if (!stats.isDirectory()) return wanted(path) ? [path] : [];
	return readdirSync(join(root, path))
		.filter((name) => !ignored.has(name))
		.sort()
		.flatMap((name) => filesUnder(`${path}/${name}`, wanted));
}

function hashOf(files) {
	const hash = createHash('sha256');
	for (const file of files)
		hash
			.update(`${file}\0`)
			.update(readFileSync(join(root, file)))
			.update('\0');
	return hash.digest('hex');
}

/**
 * Calls `work` unless it was done before with the same inputs and its outputs are still what it made then.
 * @param {string} name of the stamp
 * @param {{ inputs: () => string[], outputs: () => string[] }} files both from the root
 * @param {() => Promise<void>} work
 */
export async function unlessStamped(name, { inputs, outputs }, work) {
	const stamp = join(cache, `${name}.stamp`);
	const current = () => `${hashOf(inputs())} ${hashOf(outputs())}`;
	if (existsSync(stamp) && readFileSync(stamp, 'utf8') === current()) return;
	await work();
	mkdirSync(cache, { recursive: true });
	writeFileSync(stamp, current());
}
