import type { Clock, Timer } from '@ampora/runtime';
import type { LeaderLease } from '@ampora/store';
import type { LeaseKeeper } from './lease_keeper.js';

export interface LeaderLoopDeps {
	readonly leases: Pick<LeaseKeeper, 'current'>;
	readonly clock: Clock;
	/** One look at everything; answers how long nothing is expected to be to do, ms. Never throws. */
	readonly round: (lease: LeaderLease) => Promise<number>;
	/** How long to wait while somebody else leads. */
	readonly restMs: number;
}

/** Makes one round after the other while this process leads. */
export class LeaderLoop {
	readonly #wake: Wake;
	#stopped = false;
	#running: Promise<void> = Promise.resolve();

	constructor(private readonly deps: LeaderLoopDeps) {
		this.#wake = new Wake(deps.clock);
	}

	/** Long rounds look at it in between. */
	get stopped(): boolean {
		return this.#stopped;
	}

	start(): void {
		this.#running = this.#run();
	}

	/** The next round is now, or as soon as the one under way is over. */
	hint(): void {
		this.#wake.now();
	}

	/** Resolves when the round under way is over. */
	async stop(): Promise<void> {
		this.#stopped = true;
		this.#wake.now();
		await this.#running;
	}

	async #run(): Promise<void> {
		const { leases, round, restMs } = this.deps;
		while (!this.#stopped) {
			const lease = leases.current();
			await this.#wake.sleep(lease === null ? restMs : await round(lease));
		}
	}
}

/** Sleeps until a time has passed or somebody calls `now`; a call while nobody sleeps ends the next sleep at once. */
class Wake {
	#called = false;
	#end: (() => void) | null = null;

	constructor(private readonly clock: Clock) {}

	now(): void {
		this.#called = true;
		this.#end?.();
	}

	async sleep(maxMs: number): Promise<void> {
		if (!this.#called) {
			let timer: Timer | null = null;
			await new Promise<void>((resolve) => {
				this.#end = resolve;
				timer = this.clock.after(Math.max(0, maxMs), resolve);
			});
			(timer as Timer | null)?.cancel();
			this.#end = null;
		}
		this.#called = false;
	}
}
