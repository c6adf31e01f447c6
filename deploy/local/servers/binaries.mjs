// Server programs on this machine. A name on the PATH may be a client or a wrapper, so each is asked what it is.
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { capture } from '../child.mjs';

const onPath = () => (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');

/**
 * The first of `names` that is what it should be.
 * @param {readonly string[]} names
 * @param {RegExp} isServer matched against what `--version` prints
 * @returns {Promise<{ path: string, version: string } | undefined>}
 */
export async function findServer(names, isServer) {
	const candidates = names.flatMap((name) =>
		[...onPath(), '/usr/sbin', '/usr/local/sbin'].map((folder) => join(folder, name)),
	);
	for (const path of new Set(candidates)) {
		if (!existsSync(path)) continue;
		const { code, output } = await capture(path, ['--version'], { timeoutMs: 5_000 });
		if (code === 0 && isServer.test(output)) return { path, version: output.trim().split('\n')[0] ?? '' };
	}
	return undefined;
}

/** Folders that may hold a Postgres server, the newest packaged one first. @returns {string[]} */
export function postgresFolders() {
	const packaged = '/usr/lib/postgresql';
	const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : [];
	return [...versions.map((version) => join(packaged, version, 'bin')), ...onPath()];
}
