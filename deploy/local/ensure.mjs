// Brings a fresh clone to where anything can run, and costs next to nothing when it is there already.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bundleAll } from './bundle.mjs';
import { root } from './child.mjs';
import { generate } from './generate.mjs';
import { withSetupLock } from './lock.mjs';
import { pnpm } from './pnpm.mjs';
import { step } from './progress.mjs';
import { filesUnder, unlessStamped } from './stamp.mjs';
import { memberFolders } from './workspace.mjs';

function checkNode() {
	const wanted = [20, 19];
	const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
	if (major > wanted[0] || (major === wanted[0] && minor >= wanted[1])) return;
	throw new Error(
		`Node ${wanted.join('.')} or newer is needed; this is ${process.versions.node} (${process.execPath}). Install a current one from https://nodejs.org and try again.`,
	);
}

const manifests = () => ['package.json', ...memberFolders().map((folder) => `${folder}/package.json`)];

async function install() {
	const inputs = () => ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests()];
	// pnpm writes this file last; folders of the members are made before it.
	const outputs = () => ['node_modules/.modules.yaml'].filter((file) => existsSync(join(root, file)));
	await unlessStamped('install', { inputs, outputs }, () =>
		step('install packages', async () => {
			await pnpm(['install', '--frozen-lockfile']);
		}),
	);
}

async function generateCode() {
	const inputs = () => [
		'deploy/local/generate.mjs',
		...['proto', 'packages/dispatch/lua', 'packages/store/sql', 'packages/store/migrations'].flatMap((path) =>
			filesUnder(path),
		),
	];
	const outputs = () => memberFolders().flatMap((folder) => filesUnder(`${folder}/src/gen`));
	await unlessStamped('generate', { inputs, outputs }, () => step('generate code', async () => generate()));
}

/**
 * Installs, generates and, unless told not to, builds.
 * @param {{ build?: boolean }} [options]
 */
export async function ensure({ build = true } = {}) {
	checkNode();
	await withSetupLock(async () => {
		await install();
		await generateCode();
		if (build) await bundleAll();
	});
}

/** @param {string} file from the root; a part of the product that is started by its bundle */
export function mustExist(file) {
	if (existsSync(join(root, file))) return join(root, file);
	throw new Error(`${file} is missing: nothing was built from its member's main.ts`);
}
