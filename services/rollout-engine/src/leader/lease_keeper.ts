import type { Clock } from '@ampora/runtime';
import type { EngineStore, LeaderLease } from '@ampora/store';

export interface LeaseKeeperDeps {
	readonly store: Pick<EngineStore, 'takeLease' | 'releaseLease'>;
	readonly clock: Clock;
	/** Told on every change; null: not leading. */
	readonly onChange: (lease: LeaderLease | null) => void;
	readonly onRenewed?: () => void;
	/** Told when the store could not be asked; the keeper goes on trying. */
	readonly onError: (error: unknown) => void;
}

export interface LeaseKeeperOptions {
	/** Row of `leader_lease`. */
	readonly name: string;
	/** Unique to this process and start. */
	readonly holder: string;
	readonly ttlMs: number;
}

/**
 * Holds a leader lease as long as it can. The lease keeps work from being done twice; safety is the epoch check in every commit (R2).
 * A holder that could not renew for two thirds of the TTL stops by its own monotonic clock, before anybody else can start.
 */
export class LeaseKeeper {
	#lease: LeaderLease | null = null;
	#renewedAtMs = Number.NEGATIVE_INFINITY;
	readonly #stop = new AbortController();
	#running: Promise<void> = Promise.resolve();

	constructor(
		private readonly deps: LeaseKeeperDeps,
		private readonly options: LeaseKeeperOptions,
	) {}

	start(): void {
		this.#running = this.#run();
	}

	/** The lease, while it may be acted upon. */
	current(): LeaderLease | null {
		if (this.#lease === null) return null;
		const age = this.deps.clock.monotonicMs() - this.#renewedAtMs;
		return age <= (this.options.ttlMs * 2) / 3 ? this.#lease : null;
	}

	/** A commit was refused: somebody else leads. */
	lost(epoch: number): void {
		if (this.#lease?.epoch === epoch) this.#set(null);
	}

	/** Gives the lease back, so that another holder need not wait for it to expire. */
	async stop(): Promise<void> {
		this.#stop.abort();
		await this.#running;
		const lease = this.#lease;
		this.#set(null);
		if (lease) await this.deps.store.releaseLease(lease).catch(this.deps.onError);
	}

	async #run(): Promise<void> {
		while (!this.#stop.signal.aborted) {
			await this.#take();
			await this.deps.clock.sleep(this.options.ttlMs / 3, this.#stop.signal);
		}
	}

	async #take(): Promise<void> {
		const askedAtMs = this.deps.clock.monotonicMs();
		try {
			const lease = await this.deps.store.takeLease(this.options.name, this.options.holder, this.options.ttlMs);
			// Counted from before the question: the row's expiry cannot be later than that plus the TTL.
			if (lease) this.#renewedAtMs = askedAtMs;
			this.#set(lease);
			if (lease) this.deps.onRenewed?.();
		} catch (error) {
			this.deps.onError(error);
			if (this.current() === null) this.#set(null);
		}
	}

	#set(lease: LeaderLease | null): void {
		const changed = lease?.epoch !== this.#lease?.epoch;
		this.#lease = lease;
		if (changed) this.deps.onChange(lease);
	}
}
