import type { Clock, Timer } from '@ampora/runtime';
import type { EngineStore } from '@ampora/store';
import type { EngineTelemetry } from './engine_telemetry.js';

/** Often enough for an alert, rarely enough that counting the fleet costs nothing. */
const refreshEveryMs = 5_000;

/** Reads what the gauges show from Postgres, so that every replica shows the same. */
export function keepGaugesFresh(deps: {
	telemetry: EngineTelemetry;
	store: Pick<EngineStore, 'figures' | 'cohorts'>;
	leading: () => boolean;
	clock: Clock;
}): { stop(): void } {
	let timer: Timer | null = null;
	let stopped = false;
	const refresh = () => {
		void deps.telemetry
			.refresh(deps.store, deps.leading())
			.catch(deps.telemetry.ticker.storeFailed)
			.then(() => {
				if (!stopped) timer = deps.clock.after(refreshEveryMs, refresh);
			});
	};
	refresh();
	return {
		stop() {
			stopped = true;
			timer?.cancel();
		},
	};
}
