import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '@ampora/runtime';
import { workspaceRoot } from './root.js';
import { Samples } from './samples.js';

export interface ServiceSpec {
	/** Unique in its stack: `gateway-1`. */
	readonly name: string;
	readonly service: 'gateway' | 'rollout-engine' | 'api';
	/** The settings; nothing of ours is taken from the environment of the caller. */
	readonly environment: Readonly<Record<string, string>>;
	/** Where /metrics and /health are. */
	readonly operationsUrl: string;
	readonly logFolder: string;
	readonly nodeArgs?: readonly string[];
}

/** What the process uses: bytes, and CPU time since it began. */
export interface Usage {
	readonly rss: number;
	readonly heapUsed: number;
	readonly external: number;
	readonly cpuUs: number;
}

interface UsageAnswer {
	readonly id: number;
	readonly usage: Usage;
}

const readyWithinMs = 60_000;
const lookEveryMs = 50;
const stopWithinMs = 30_000;
const probe = pathToFileURL(join(workspaceRoot, 'test/support/stack/probe.mjs')).href;

/** One service as users run it: its bundle in a process of its own, which can be killed and started again under the same name and ports. */
export class ServiceProcess {
	readonly name: string;
	readonly logFile: string;
	#child: ChildProcess | undefined;
	#nextId = 0;

	constructor(readonly spec: ServiceSpec) {
		this.name = spec.name;
		this.logFile = join(spec.logFolder, `${spec.name}.log`);
	}

	/** Where /metrics and /health are. */
	get operationsUrl(): string {
		return this.spec.operationsUrl;
	}

	get pid(): number {
		const pid = this.#child?.pid;
		if (pid === undefined) throw new Error(`${this.name} does not run`);
		return pid;
	}

	get running(): boolean {
		return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
	}

	/** Resolves when it says that it is ready. */
	async start(): Promise<void> {
		if (this.running) throw new Error(`${this.name} runs already`);
		const { service, environment, nodeArgs = [] } = this.spec;
		const main = join(workspaceRoot, 'services', service, 'dist/main.js');
		const log = openSync(this.logFile, 'a');
		const child = spawn(process.execPath, ['--enable-source-maps', '--import', probe, ...nodeArgs, main], {
			cwd: workspaceRoot,
			env: { ...outerEnvironment(), ...environment },
			stdio: ['ignore', log, log, 'ipc'],
		});
		closeSync(log);
		this.#child = child;
		child.channel?.unref();
		await this.#untilReady(child);
	}

	/** `kill -9`. */
	async kill(): Promise<void> {
		await this.#end('SIGKILL');
	}

	/** In order; rejects when it had to be forced or ended with a failure. */
	async stop(): Promise<void> {
		if (!this.running) return;
		const how = await this.#end('SIGTERM');
		if (how !== 0) throw new Error(`${this.name} was told to stop and ended with ${how}\n${this.tail()}`);
	}

	async restart(): Promise<void> {
		await this.kill();
		await this.start();
	}

	/** The figures of /metrics now. */
	async metrics(): Promise<Samples> {
		const response = await fetch(`${this.spec.operationsUrl}/metrics`);
		if (!response.ok) throw new Error(`${this.name} answers /metrics with ${response.status}`);
		return Samples.parse(await response.text());
	}

	/** Status and body of `/health/ready` or `/health/live`. */
	async health(which: 'live' | 'ready'): Promise<{ status: number; body: unknown }> {
		const response = await fetch(`${this.spec.operationsUrl}/health/${which}`);
		return { status: response.status, body: await response.json() };
	}

	/** `collect`: after a full collection, for which it has to be started with `--expose-gc`. */
	async usage({ collect = false } = {}): Promise<Usage> {
		const child = this.#child;
		if (!child) throw new Error(`${this.name} does not run`);
		const id = this.#nextId++;
		return new Promise((resolve, reject) => {
			const heard = (answer: UsageAnswer) => answer.id === id && settle(() => resolve(answer.usage));
			const gone = () => settle(() => reject(new Error(`${this.name} ended`)));
			const settle = (end: () => void) => {
				child.off('message', heard).off('exit', gone);
				child.channel?.unref();
				end();
			};
			child.on('message', heard).on('exit', gone);
			child.channel?.ref();
			child.send({ id, collect });
		});
	}

	/** The last lines it wrote. */
	tail(lines = 25): string {
		const all = readFileSync(this.logFile, 'utf8').trimEnd().split('\n');
		return [`--- ${this.logFile}`, ...all.slice(-lines)].join('\n');
	}

	async #untilReady(child: ChildProcess): Promise<void> {
		const deadline = performance.now() + readyWithinMs;
		while (!(await this.#isReady())) {
			const ended = child.exitCode !== null || child.signalCode !== null;
			if (ended || performance.now() > deadline) {
				const why = ended ? `ended with ${child.signalCode ?? child.exitCode}` : 'did not become ready';
				await this.kill();
				throw new Error(`${this.name} ${why}\n${this.tail()}`);
			}
			await systemClock.sleep(lookEveryMs);
		}
	}

	#isReady(): Promise<boolean> {
		return this.health('ready').then(
			({ status }) => status === 200,
			() => false,
		);
	}

	async #end(signal: NodeJS.Signals): Promise<NodeJS.Signals | number | null> {
		const child = this.#child;
		if (!child || !this.running) return null;
		const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
		child.kill(signal);
		const force = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
		const [code, by] = await exited;
		clearTimeout(force);
		return by ?? code;
	}
}

/** Without settings of ours and without what the test runner puts there. */
function outerEnvironment(): NodeJS.ProcessEnv {
	const kept = Object.entries(process.env).filter(
		([name]) => !/^(AMPORA_|TEST_|VITEST|NODE_OPTIONS$|NODE_ENV$)/.test(name),
	);
	return Object.fromEntries(kept);
}
