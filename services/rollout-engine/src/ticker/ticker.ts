import { backoffDelayMs, type Clock, type Random, type RolloutId } from '@ampora/runtime';
import type { EngineStore, LeaderLease } from '@ampora/store';
import { LeaderLoop } from '../leader/leader_loop.js';
import type { LeaseKeeper } from '../leader/lease_keeper.js';
import { type TickDeps, tickRollout } from './tick.js';

export interface TickerDeps extends TickDeps {
	readonly store: EngineStore;
	readonly leases: Pick<LeaseKeeper, 'current' | 'lost'>;
	readonly asides: readonly Aside[];
	readonly clock: Clock;
	readonly random: Random;
	readonly events: TickerEvents;
}

/** What is looked after beside the rollouts, at a pace of its own. */
export interface Aside {
	/** Returns at once. */
	look(lease: LeaderLease): void;
	/** Resolves when no look is under way. */
	idle(): Promise<void>;
}

export interface TickerEvents {
	ticked(atMs: number): void;
	/** One rollout could not be ticked; the others go on, and it is tried again after `retryInMs`. */
	rolloutFailed(rolloutId: RolloutId, error: unknown, retryInMs: number): void;
	storeFailed(error: unknown): void;
	gatewaysLost(gateways: readonly string[], agents: number): void;
}

/** Nothing waits longer than this for a look, whatever was lost on the way. */
const lookEveryMs = 1_000;
/** Rollouts looked at in one round, and how many at the same time. */
const roundMax = 200;
const concurrency = 4;
const failureBackoff = { baseMs: 1_000, maxMs: 60_000 };

/** Ticks every rollout that has something to do, while this process leads. Level-triggered: hints only make it look sooner. */
export class Ticker {
	readonly #loop: LeaderLoop;
	readonly #failures = new Map<RolloutId, { attempts: number; retryAtMs: number }>();

	constructor(private readonly deps: TickerDeps) {
		const round = (lease: LeaderLease) => this.#round(lease);
		this.#loop = new LeaderLoop({ leases: deps.leases, clock: deps.clock, round, restMs: lookEveryMs });
	}

	start(): void {
		this.#loop.start();
	}

	/** Look now. */
	hint(): void {
		this.#loop.hint();
	}

	async stop(): Promise<void> {
		await this.#loop.stop();
		for (const aside of this.deps.asides) await aside.idle();
	}

	/** One look at everything that is due; answers how long nothing is expected to be. */
	async #round(lease: LeaderLease): Promise<number> {
		try {
			const lost = await this.deps.store.reapGateways(lease);
			if (lost.gateways.length > 0) this.deps.events.gatewaysLost(lost.gateways, lost.agents);
			for (const aside of this.deps.asides) aside.look(lease);
			const { due, nextWakeInMs } = await this.deps.store.dueRollouts(roundMax);
			const busy = await this.#tickAll(
				lease,
				due.filter((rolloutId) => !this.#resting(rolloutId)),
			);
			this.deps.events.ticked(this.deps.clock.nowMs());
			if (busy || due.length === roundMax) return 0;
			return Math.min(lookEveryMs, nextWakeInMs ?? lookEveryMs);
		} catch (error) {
			this.deps.events.storeFailed(error);
			return lookEveryMs;
		}
	}

	async #tickAll(lease: LeaderLease, due: readonly RolloutId[]): Promise<boolean> {
		const queue = [...due];
		let busy = false;
		const work = async () => {
			for (let rolloutId = queue.shift(); rolloutId !== undefined; rolloutId = queue.shift()) {
				if (this.#loop.stopped || this.deps.leases.current()?.epoch !== lease.epoch) return;
				if (await this.#tickOne(lease, rolloutId)) busy = true;
			}
		};
		await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, work));
		return busy;
	}

	/** True: there is more to do at once. A rollout that throws is left to rest, so that it starves no other (D7). */
	async #tickOne(lease: LeaderLease, rolloutId: RolloutId): Promise<boolean> {
		try {
			const outcome = await tickRollout(this.deps, lease, rolloutId);
			this.#failures.delete(rolloutId);
			if (outcome === 'lease-lost') this.deps.leases.lost(lease.epoch);
			return outcome === 'busy';
		} catch (error) {
			const attempts = (this.#failures.get(rolloutId)?.attempts ?? 0) + 1;
			const retryInMs = backoffDelayMs(attempts - 1, failureBackoff, this.deps.random);
			this.#failures.set(rolloutId, { attempts, retryAtMs: this.deps.clock.monotonicMs() + retryInMs });
			this.deps.events.rolloutFailed(rolloutId, error, retryInMs);
			return false;
		}
	}

	#resting(rolloutId: RolloutId): boolean {
		const failure = this.#failures.get(rolloutId);
		return failure !== undefined && failure.retryAtMs > this.deps.clock.monotonicMs();
	}
}
