import type { Clock, Timer } from '@ampora/runtime';
import type { Owner, Schedule } from './schedule.js';

/** Where the world's wall clocks start, ms since 1970. */
export const wallStartMs = Date.UTC(2026, 0, 5, 9);

/** One process of the world: it has a clock of its own, may be paused, and dies once. */
export class SimProcess implements Owner {
	alive = true;
	pausedUntilMs = 0;
	/** How far its wall clock is off; its monotonic clock never is. */
	wallOffMs = 0;
	/** Until then Postgres is out of its reach alone. */
	cutOffUntilMs = 0;
	readonly clock: Clock;

	constructor(
		readonly name: string,
		private readonly schedule: Schedule,
		private readonly onDeath: (process: SimProcess) => void = () => {},
	) {
		this.clock = {
			nowMs: () => wallStartMs + schedule.nowMs + this.wallOffMs,
			monotonicMs: () => schedule.nowMs,
			after: (delayMs, callback) => schedule.after(delayMs, this, callback),
			sleep: (delayMs, signal) => this.#sleep(delayMs, signal),
		};
	}

	/** Nothing of it happens any more; whoever awaits in it awaits for ever. */
	kill(): void {
		if (!this.alive) return;
		this.alive = false;
		this.onDeath(this);
	}

	pause(forMs: number): void {
		this.pausedUntilMs = Math.max(this.pausedUntilMs, this.schedule.nowMs + forMs);
	}

	#sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
		return new Promise((resolve) => {
			if (signal?.aborted) return resolve();
			let timer: Timer | null = null;
			const done = () => {
				timer?.cancel();
				signal?.removeEventListener('abort', done);
				resolve();
			};
			timer = this.schedule.after(delayMs, this, done);
			signal?.addEventListener('abort', done, { once: true });
		});
	}
}
