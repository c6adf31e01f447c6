import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AgentState, FleetCalls, FleetLine, FleetOp, OfferedText } from './calls.js';
import type { TelemetryRule } from './exporter.js';
import type { Cohort, FleetOptions, Selection } from './fleet.js';
import type { FleetEvent, FleetStats, OfferRecord } from './ledger.js';
import type { BehaviourRule } from './outcome.js';

export interface FleetProcessOptions extends FleetOptions {
	/** main.ts or a bundle of it. When absent: the one beside this module, be that source or a bundle. */
	readonly entry?: string;
	/** Further arguments for Node, such as `--max-old-space-size=512`. */
	readonly nodeArgs?: readonly string[];
}

/** Bundles of one folder lie side by side, each named by the folder of its main.ts. */
function besideThis(): string {
	return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'main.ts' : 'fleet.js', import.meta.url));
}

/** A fleet in a process of its own: the methods of Fleet, over its standard input and output. */
export class FleetProcess {
	#stats: FleetStats | undefined;
	#nextId = 0;
	#ended: Error | undefined;
	readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
	readonly #watchers = new Set<() => void>();
	readonly #listeners = new Set<(event: FleetEvent) => void>();

	private constructor(readonly child: ChildProcessWithoutNullStreams) {
		createInterface({ input: child.stdout }).on('line', (line) => this.#heard(JSON.parse(line) as FleetLine));
		child.stderr.pipe(process.stderr);
		// A write to a process that just ended: its exit says it all.
		child.stdin.on('error', () => {});
		child.once('exit', (code, signal) => this.#gone(new Error(`the fleet process ended: ${signal ?? code}`)));
		child.once('error', (error) => this.#gone(error));
	}

	static async start({ entry, nodeArgs = [], ...options }: FleetProcessOptions): Promise<FleetProcess> {
		const path = entry ?? besideThis();
		const source = path.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
		const fleet = new FleetProcess(spawn(process.execPath, [...nodeArgs, ...source, path], { stdio: 'pipe' }));
		await fleet.call('open', options);
		fleet.#stats = await fleet.call('stats', null);
		return fleet;
	}

	/** Process id, for whoever measures or kills it. */
	get pid(): number {
		const { pid } = this.child;
		if (pid === undefined) throw new Error('the fleet process did not start');
		return pid;
	}

	/** As last pushed, at most a few tens of milliseconds old. */
	get stats(): Readonly<FleetStats> {
		if (!this.#stats) throw new Error('the fleet process has not started');
		return this.#stats;
	}

	async add(cohort: Cohort): Promise<{ from: number; to: number }> {
		return this.call('add', cohort);
	}

	async launch(perSecond?: number): Promise<void> {
		await this.call('launch', { perSecond: perSecond ?? null });
	}

	async rules(rules: readonly BehaviourRule[]): Promise<void> {
		await this.call('rules', rules);
	}

	/** What the agents' collectors say of themselves from now on, and the URL of their metrics. */
	telemetry(rules: readonly TelemetryRule[] = []): Promise<{ url: string }> {
		return this.call('telemetry', rules);
	}

	async wake(selection: Selection): Promise<void> {
		await this.call('wake', selection);
	}

	async sleep(selection: Selection): Promise<void> {
		await this.call('sleep', selection);
	}

	async kill(select: Selection, backAfterMs?: number): Promise<void> {
		await this.call('kill', { select, backAfterMs: backAfterMs ?? null });
	}

	async restart(select: Selection, backAfterMs = 0, newUids = false): Promise<void> {
		await this.call('restart', { select, backAfterMs, newUids });
	}

	/** Offers number `from` and on, in the order they came. */
	offers(from = 0): Promise<readonly OfferRecord[]> {
		return this.call('offers', { from });
	}

	configs(): Promise<readonly OfferedText[]> {
		return this.call('configs', null);
	}

	agents(selection: Selection = 'all'): Promise<readonly AgentState[]> {
		return this.call('agents', selection);
	}

	usage(): Promise<{ rssBytes: number; cpuMs: number }> {
		return this.call('usage', null);
	}

	/** Hears every event from now on. */
	async onEvent(listener: (event: FleetEvent) => void): Promise<void> {
		this.#listeners.add(listener);
		if (this.#listeners.size === 1) await this.call('events', null);
	}

	/** Called whenever newer counters came. Returns how to stop that. */
	onStats(watcher: () => void): () => void {
		this.#watchers.add(watcher);
		return () => this.#watchers.delete(watcher);
	}

	/** Resolves as soon as the condition holds; rejects when it does not within `withinMs`, or when the process ends. */
	async until(condition: (stats: Readonly<FleetStats>) => boolean, withinMs = 30_000): Promise<void> {
		// Counters pushed before now may be older than what the caller just did.
		this.#stats = await this.call('stats', null);
		if (condition(this.stats)) return;
		await new Promise<void>((resolve, reject) => {
			const end = (settle: () => void) => {
				stopWatching();
				clearTimeout(late);
				settle();
			};
			const stopWatching = this.onStats(() => {
				const ended = this.#ended;
				if (ended) end(() => reject(ended));
				else if (condition(this.stats)) end(resolve);
			});
			const late = setTimeout(
				() => end(() => reject(new Error(`not within ${withinMs} ms: ${JSON.stringify(this.stats)}`))),
				withinMs,
			);
		});
	}

	/** Ends all connections and the process. */
	async stop({ goodbye = true }: { goodbye?: boolean } = {}): Promise<void> {
		if (this.#ended) return;
		const exited = once(this.child, 'exit');
		await this.call('stop', { goodbye });
		this.child.stdin.end();
		await exited;
	}

	/** Ends the process on the spot, as a crash of its host would. */
	async terminate(): Promise<void> {
		if (this.#ended) return;
		const exited = once(this.child, 'exit');
		this.child.kill('SIGKILL');
		await exited;
	}

	call<Op extends FleetOp>(op: Op, input: FleetCalls[Op]['input']): Promise<FleetCalls[Op]['output']> {
		if (this.#ended) return Promise.reject(this.#ended);
		const id = this.#nextId++;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve: (value) => resolve(value as FleetCalls[Op]['output']), reject });
			this.child.stdin.write(`${JSON.stringify({ id, op, input })}\n`);
		});
	}

	#heard(line: FleetLine): void {
		if ('stats' in line) {
			this.#stats = line.stats;
			for (const watcher of [...this.#watchers]) watcher();
		} else if ('event' in line) {
			for (const listener of this.#listeners) listener(line.event);
		} else {
			const waiting = this.#waiting.get(line.id);
			this.#waiting.delete(line.id);
			if ('error' in line) waiting?.reject(new Error(line.error));
			else waiting?.resolve(line.value);
		}
	}

	#gone(error: Error): void {
		this.#ended = error;
		for (const { reject } of this.#waiting.values()) reject(error);
		this.#waiting.clear();
		for (const watcher of [...this.#watchers]) watcher();
	}
}
