/** A pending callback; `cancel` is idempotent. */
export interface Timer {
	cancel(): void;
}

/**
 * Where time comes from. The simulator and the tests put a virtual clock here.
 * `nowMs` is wall time (ms since 1970) for people and logs; `monotonicMs` never goes back and is what durations are measured with.
 */
export interface Clock {
	nowMs(): number;
	monotonicMs(): number;
	/** Runs `callback` once, no earlier than `delayMs` from now; it does not keep the process alive. */
	after(delayMs: number, callback: () => void): Timer;
	/** Resolves after `delayMs`, or at once when `signal` aborts. */
	sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
	nowMs: () => Date.now(),
	monotonicMs: () => performance.now(),
	after(delayMs, callback) {
		const handle = setTimeout(callback, delayMs);
		handle.unref();
		return { cancel: () => clearTimeout(handle) };
	},
	sleep(delayMs, signal) {
		return new Promise((resolve) => {
			if (signal?.aborted) return resolve();
			const done = () => {
				clearTimeout(handle);
				signal?.removeEventListener('abort', done);
				resolve();
			};
			const handle = setTimeout(done, delayMs);
			signal?.addEventListener('abort', done, { once: true });
		});
	},
};
