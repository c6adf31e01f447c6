import type { Backplane, DeliveryOutcome, DispatchEnvelope, DispatchReply, Eviction, Hint } from '@ampora/dispatch';
import type { GatewayId, Timer } from '@ampora/runtime';
import type { Schedule } from './schedule.js';
import type { SimProcess } from './sim_process.js';
import type { Stream } from './streams.js';

/** How unkind the transport is, as shares of all messages. */
export interface NetworkFaults {
	lost: number;
	duplicated: number;
	/** Late by up to some seconds, and thereby out of order. */
	late: number;
	/** Nothing gets through. */
	away: boolean;
}

type DispatchHandler = (envelope: DispatchEnvelope) => Promise<readonly DeliveryOutcome[]>;
interface Served<Handler> {
	readonly process: SimProcess;
	readonly handler: Handler;
}

/** The backplane between the processes of the world: at most once, unordered, and sometimes more than once. */
export class SimNetwork {
	readonly faults: NetworkFaults = { lost: 0, duplicated: 0, late: 0, away: false };
	readonly #dispatch = new Map<GatewayId, Served<DispatchHandler>>();
	readonly #evictions = new Map<GatewayId, Served<(evictions: readonly Eviction[]) => void>>();
	readonly #hints = new Set<Served<(hint: Hint) => void>>();

	constructor(
		private readonly schedule: Schedule,
		private readonly chance: Stream,
	) {}

	/** The backplane as one process uses it. */
	of(process: SimProcess): Backplane {
		return {
			dispatch: (gateway, envelope, timeoutMs) => this.#request(process, gateway, envelope, timeoutMs),
			serveDispatch: async (gateway, handler) => this.#serve(this.#dispatch, gateway, { process, handler }),
			evict: async (gateway, evictions) => {
				const served = this.#evictions.get(gateway);
				if (served) this.#deliver(served.process, () => served.handler(evictions));
			},
			serveEvictions: async (gateway, handler) => this.#serve(this.#evictions, gateway, { process, handler }),
			publishHint: async (hint) => {
				for (const served of this.#hints) this.#deliver(served.process, () => served.handler(hint));
			},
			serveHints: async (handler) => {
				const served = { process, handler };
				this.#hints.add(served);
				return { stop: async () => void this.#hints.delete(served) };
			},
			healthy: () => !this.faults.away,
			close: async () => {},
		};
	}

	#serve<Handler>(served: Map<GatewayId, Served<Handler>>, gateway: GatewayId, entry: Served<Handler>) {
		served.set(gateway, entry);
		return {
			stop: async () => {
				if (served.get(gateway) === entry) served.delete(gateway);
			},
		};
	}

	#request(
		process: SimProcess,
		gateway: GatewayId,
		envelope: DispatchEnvelope,
		timeoutMs: number,
	): Promise<DispatchReply> {
		return new Promise((resolve) => {
			let timer: Timer | null = null;
			const settle = (reply: DispatchReply) => {
				timer?.cancel();
				resolve(reply);
			};
			timer = process.clock.after(timeoutMs, () => settle({ kind: 'lost' }));
			const served = this.#dispatch.get(gateway);
			if (served === undefined) return;
			this.#deliver(served.process, () => {
				served.handler(envelope).then(
					(outcomes) => this.#deliver(process, () => settle({ kind: 'answered', outcomes })),
					() => {},
				);
			});
		});
	}

	#deliver(to: SimProcess, run: () => void): void {
		if (this.faults.away || this.chance.chance(this.faults.lost)) return;
		const copies = this.chance.chance(this.faults.duplicated) ? 2 : 1;
		for (let copy = 0; copy < copies; copy += 1) {
			const late = this.chance.chance(this.faults.late);
			this.schedule.after(late ? this.chance.between(200, 6_000) : this.chance.between(0.2, 4), to, run);
		}
	}
}
