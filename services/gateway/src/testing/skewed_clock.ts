import { type Clock, systemClock } from '@ampora/runtime';

/** The system's clock, except that a test can make durations longer than they were. */
export function skewedClock(): Clock & { advance(ms: number): void } {
	let skewMs = 0;
	return {
		...systemClock,
		monotonicMs: () => systemClock.monotonicMs() + skewMs,
		advance(ms) {
			skewMs += ms;
		},
	};
}
