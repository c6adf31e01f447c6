import { hostname } from 'node:os';
import { createPrometheus, type MetricsServer } from '@ampora/control';
import type { Backplane, OwnershipDirectory, Subscription } from '@ampora/dispatch';
import { type Clock, newId, type Random } from '@ampora/runtime';
import type { EngineStore, Retention } from '@ampora/store';
import { Dispatcher } from './dispatcher/dispatcher.js';
import { LeaseKeeper } from './leader/lease_keeper.js';
import { CutOffGateways } from './liveness/cut_off_gateways.js';
import { RetentionKeeper } from './liveness/retention_keeper.js';
import { MetricKeeper } from './metrics/metric_keeper.js';
import type { EngineTelemetry } from './telemetry/engine_telemetry.js';
import type { StartChecks } from './ticker/tick.js';
import { Ticker } from './ticker/ticker.js';

export interface EngineDeps {
	readonly store: EngineStore;
	readonly directory: OwnershipDirectory;
	readonly backplane: Backplane;
	readonly clock: Clock;
	readonly random: Random;
	readonly telemetry: EngineTelemetry;
	readonly starts: StartChecks;
	/** Absent: there is none, and metric gates end inconclusive. */
	readonly metrics?: MetricsServer;
	/** How long agents that are away are kept in sight; absent: for good. */
	readonly retention?: () => Promise<Retention>;
}

export interface EngineOptions {
	/** How long a leader that died keeps the others waiting, ms. */
	readonly leaseTtlMs: number;
}

/** Drives all rollouts while it leads; any number may run, one leads. */
export interface Engine {
	start(): Promise<void>;
	/** Finishes the tick under way and gives the lease back. */
	stop(): Promise<void>;
	leading(): boolean;
}

/** The name of the lease is what operators see in `leader_lease` and in metrics. */
export const leaseName = 'rollout-engine';

export function createEngine(deps: EngineDeps, { leaseTtlMs }: EngineOptions): Engine {
	const { store, clock, telemetry } = deps;
	const dispatcher = new Dispatcher({ ...deps, events: telemetry.dispatcher });
	const leases = new LeaseKeeper(
		{
			store,
			clock,
			onChange: (lease) => {
				telemetry.leaseChanged(leaseName, lease);
				ticker.hint();
			},
			onRenewed: () => telemetry.leaseRenewed(leaseName, clock.nowMs() + leaseTtlMs),
			onError: telemetry.leaseFailed,
		},
		{ name: leaseName, holder: `${hostname()}/${process.pid}/${newId()}`, ttlMs: leaseTtlMs },
	);
	const cutOff = new CutOffGateways({ ...deps, events: telemetry.cutOff });
	const { retention } = deps;
	const keeper = retention && new RetentionKeeper({ store, clock, retention, events: telemetry.retention });
	const ticker = new Ticker({
		...deps,
		metrics: new MetricKeeper({ metrics: deps.metrics ?? createPrometheus({ url: null }) }),
		dispatcher,
		leases,
		asides: keeper === undefined ? [cutOff] : [cutOff, keeper],
		onCommitted: telemetry.committed,
		events: telemetry.ticker,
	});
	let hints: Subscription | null = null;
	return {
		async start() {
			hints = await deps.backplane.serveHints(() => ticker.hint());
			leases.start();
			ticker.start();
		},
		async stop() {
			await hints?.stop();
			await ticker.stop();
			await dispatcher.idle();
			await leases.stop();
		},
		leading: () => leases.current() !== null,
	};
}
