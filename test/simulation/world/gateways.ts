import { createGateway, type GatewayDeps as RealGatewayDeps } from '@ampora/gateway';
import type { GatewayId } from '@ampora/runtime';
import { createHealth, createMetricsRegistry, silentLogger } from '@ampora/telemetry';
import type { SimNetwork } from './backplane.js';
import type { Listener } from './connections.js';
import type { Servers } from './database.js';
import { fakeSocket } from './fake_socket.js';
import type { Schedule } from './schedule.js';
import { silentTracer } from './silent.js';
import { SimProcess } from './sim_process.js';
import type { Stream } from './streams.js';

export interface GatewayDeps {
	readonly schedule: Schedule;
	readonly servers: Servers;
	readonly network: SimNetwork;
	readonly chance: Stream;
	readonly ttlMs: number;
	readonly onDeath: (process: SimProcess) => void;
}

/** The agents of the world report exactly what they run. */
const byteMatcher: NonNullable<RealGatewayDeps['matcher']> = {
	match: async ({ assigned, effective }) => {
		const text = (files: typeof assigned) => files.map(({ body }) => Buffer.from(body).toString()).join('\n');
		return { verdict: text(assigned) === text(effective) ? 'match' : 'mismatch', detail: null };
	},
	stop: async () => {},
};

/** One configured gateway: it has one life after another. */
export class SimGateway {
	readonly id: GatewayId;
	process: SimProcess;
	#listener: Listener | null = null;

	constructor(
		readonly index: number,
		private readonly deps: GatewayDeps,
	) {
		this.id = `gw-${index + 1}` as GatewayId;
		this.process = this.#begin();
	}

	/** Where agents connect; null: nothing listens. */
	get listener(): Listener | null {
		return this.process.alive ? this.#listener : null;
	}

	restart(): void {
		if (!this.process.alive) this.process = this.#begin();
	}

	#begin(): SimProcess {
		const { schedule, servers, network, chance, ttlMs, onDeath } = this.deps;
		this.#listener = null;
		const process = new SimProcess(this.id, schedule, onDeath);
		const openEndpoint: RealGatewayDeps['openEndpoint'] = ({ closedTo, onSocket }) => ({
			listen: async () => {
				this.#listener = {
					process,
					accept: (end) => {
						if (closedTo('socket') !== undefined) return null;
						const { ws, handler } = fakeSocket(end);
						onSocket(ws, end.remoteAddress, { header: null, sockets: new Set() });
						return handler;
					},
				};
				return { host: '', port: 0 };
			},
			close: async () => {},
		});
		const gateway = createGateway(
			{
				store: servers.gatewayStore(process),
				directory: servers.directoryOf(process),
				backplane: network.of(process),
				registry: createMetricsRegistry(),
				logger: silentLogger,
				tracer: silentTracer,
				health: createHealth({ clock: process.clock }),
				clock: process.clock,
				random: chance,
				openEndpoint,
				matcher: byteMatcher,
			},
			{ gateway: this.id, host: '', port: 0, leaseTtlMs: ttlMs, enrollment: 'open' },
		);
		const start = () => {
			gateway.start().catch(() => process.clock.after(500, start));
		};
		start();
		return process;
	}
}
