import type { Backplane } from '@ampora/dispatch';
import type { Clock } from '@ampora/runtime';
import type { ControlStore } from '@ampora/store';
import type { MetricsServer } from './metrics_server/metrics_server.js';

export interface ControlDeps {
	readonly store: ControlStore;
	/** Hints make the engine look sooner; losing one costs a second (D5). */
	readonly backplane: Pick<Backplane, 'publishHint'>;
	readonly clock: Clock;
	/** Where the queries of metric gates are tried; absent: there is none, and they are refused. */
	readonly metrics?: MetricsServer;
	/** How long a command waits for its decision, ms. Default 3,000. */
	readonly decisionWaitMs?: number;
	/** How often a watched rollout is looked at, ms. Default 500. */
	readonly watchIntervalMs?: number;
	/** Told of hints that could not be sent. */
	readonly onHintLost?: (error: unknown) => void;
}
