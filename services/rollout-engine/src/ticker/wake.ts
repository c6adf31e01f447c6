import type { Clock, Timer } from '@ampora/runtime';

/** Sleeps until a time has passed or somebody calls `now`; a call while nobody sleeps ends the next sleep at once. */
export class Wake {
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
