// Builds the agents of the interop tests into the user's cache folder, once per
// content of go/ and version of Go: cold this takes minutes and needs the Go module proxy, warm it
// only hashes a dozen files. As a program it prints the paths as JSON; with --tidy it works out
// collector/go.mod and go.sum anew after manifest.yaml has changed.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const sources = path.join(import.meta.dirname, 'go');
const exe = process.platform === 'win32' ? '.exe' : '';
const supervisorPackage = 'github.com/open-telemetry/opentelemetry-collector-contrib/cmd/opampsupervisor';
const builderPackage = 'go.opentelemetry.io/collector/cmd/builder';

/**
 * @param {{ say?: (line: string) => void }} [options] say hears progress lines; default: stderr
 * @returns {Promise<{ supervisor: string, collector: string, driver: string }>} absolute paths of the executables
 * @throws {Error} with words for a person: no Go, a failed build and the end of what Go said
 */
export async function buildInterop({ say = sayOnStderr } = {}) {
	const goVersion = await askGoVersion();
	const home = path.join(cacheHome(), await contentHash(goVersion));
	const built = pathsIn(path.join(home, 'bin'));
	if (await allExist(Object.values(built))) return built;

	say(`building the interop agents with ${goVersion}; this takes minutes, once`);
	await mkdir(home, { recursive: true });
	const scratch = await mkdtemp(path.join(home, 'building-'));
	try {
		await compileAll(scratch, say);
		await publish(path.join(scratch, 'bin'), path.join(home, 'bin'), Object.values(built));
	} finally {
		await rm(scratch, { recursive: true, force: true });
	}
	return built;
}

/** Lets the builder resolve the collector's modules again and keeps the result in go/collector. */
async function tidyCollector(say = sayOnStderr) {
	await askGoVersion();
	await mkdir(cacheHome(), { recursive: true });
	const scratch = await mkdtemp(path.join(cacheHome(), 'tidying-'));
	try {
		const generated = await generateCollector(scratch, say, []);
		for (const file of ['go.mod', 'go.sum']) {
			await copyFile(path.join(generated, file), path.join(sources, 'collector', file));
		}
	} finally {
		await rm(scratch, { recursive: true, force: true });
	}
}

async function compileAll(scratch, say) {
	await refuseStaleModules();
	const { supervisor, collector, driver } = pathsIn(path.join(scratch, 'bin'));
	await step(say, 'opamp-go driver', () => goBuild(path.join(sources, 'driver'), driver, '.'));
	await step(say, 'OpAMP supervisor', () => goBuild(path.join(sources, 'supervisor'), supervisor, supervisorPackage));
	const generated = await generateCollector(scratch, say, ['--skip-get-modules']);
	// The builder would resolve modules afresh; ours are pinned, sums included.
	for (const file of ['go.mod', 'go.sum']) {
		await copyFile(path.join(sources, 'collector', file), path.join(generated, file));
	}
	await step(say, 'collector', () => goBuild(generated, collector, '.'));
}

async function generateCollector(scratch, say, flags) {
	const builder = path.join(scratch, `builder${exe}`);
	await step(say, 'collector builder', () => goBuild(path.join(sources, 'builder'), builder, builderPackage));
	const manifest = path.join(sources, 'collector', 'manifest.yaml');
	const command = ['--config', manifest, '--skip-compilation', ...flags];
	await step(say, 'collector sources', () => run(builder, command, scratch));
	return path.join(scratch, 'generated'); // the manifest's output_path
}

/** A version changed in the manifest alone would be built in name only. */
async function refuseStaleModules() {
	const manifest = await readFile(path.join(sources, 'collector', 'manifest.yaml'), 'utf8');
	const modules = await readFile(path.join(sources, 'collector', 'go.mod'), 'utf8');
	const wanted = [...manifest.matchAll(/gomod: (\S+ \S+)/g)].map(([, module]) => module);
	const missing = wanted.filter((module) => !modules.includes(`\t${module}\n`));
	if (wanted.length === 0 || missing.length > 0) {
		const names = missing.join(', ') || 'anything';
		throw new Error(`go/collector/go.mod does not pin ${names}; run: node test/e2e/interop/build.mjs --tidy`);
	}
}

function goBuild(module, output, target) {
	return run('go', ['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', output, target], module);
}

async function step(say, name, work) {
	const startedAt = performance.now();
	const seconds = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
	const alive = setInterval(() => say(`  ${name}: still at it after ${seconds()}`), 15_000);
	try {
		await work();
		say(`  ${name}: ${seconds()}`);
	} finally {
		clearInterval(alive);
	}
}

async function askGoVersion() {
	try {
		return (await run('go', ['version'], sources)).trim();
	} catch (cause) {
		if (cause.code !== 'ENOENT') throw cause;
		const advice = 'install Go 1.25 or newer (https://go.dev/dl) and put it on PATH';
		throw new Error(`the interop agents are written in Go and there is no "go" on PATH: ${advice}`, { cause });
	}
}

async function contentHash(goVersion) {
	const hash = createHash('sha256').update(`${goVersion}\n${process.platform} ${process.arch}\n`);
	const files = await readdir(sources, { recursive: true });
	for (const file of files.filter((name) => /\.(go|mod|sum|yaml)$/.test(name)).sort()) {
		const content = await readFile(path.join(sources, file));
		hash.update(`${file.split(path.sep).join('/')} ${content.length}\n`).update(content);
	}
	hash.update(await readFile(fileURLToPath(import.meta.url)));
	return hash.digest('hex').slice(0, 16);
}

function cacheHome() {
	return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'ampora', 'interop');
}

function pathsIn(bin) {
	const at = (name) => path.join(bin, name + exe);
	return { supervisor: at('opampsupervisor'), collector: at('interop-collector'), driver: at('opamp-driver') };
}

async function allExist(files) {
	const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
	return found.every((entry) => entry?.isFile());
}

/** One rename makes the whole set visible; when two builds ran at once, the first one's stays. */
async function publish(from, to, expected) {
	try {
		await rename(from, to);
	} catch (cause) {
		if (!(await allExist(expected))) throw cause;
	}
}

/** Runs to the end and returns stdout. Rejects with the tail of what the program said. */
function run(command, args, cwd) {
	const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off', CGO_ENABLED: '0' };
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
		const said = { stdout: '', stderr: '' };
		for (const stream of ['stdout', 'stderr']) {
			child[stream].setEncoding('utf8').on('data', (text) => {
				said[stream] += text;
			});
		}
		child.on('error', reject);
		child.on('close', (code, signal) => {
			if (code === 0) return resolve(said.stdout);
			const words = `${said.stderr}${said.stdout}`.trim().split('\n').slice(-30).join('\n');
			const line = [path.basename(command), ...args].join(' ');
			reject(new Error(`${line} ended with ${signal ?? code}:\n${words}`));
		});
	});
}

function sayOnStderr(line) {
	process.stderr.write(`${line}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	try {
		if (process.argv.includes('--tidy')) await tidyCollector();
		else process.stdout.write(`${JSON.stringify(await buildInterop(), null, '\t')}\n`);
	} catch (error) {
		sayOnStderr(error instanceof Error ? error.message : String(error));
		process.exitCode = 1;
	}
}
