import type { Frame } from '@ampora/opamp';
import { type RawData, WebSocket } from 'ws';
import type { FleetAgent } from './agent.js';
import {
	countRefusal,
	type LinkContext,
	type LinkTarget,
	ReconnectPace,
	readReply,
	retryAfterMs,
	type SteeredLink,
} from './link.js';

const handshakeTimeoutMs = 20_000;
const closeTimeoutMs = 5_000;
/** Long enough for a slow reader to take in a frame or two. */
const readForMs = 5;

/** One WebSocket and the agents on it; it connects again by itself unless told to stay away. */
export class WebSocketLink implements SteeredLink {
	connection = -1;
	readonly #pace: ReconnectPace;
	#socket: WebSocket | undefined;
	/** The connection is wanted; without it a close is the end. */
	#wanted = false;

	constructor(
		readonly agents: readonly FleetAgent[],
		readonly target: LinkTarget,
		readonly context: LinkContext,
	) {
		this.#pace = new ReconnectPace(context, target.reconnect);
	}

	start(): void {
		this.#wanted = true;
		if (!this.#socket) this.#connect();
	}

	send(frame: Frame): void {
		this.#socket?.send(frame, { binary: true });
	}

	cut(backAfterMs: number | undefined): void {
		this.#wanted = false;
		this.#pace.cancel();
		const socket = this.#socket;
		this.#closed();
		socket?.terminate();
		if (backAfterMs !== undefined) this.#pace.after(backAfterMs, () => this.start());
	}

	goodbye(): Promise<void> {
		this.#wanted = false;
		this.#pace.cancel();
		const socket = this.#socket;
		if (!socket) return Promise.resolve();
		if (socket.readyState !== WebSocket.OPEN) {
			this.cut(undefined);
			return Promise.resolve();
		}
		for (const agent of this.agents) agent.goodbye();
		return new Promise((resolve) => {
			const force = this.context.clock.after(closeTimeoutMs, () => socket.terminate());
			socket.once('close', () => {
				force.cancel();
				resolve();
			});
			socket.resume();
			socket.close(1000);
		});
	}

	#connect(): void {
		const { url, headers, localAddress } = this.target;
		const socket = new WebSocket(url, {
			headers,
			perMessageDeflate: false,
			handshakeTimeout: handshakeTimeoutMs,
			...(localAddress !== undefined && { localAddress }),
		});
		this.#socket = socket;
		let refused: { status: number; retryAfterMs: number | undefined } | undefined;
		socket.on('unexpected-response', (request, response) => {
			refused = {
				status: response.statusCode ?? 0,
				retryAfterMs: retryAfterMs(response.headers['retry-after'], this.context.clock.nowMs()),
			};
			request.destroy();
			socket.terminate();
		});
		// A failed connection closes as well, and the close says all there is to do.
		socket.on('error', () => {});
		socket.on('open', () => this.#opened(socket));
		socket.on('message', (data, isBinary) => this.#received(socket, data, isBinary));
		socket.on('close', () => {
			if (this.#socket !== socket) return;
			const opened = this.connection !== -1;
			this.#closed();
			if (!opened) countRefusal(this.context.ledger, this.agents, refused?.status ?? 0);
			if (this.#wanted) this.#pace.retry(() => this.#connect(), refused?.retryAfterMs);
		});
	}

	#opened(socket: WebSocket): void {
		if (this.#socket !== socket) return;
		this.connection = this.context.nextConnection();
		this.#pace.succeeded();
		this.context.ledger.stats.connects += 1;
		for (const agent of this.agents) agent.linked(this);
		if (this.target.readEveryMs !== undefined) this.#readSlowly(socket, this.target.readEveryMs);
	}

	#readSlowly(socket: WebSocket, everyMs: number): void {
		if (this.#socket !== socket) return;
		socket.pause();
		this.context.clock.after(everyMs, () => {
			socket.resume();
			this.context.clock.after(readForMs, () => this.#readSlowly(socket, everyMs));
		});
	}

	#received(socket: WebSocket, data: RawData, isBinary: boolean): void {
		if (this.#socket !== socket) return;
		const framed = isBinary && Buffer.isBuffer(data) && data[0] === 0;
		const received = framed ? readReply(data.subarray(1)) : undefined;
		if (!framed || !received) {
			this.context.ledger.violated(`not a frame of the protocol: ${data.slice(0, 32).toString()}`);
			socket.terminate();
			return;
		}
		const { instanceUid } = received;
		const agent =
			this.agents.find((one) => one.instanceUid === instanceUid) ??
			this.agents.find((one) => one.formerUid === instanceUid);
		if (agent) agent.received(received, data.length);
		else this.context.ledger.misrouted();
	}

	#closed(): void {
		this.#socket = undefined;
		this.connection = -1;
		for (const agent of this.agents) agent.unlinked();
	}
}
