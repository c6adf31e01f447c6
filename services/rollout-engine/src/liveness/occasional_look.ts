import type { Clock } from '@ampora/runtime';

export interface OccasionalLookOptions {
	readonly clock: Clock;
	/** From the beginning of one look to that of the next, ms. */
	readonly everyMs: number;
	readonly onError: (error: unknown) => void;
}

/** Work that ticks remind of and never wait for (D7): one look at a time, and not before its time has come. */
export class OccasionalLook {
	#looking: Promise<void> | null = null;
	#nextAtMs = 0;

	constructor(private readonly options: OccasionalLookOptions) {}

	/** Starts `work` when it is time for it, and returns. It answers whether there is more to do at the next call. */
	start(work: () => Promise<{ readonly more: boolean }>): void {
		const { clock, everyMs, onError } = this.options;
		if (this.#looking !== null || clock.monotonicMs() < this.#nextAtMs) return;
		this.#nextAtMs = clock.monotonicMs() + everyMs;
		this.#looking = work()
			.then(({ more }) => {
				if (more) this.#nextAtMs = 0;
			})
			.catch(onError)
			.finally(() => {
				this.#looking = null;
			});
	}

	/** Resolves when no look is under way. */
	async idle(): Promise<void> {
		await this.#looking;
	}
}
