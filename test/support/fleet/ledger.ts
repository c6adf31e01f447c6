import type { ApplyStatus, ServerErrorType } from '@ampora/opamp';

/** One remote config handed to one agent. */
export interface OfferRecord {
	/** Index of the agent in its fleet. */
	readonly agent: number;
	/** Offered config_hash, hex. */
	readonly hash: string;
	/** When its frame was read, ms of the host's monotonic clock, which every process on it shares. */
	readonly atMs: number;
	/** Which connection of this fleet process brought it; for a run of HTTP polls one number. */
	readonly connection: number;
}

export type FleetEvent =
	| { readonly type: 'accepted' | 'disconnected'; readonly agent: number; readonly connection: number }
	| { readonly type: 'refused'; readonly agent: number; readonly status: number }
	| { readonly type: 'offered'; readonly agent: number; readonly connection: number; readonly hash: string }
	| { readonly type: 'answered'; readonly agent: number; readonly hash: string; readonly status: ApplyStatus }
	| { readonly type: 'health'; readonly agent: number; readonly healthy: boolean }
	| { readonly type: 'renamed'; readonly agent: number; readonly uid: string }
	| { readonly type: 'error'; readonly agent: number; readonly error: ServerErrorType; readonly message: string };

/** Counters since the start, and how things stand now. Plain data. */
export interface FleetStats {
	/** Agents that exist, asleep ones included. */
	agents: number;
	/** Agents whose present connection has brought them an answer. */
	connected: number;
	unhealthy: number;
	/** Connections that were opened. */
	connects: number;
	/** Connection attempts and polls refused, by HTTP status; 0 when nobody answered. */
	refusals: Record<string, number>;
	messagesSent: number;
	messagesReceived: number;
	bytesSent: number;
	bytesReceived: number;
	/** Answers that carried nothing but the uid. */
	plainAcks: number;
	fullStateRequests: number;
	/** Times an agent was asked what its components are. */
	componentRequests: number;
	offers: number;
	/** Offers of the hash that the same connection brought to the same agent just before. */
	repeatedOffers: number;
	/** Offers to agents that do not accept remote config. */
	unwantedOffers: number;
	errors: Record<string, number>;
	/** Messages for a uid that nobody on that connection has. */
	misrouted: number;
	renames: number;
	/** What the server sent against the protocol, the first few in words. */
	violations: string[];
	/** Agents by the hash of their last answer ('' for none) and its status; told as soon as they have a connection. */
	reported: Record<string, Partial<Record<ApplyStatus, number>>>;
}

const violationsKept = 20;

/** Milliseconds of the host's monotonic clock, comparable between processes of one host. */
export const hostMonotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** What a fleet went through: counters, every offer, and a stream of events. */
export class FleetLedger {
	readonly offers: OfferRecord[] = [];
	readonly stats: FleetStats = {
		agents: 0,
		connected: 0,
		unhealthy: 0,
		connects: 0,
		refusals: {},
		messagesSent: 0,
		messagesReceived: 0,
		bytesSent: 0,
		bytesReceived: 0,
		plainAcks: 0,
		fullStateRequests: 0,
		componentRequests: 0,
		offers: 0,
		repeatedOffers: 0,
		unwantedOffers: 0,
		errors: {},
		misrouted: 0,
		renames: 0,
		violations: [],
		reported: {},
	};
	readonly #listeners = new Set<(event: FleetEvent) => void>();
	readonly #watchers = new Set<() => void>();
	#announced = false;

	/** Hears every event, in order, as it happens. Returns how to stop that. */
	onEvent(listener: (event: FleetEvent) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Called at most once per turn of the event loop after anything changed. Returns how to stop that. */
	onChange(watcher: () => void): () => void {
		this.#watchers.add(watcher);
		return () => this.#watchers.delete(watcher);
	}

	emit(event: FleetEvent): void {
		for (const listener of this.#listeners) listener(event);
		this.changed();
	}

	changed(): void {
		if (this.#announced || this.#watchers.size === 0) return;
		this.#announced = true;
		setImmediate(() => {
			this.#announced = false;
			for (const watcher of [...this.#watchers]) watcher();
		});
	}

	offered(offer: OfferRecord, repeated: boolean): void {
		this.offers.push(offer);
		this.stats.offers += 1;
		if (repeated) this.stats.repeatedOffers += 1;
		this.emit({ type: 'offered', agent: offer.agent, connection: offer.connection, hash: offer.hash });
	}

	misrouted(): void {
		this.stats.misrouted += 1;
		this.changed();
	}

	violated(what: string): void {
		if (this.stats.violations.length < violationsKept) this.stats.violations.push(what);
		this.changed();
	}

	/** Moves one agent between the counters of `reported`. */
	moveReported(
		from: { hash: string; status: ApplyStatus } | undefined,
		to: { hash: string; status: ApplyStatus },
	): void {
		if (from) this.#count(from.hash, from.status, -1);
		this.#count(to.hash, to.status, 1);
		this.changed();
	}

	#count(hash: string, status: ApplyStatus, by: number): void {
		const counts = this.stats.reported[hash] ?? {};
		this.stats.reported[hash] = counts;
		counts[status] = (counts[status] ?? 0) + by;
	}
}
