import type { RolloutSpec } from '@ampora/rollout';
import { createEngine, createMembership } from '@ampora/rollout-engine';
import type { Retention } from '@ampora/store';
import type { SimNetwork } from './backplane.js';
import type { Servers } from './database.js';
import type { SimMetrics } from './metrics_server.js';
import type { Schedule } from './schedule.js';
import { type EngineEars, silentEngineTelemetry } from './silent.js';
import { SimProcess } from './sim_process.js';
import type { Stream } from './streams.js';

export interface EngineDeps extends EngineEars {
	readonly schedule: Schedule;
	readonly servers: Servers;
	readonly network: SimNetwork;
	readonly metrics: SimMetrics;
	readonly chance: Stream;
	readonly leaseTtlMs: number;
	readonly retention: Retention | null;
	/** What newcomers are watched by; null: nobody is given anything. */
	readonly enrolment: RolloutSpec | null;
	readonly onDeath: (process: SimProcess) => void;
}

/** One replica of the rollout engine: it has one life after another. */
export class SimEngine {
	process: SimProcess;

	constructor(
		readonly index: number,
		private readonly deps: EngineDeps,
	) {
		this.process = this.#begin();
	}

	restart(): void {
		if (!this.process.alive) this.process = this.#begin();
	}

	#enrol(process: SimProcess, spec: RolloutSpec): void {
		const { servers, leaseTtlMs } = this.deps;
		createMembership(
			{
				store: servers.membershipStore(process),
				rules: { calendarOf: async (groupId) => servers.view.calendar(groupId), spec: async () => spec },
				clock: process.clock,
				telemetry: silentEngineTelemetry(this.deps),
			},
			{ leaseTtlMs },
		).start();
	}

	#begin(): SimProcess {
		const { schedule, servers, network, metrics, chance, leaseTtlMs, retention, onDeath } = this.deps;
		const process = new SimProcess(`engine-${this.index + 1}`, schedule, onDeath);
		const engine = createEngine(
			{
				store: servers.engineStore(process),
				directory: servers.directoryOf(process),
				backplane: network.of(process),
				metrics: metrics.serverOf(process),
				clock: process.clock,
				random: chance,
				telemetry: silentEngineTelemetry(this.deps),
				...(retention && { retention: async () => retention }),
				// Nobody edits configurations or selectors in these worlds.
				starts: { changesAtStart: async () => [] },
			},
			{ leaseTtlMs },
		);
		void engine.start();
		if (this.deps.enrolment !== null) this.#enrol(process, this.deps.enrolment);
		return process;
	}
}
