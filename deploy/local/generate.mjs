// Everything that is made from something else: typed messages from proto/, and SQL and Lua files as modules, so that the same
// import works from source, in tests and in a bundle. The output (src/gen) is not committed.
import { execFileSync } from 'node:child_process';
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

const tsProto = 'esModuleInterop=true,importSuffix=.js,forceLong=bigint,oneof=unions-value,useExactTypes=false';

/**
 * Which part of proto/ becomes which folder, and how. Agents choose the keys of the protocol's maps, so those must be Map:
 * a plain object would take `__proto__` for something else; and its bytes stay plain Uint8Array.
 */
const protoTargets = [
	{
		path: 'opamp/v1',
		out: 'packages/opamp/src/gen',
		options: `${tsProto},env=both,outputServices=none,outputJsonMethods=false,useMapType=true`,
	},
	{ path: 'ampora/dispatch/v1', out: 'packages/dispatch/src/gen', options: `${tsProto},env=node,outputServices=none` },
	{
		path: 'ampora/rollout/v1',
		out: 'services/rollout-engine/src/gen',
		options: `${tsProto},env=node,outputServices=grpc-js`,
	},
];

/** Folders of text files that become one module of named strings: `claim_agent.lua` is exported as `claimAgent`. */
const textTargets = [
	{ from: 'packages/dispatch/lua', ext: '.lua', out: 'packages/dispatch/src/gen/lua.ts' },
	{ from: 'packages/store/sql', ext: '.sql', out: 'packages/store/src/gen/sql.ts' },
];

function generateProto(into, { path, out, options }) {
	if (!existsSync(join(root, 'proto', path))) return;
	const target = join(into, out);
	const fresh = mkdtempSync(join(tmpdir(), 'ampora-generate-'));
	try {
		const plugin = { local: join(root, 'node_modules/.bin/protoc-gen-ts_proto'), out: fresh, opt: options.split(',') };
		const template = JSON.stringify({ version: 'v2', plugins: [plugin] });
		execFileSync(
			join(root, 'node_modules/.bin/buf'),
			['generate', join(root, 'proto'), '--path', join(root, 'proto', path), '--template', template],
			{ cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
		);
		replaceChanged(fresh, target);
	} finally {
		rmSync(fresh, { recursive: true, force: true });
	}
}

const filesIn = (folder) =>
	existsSync(folder)
		? readdirSync(folder, { recursive: true, withFileTypes: true })
				.filter((entry) => entry.isFile())
				.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
		: [];

/** File by file, and only what differs: a process that reads the folder meanwhile never finds it empty. */
function replaceChanged(fresh, target) {
	const wanted = new Set(filesIn(fresh));
	for (const name of wanted) {
		const text = readFileSync(join(fresh, name), 'utf8');
		writeChanged(join(target, name), text);
	}
	for (const name of filesIn(target)) if (!wanted.has(name) && !addedHere.has(name)) rmSync(join(target, name));
}

/** Beside what the plugin makes, in the same folder. */
const addedHere = new Set(['descriptors.ts']);

function writeChanged(file, text) {
	if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
	mkdirSync(dirname(file), { recursive: true });
	const beside = `${file}.${process.pid}`;
	writeFileSync(beside, text);
	renameSync(beside, file);
}

/** The gRPC API: what server reflection answers from, and what messages of proto/ampora/fleet are written by. */
const apiDescriptors = { paths: ['ampora/rollout/v1', 'ampora/fleet/v1'], out: 'services/rollout-engine/src/gen' };

/** The compiled definitions as base64 of a FileDescriptorSet. */
function generateDescriptors(into, { paths, out }) {
	const descriptors = execFileSync(
		join(root, 'node_modules/.bin/buf'),
		[
			'build',
			join(root, 'proto'),
			...paths.flatMap((path) => ['--path', join(root, 'proto', path)]),
			'--as-file-descriptor-set',
			'-o',
			'-#format=binpb',
		],
		{ cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
	);
	writeChanged(
		join(into, out, 'descriptors.ts'),
		`/** ${paths.join(' and ')} as a FileDescriptorSet. */\nexport const descriptors = '${descriptors.toString('base64')}';\n`,
	);
}

const camelCase = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

function generateText(into, { from, ext, out }) {
	const folder = join(root, from);
	if (!existsSync(folder)) return;
	const exported = readdirSync(folder)
		.filter((name) => name.endsWith(ext))
		.sort()
		.map((name) => {
			const text = readFileSync(join(folder, name), 'utf8');
			return `/** ${from}/${name} */\nexport const ${camelCase(name.slice(0, -ext.length))} = ${JSON.stringify(text)};\n`;
		});
	writeChanged(join(into, out), exported.join('\n'));
}

/** drizzle-kit's migration folder as the list that drizzle's migrator takes. */
function generateMigrations(into) {
	const folder = join(root, 'packages/store/migrations');
	if (!existsSync(join(folder, 'meta/_journal.json'))) return;
	const journal = JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8'));
	const migrations = journal.entries.map((entry) => ({
		tag: entry.tag,
		when: entry.when,
		sql: readFileSync(join(folder, `${entry.tag}.sql`), 'utf8'),
	}));
	writeChanged(
		join(into, 'packages/store/src/gen/migrations.ts'),
		`/** The forward-only migrations of packages/store/migrations, oldest first. */\nexport const migrations: readonly { tag: string; when: number; sql: string }[] = ${JSON.stringify(migrations, null, '\t')};\n`,
	);
}

/** @param {string} [into] the folder that gets the output's folders: this tree, unless somebody wants to compare */
export function generate(into = root) {
	for (const target of protoTargets) generateProto(into, target);
	generateDescriptors(into, apiDescriptors);
	for (const target of textTargets) generateText(into, target);
	generateMigrations(into);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
