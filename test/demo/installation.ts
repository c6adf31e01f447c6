import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a standalone process writes down while it serves. */
export interface Running {
	readonly opamp: string;
	readonly api: string;
	readonly grpc: string;
	readonly operations: string;
	readonly tokens: { readonly admin: string; readonly enrollment: string };
}

export interface Installation extends Running {
	/** Drains and ends it; its data goes with it. */
	stop(): Promise<void>;
}

const bundle = fileURLToPath(new URL('../../services/standalone/dist/main.js', import.meta.url));
const startTimeoutMs = 120_000;

/** A standalone Ampora of the demo's own: free ports, a folder that goes away with it. */
export async function startInstallation(): Promise<Installation> {
	const folder = mkdtempSync(join(tmpdir(), 'ampora-demo-'));
	const data = join(folder, 'data');
	const ports = ['AMPORA_OPAMP_PORT', 'AMPORA_API_PORT', 'AMPORA_GRPC_PORT', 'AMPORA_OPERATIONS_PORT'];
	const child = spawn(process.execPath, [bundle], {
		env: { ...process.env, AMPORA_DATA: data, ...Object.fromEntries(ports.map((name) => [name, '0'])) },
		// Its own process group: Ctrl-C reaches the demo, which ends its parts in order.
		detached: true,
		stdio: ['ignore', 'pipe', 'inherit'],
	});
	const running = await untilRunning(child, data).catch((error: unknown) => {
		child.kill('SIGTERM');
		throw error;
	});
	return {
		...running,
		async stop() {
			await ended(child);
			rmSync(folder, { recursive: true, force: true });
		},
	};
}

function untilRunning(child: ChildProcess, data: string): Promise<Running> {
	return new Promise((resolve, reject) => {
		const late = setTimeout(() => reject(new Error('Ampora did not start in time')), startTimeoutMs);
		child.once('exit', (code) => reject(new Error(`Ampora ended while starting (exit code ${code})`)));
		// It prints its addresses once everything is there; the file with them is written just before.
		child.stdout?.once('data', () => {
			clearTimeout(late);
			resolve(JSON.parse(readFileSync(join(data, 'running.json'), 'utf8')) as Running);
		});
	});
}

function ended(child: ChildProcess): Promise<void> {
	return new Promise((resolve) => {
		if (child.exitCode !== null) return resolve();
		child.once('exit', () => resolve());
		child.kill('SIGTERM');
	});
}
