import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a standalone process writes down while it serves. */
interface Running {
	readonly opamp: string;
	readonly api: string;
	readonly grpc: string;
	readonly operations: string;
	readonly tokens: { readonly admin: string; readonly enrollment: string };
}

export interface Installation extends Running {
	/** All that the process running now has printed so far. */
	printed(): string;
	/** Asks it to stop, and once it says that it does, a second time, as an impatient person does. Gives its exit code. */
	interrupt(): Promise<number | null>;
	/** Ends it, in order or on the spot, and starts it again on what it had: the same data, tokens and addresses. */
	restart(end?: 'in order' | 'killed'): Promise<number>;
	/** Process id of the server that holds the data; null: it was stopped in order. */
	postgresPid(): number | null;
	/** Starts another one on the same data, and tells how that ended. */
	startTwin(): Promise<{ readonly code: number | null; readonly stderr: string }>;
	/** Drains and ends it; its data goes with it. */
	stop(): Promise<void>;
}

const bundle = fileURLToPath(new URL('../../services/standalone/dist/main.js', import.meta.url));
const startTimeoutMs = 120_000;
const variables = {
	AMPORA_OPAMP_PORT: 'opamp',
	AMPORA_API_PORT: 'api',
	AMPORA_GRPC_PORT: 'grpc',
	AMPORA_OPERATIONS_PORT: 'operations',
} as const;

/** A standalone Ampora of the caller's own: free ports, a folder that goes away with it. */
export async function startInstallation(): Promise<Installation> {
	const folder = mkdtempSync(join(tmpdir(), 'ampora-installation-'));
	// Root's Postgres runs as somebody else, who has to get to its data.
	chmodSync(folder, 0o755);
	const data = join(folder, 'data');
	let child = launch(data, null);
	let printed = collect(child);
	const running = await untilRunning(child, data).catch(async (error: unknown) => {
		await ended(child);
		rmSync(folder, { recursive: true, force: true });
		throw error;
	});
	return {
		...running,
		printed: () => printed.join(''),
		async interrupt() {
			const exit = once(child, 'exit');
			const answered = child.stdout && once(child.stdout, 'data');
			child.kill('SIGINT');
			await answered;
			child.kill('SIGINT');
			return (await exit)[0] as number | null;
		},
		async restart(end = 'in order') {
			await ended(child, end === 'killed' ? 'SIGKILL' : 'SIGTERM');
			const startedAt = performance.now();
			child = launch(data, running);
			printed = collect(child);
			await untilRunning(child, data);
			return performance.now() - startedAt;
		},
		postgresPid() {
			const file = join(data, 'postgres/data/postmaster.pid');
			return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : null;
		},
		async startTwin() {
			const twin = launch(data, null, 'pipe');
			const parts: string[] = [];
			twin.stdout?.resume();
			twin.stderr?.on('data', (part) => parts.push(String(part)));
			const [code] = await once(twin, 'close');
			return { code, stderr: parts.join('') };
		},
		async stop() {
			await ended(child);
			rmSync(folder, { recursive: true, force: true });
		},
	};
}

/** What it prints, in parts, from now on. */
function collect({ stdout }: ChildProcess): readonly string[] {
	const parts: string[] = [];
	stdout?.on('data', (part) => parts.push(String(part)));
	return parts;
}

/** On the ports it had before, else on free ones. */
function launch(data: string, before: Running | null, stderr: 'inherit' | 'pipe' = 'inherit'): ChildProcess {
	const ports = Object.entries(variables).map(([variable, address]) => [
		variable,
		before === null ? '0' : (/:(\d+)(?:\/|$)/.exec(before[address])?.[1] ?? ''),
	]);
	const child = spawn(process.execPath, [bundle], {
		env: { ...process.env, AMPORA_DATA: data, ...Object.fromEntries(ports) },
		// Its own process group: Ctrl-C reaches its owner, which ends its parts in order.
		detached: true,
		stdio: ['ignore', 'pipe', stderr],
	});
	const endWithUs = () => child.kill('SIGTERM');
	process.once('exit', endWithUs);
	child.once('exit', () => process.off('exit', endWithUs));
	return child;
}

async function untilRunning(child: ChildProcess, data: string): Promise<Running> {
	const file = join(data, 'running.json');
	try {
		return await new Promise((resolve, reject) => {
			const late = setTimeout(() => reject(new Error('Ampora did not start in time')), startTimeoutMs);
			child.once('exit', (code) => reject(new Error(`Ampora ended while starting (exit code ${code})`)));
			// It prints its addresses once everything is there; the file with them is written just before.
			child.stdout?.on('data', function look() {
				if (!existsSync(file)) return;
				clearTimeout(late);
				child.stdout?.off('data', look);
				resolve(JSON.parse(readFileSync(file, 'utf8')) as Running);
			});
		});
	} catch (error) {
		child.kill('SIGTERM');
		throw error;
	}
}

async function ended(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exit = once(child, 'exit');
	child.kill(signal);
	await exit;
}
