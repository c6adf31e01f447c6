import type { Frame } from '@ampora/opamp';
import type { Schedule } from './schedule.js';
import type { SimProcess } from './sim_process.js';
import type { Stream } from './streams.js';

/** The server's end of a connection, as the gateway under test uses it. */
export interface ServerEnd {
	readonly remoteAddress: string;
	send(frame: Frame): void;
	close(): void;
}

/** What the gateway does with what arrives. */
export interface ServerHandler {
	message(frame: Frame): void;
	closed(): void;
}

export interface ClientHandler {
	opened(): void;
	message(frame: Frame): void;
	/** Neither side can use it any more; `refused`: it never opened. */
	closed(refused: boolean): void;
}

/** A gateway process as connections see it. */
export interface Listener {
	readonly process: SimProcess;
	/** Null: it accepts nobody now. */
	accept(end: ServerEnd): ServerHandler | null;
}

export interface ConnectionDeps {
	readonly schedule: Schedule;
	readonly chance: Stream;
	/** Called when a gateway wrote a frame to the socket. */
	readonly nextConnection: () => number;
	readonly onWritten: (connection: Connection, frame: Frame) => void;
}

/** Two directions, each in order, each with delays of its own; ends for both sides, at different moments. */
export class Connection {
	#state: 'opening' | 'open' | 'closed' = 'opening';
	#serverSees: 'open' | 'closed' = 'open';
	/** Neither side hears the other any more, and neither knows. */
	#blackhole = false;
	#toServerMs = 0;
	#toClientMs = 0;
	#handler: ServerHandler | null = null;

	constructor(
		readonly id: number,
		readonly agentIndex: number,
		readonly listener: Listener,
		private readonly client: ClientHandler,
		private readonly deps: ConnectionDeps,
	) {
		const { schedule } = deps;
		if (!listener.process.alive) schedule.after(this.#delayMs(), null, () => this.#clientCloses(true));
		else this.#toServer(() => this.#accept());
	}

	get open(): boolean {
		return this.#state === 'open';
	}

	send(frame: Frame): void {
		if (this.#state === 'open') this.#toServer(() => this.#serverSees === 'open' && this.#handler?.message(frame));
	}

	/** The client's side is gone, without a word to the application. */
	drop(): void {
		if (this.#state === 'closed') return;
		this.#state = 'closed';
		this.#toServer(() => this.#serverCloses());
	}

	/** From now on nothing gets through; the client notices after `noticedMs`, the server by itself. */
	partition(noticedMs: number): void {
		this.#blackhole = true;
		this.deps.schedule.after(noticedMs, null, () => this.#clientCloses(false));
	}

	/** The gateway's process died: its machine answers for it. */
	reset(): void {
		this.deps.schedule.after(this.#delayMs(), null, () => this.#clientCloses(false));
	}

	#accept(): void {
		const end: ServerEnd = {
			remoteAddress: `10.0.0.${this.agentIndex}`,
			send: (frame) => {
				if (this.#serverSees === 'closed') return;
				this.deps.onWritten(this, frame);
				this.#toClient(() => this.client.message(frame));
			},
			close: () => {
				if (this.#serverSees === 'closed') return;
				this.#serverSees = 'closed';
				this.#toClient(() => this.#clientCloses(false));
				this.deps.schedule.after(0, this.listener.process, () => this.#handler?.closed());
			},
		};
		if (this.#state === 'closed') return;
		this.#handler = this.listener.accept(end);
		if (this.#handler === null) {
			this.deps.schedule.after(this.#delayMs(), null, () => this.#clientCloses(true));
			return;
		}
		this.#toClient(() => {
			this.#state = 'open';
			this.client.opened();
		}, true);
	}

	#serverCloses(): void {
		if (this.#serverSees === 'closed') return;
		this.#serverSees = 'closed';
		this.#handler?.closed();
	}

	#clientCloses(refused: boolean): void {
		if (this.#state === 'closed') return;
		this.#state = 'closed';
		this.client.closed(refused);
		// Whatever the server still believes ends when its keep-alive does.
		if (this.#blackhole) this.deps.schedule.after(30_000, this.listener.process, () => this.#serverCloses());
	}

	#toServer(run: () => void): void {
		if (this.#blackhole) return;
		const { schedule } = this.deps;
		this.#toServerMs = Math.max(schedule.nowMs + this.#delayMs(), this.#toServerMs + 0.001);
		schedule.after(this.#toServerMs - schedule.nowMs, this.listener.process, () => {
			if (!this.#blackhole) run();
		});
	}

	#toClient(run: () => void, opening = false): void {
		if (this.#blackhole) return;
		const { schedule } = this.deps;
		this.#toClientMs = Math.max(schedule.nowMs + this.#delayMs(), this.#toClientMs + 0.001);
		schedule.after(this.#toClientMs - schedule.nowMs, null, () => {
			if (!this.#blackhole && this.#state === (opening ? 'opening' : 'open')) run();
		});
	}

	#delayMs(): number {
		return this.deps.chance.chance(0.02) ? this.deps.chance.between(50, 900) : this.deps.chance.between(0.5, 12);
	}
}
