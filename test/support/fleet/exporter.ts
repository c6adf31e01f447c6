import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '@ampora/runtime';
import type { FleetAgent } from './agent.js';

/** What a collector says of itself while it runs a config whose text contains `contains`. Plain data. */
export interface TelemetryRule {
	readonly contains: string;
	/** Null: it does not say anything any more. */
	readonly pointsPerSecond: number | null;
}

const usualPointsPerSecond = 100;
/** The counter of every agent, with its `service_instance_id`. */
export const sentPoints = 'otelcol_exporter_sent_metric_points_total';

/** The own metrics of all agents of a fleet at one URL, as one Prometheus target. */
export class FleetExporter {
	/** The first that fits decides. */
	rules: readonly TelemetryRule[] = [];
	readonly #points = new Map<number, number>();
	#lookedAtMs: number;

	private constructor(
		readonly url: string,
		private readonly server: Server,
		private readonly agents: readonly FleetAgent[],
		private readonly clock: Clock,
	) {
		this.#lookedAtMs = clock.monotonicMs();
		server.on('request', (_, response) => {
			response.setHeader('content-type', 'text/plain; version=0.0.4').end(this.#page());
		});
	}

	static async start(agents: readonly FleetAgent[], clock: Clock): Promise<FleetExporter> {
		const server = createServer();
		await new Promise<void>((resolve, reject) => {
			server.once('error', reject);
			server.listen(0, '127.0.0.1', resolve);
		});
		const { port } = server.address() as AddressInfo;
		return new FleetExporter(`http://127.0.0.1:${port}/metrics`, server, agents, clock);
	}

	async stop(): Promise<void> {
		const closed = new Promise((resolve) => this.server.close(resolve));
		this.server.closeAllConnections();
		await closed;
	}

	/** Counters grow by what passed since the last look, at the pace of what runs now. */
	#page(): string {
		const nowMs = this.clock.monotonicMs();
		const seconds = (nowMs - this.#lookedAtMs) / 1_000;
		this.#lookedAtMs = nowMs;
		const lines = this.agents.flatMap((agent) => {
			const pace = this.#paceOf(agent);
			if (pace === null) return [];
			const points = (this.#points.get(agent.index) ?? 0) + pace * seconds;
			this.#points.set(agent.index, points);
			return [`${sentPoints}{service_instance_id="${agent.instanceUid}"} ${points}`];
		});
		return [`# TYPE ${sentPoints} counter`, ...lines, ''].join('\n');
	}

	#paceOf(agent: FleetAgent): number | null {
		const text = agent.running?.text ?? '';
		const rule = this.rules.find(({ contains }) => text.includes(contains));
		return rule === undefined ? usualPointsPerSecond : rule.pointsPerSecond;
	}
}
