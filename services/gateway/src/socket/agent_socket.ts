import { encodeServerError, type Frame, type InstanceUid, type RefusalCode, refusals } from '@ampora/opamp';
import type { RawData, WebSocket } from 'ws';
import type { Applicant } from '../admission/applicant.js';
import type { Credential } from '../endpoint/enrollment.js';
import type { GatewayLimits } from '../limits.js';
import type { Carrier, Replier } from '../session/carrier.js';
import { AgentSession } from '../session/session.js';

/** Who is on a socket under a uid: a session, or an agent that is still being admitted. */
export type Rider = AgentSession | Applicant;

export interface SocketEvents {
	frame(socket: AgentSocket, data: Buffer): void;
	textFrame(socket: AgentSocket): void;
	closed(socket: AgentSocket): void;
	/** The peer sent more than it may, or broke the WebSocket protocol; `ws` closes the socket. */
	broken(socket: AgentSocket, error: Error): void;
}

export interface SocketContext {
	readonly events: SocketEvents;
	readonly limits: GatewayLimits;
	readonly nowMs: () => number;
	readonly retryAfterMs: () => number;
	/** Its buffer is empty again. */
	readonly onRoom: (session: AgentSession) => void;
}

/** Found again from the `ws` object, so that its listeners are shared by all sockets. */
const owner = Symbol('agent socket');
type Owned = WebSocket & { [owner]?: AgentSocket };

/**
 * One WebSocket with the agents on it. Writes go straight to the socket while its buffer is small. Beyond that offers are not
 * written at all (they are made anew when the buffer is empty: the latest wins), a bounded number of answers waits, and nothing more
 * is read from the peer; a slow reader costs nobody else anything (D7).
 */
export class AgentSocket implements Carrier, Replier {
	readonly transport = 'websocket';
	lastHeardMs: number;
	pinged = false;
	/** It sent a message. */
	spoke = false;
	/** Since when its buffer is full, monotonic ms. */
	fullSinceMs: number | null = null;
	#waiting: Frame[] = [];
	/** Nearly every socket carries one agent. */
	#uid: InstanceUid | null = null;
	#rider: Rider | null = null;
	#others: Map<InstanceUid, Rider> | null = null;

	constructor(
		private readonly ws: WebSocket,
		readonly remoteAddress: string,
		readonly credential: Credential,
		private readonly context: SocketContext,
	) {
		this.lastHeardMs = context.nowMs();
		(ws as Owned)[owner] = this;
		ws.on('message', onMessage);
		ws.on('close', onClose);
		ws.on('error', onError);
		ws.on('pong', onPong);
		ws.on('ping', onPong);
	}

	get authorization(): string | null {
		return this.credential.header;
	}

	get gone(): boolean {
		return this.ws.readyState !== this.ws.OPEN;
	}

	get pushable(): 'now' | 'full' | 'closed' {
		if (this.gone) return 'closed';
		return this.fullSinceMs === null ? 'now' : 'full';
	}

	rider(uid: InstanceUid): Rider | undefined {
		if (this.#uid === uid && this.#rider) return this.#rider;
		return this.#others?.get(uid);
	}

	get ridersCount(): number {
		return (this.#rider ? 1 : 0) + (this.#others?.size ?? 0);
	}

	riders(): Rider[] {
		return [...new Set([...(this.#rider ? [this.#rider] : []), ...(this.#others?.values() ?? [])])];
	}

	seat(uid: InstanceUid, rider: Rider): void {
		if (this.#rider === null || this.#uid === uid) {
			this.#uid = uid;
			this.#rider = rider;
			return;
		}
		this.#others ??= new Map();
		this.#others.set(uid, rider);
	}

	alias(uid: InstanceUid, session: AgentSession): void {
		this.seat(uid, session);
	}

	forget(uid: InstanceUid): void {
		if (this.#uid === uid) {
			this.#uid = null;
			this.#rider = null;
		} else this.#others?.delete(uid);
	}

	/** The uid answers bear when the message did not tell it. */
	get likelyUid(): InstanceUid {
		return this.#uid ?? noUid;
	}

	reply(frame: Frame): void {
		if (this.gone) return;
		if (this.fullSinceMs === null) {
			this.#write(frame);
			return;
		}
		this.#waiting.push(frame);
		if (this.#waiting.length > this.context.limits.waitingAnswersMax) this.terminate();
	}

	push(frame: Frame): void {
		if (this.pushable === 'now') this.#write(frame);
	}

	refuse(uid: InstanceUid, code: RefusalCode, message: string): void {
		const { opampErrorType: type, closeCode } = refusals[code];
		const retry = type === 'unavailable' ? { retryAfterMs: this.context.retryAfterMs() } : {};
		this.reply(encodeServerError(uid, { type, message, ...retry }));
		if (closeCode !== undefined) this.close(closeCode, code);
	}

	/** Starts the closing handshake; a peer that does not complete it is cut off by `ws` after 30 s. */
	close(code: number, reason: string): void {
		if (!this.gone) this.ws.close(code, reason);
	}

	closeIfUnused(code: number, reason: string): void {
		if (this.ridersCount === 0) this.close(code, reason);
	}

	ping(): void {
		this.pinged = true;
		if (!this.gone) this.ws.ping();
	}

	terminate(): void {
		this.ws.terminate();
	}

	#write(frame: Frame): void {
		const before = this.ws.bufferedAmount;
		if (before + frame.length <= this.context.limits.sendBufferBytesMax) {
			this.ws.send(frame, binary);
			return;
		}
		this.fullSinceMs = this.context.nowMs();
		this.ws.pause();
		this.ws.send(frame, binary, () => this.#drained());
	}

	/** Everything written so far has left: what waited goes out, and offers that could not be made are asked for again. */
	#drained(): void {
		this.fullSinceMs = null;
		if (this.gone) return;
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const frame of waiting) this.reply(frame);
		if (this.fullSinceMs !== null) return;
		this.ws.resume();
		for (const rider of this.riders()) if (rider instanceof AgentSession) this.context.onRoom(rider);
	}

	/** Anything came from the peer: it is there. */
	heard(): void {
		this.lastHeardMs = this.context.nowMs();
		this.pinged = false;
	}

	get events(): SocketEvents {
		return this.context.events;
	}
}

const binary = { binary: true, compress: false } as const;
const noUid = '00000000-0000-0000-0000-000000000000' as InstanceUid;

function onMessage(this: Owned, data: RawData, isBinary: boolean): void {
	const socket = this[owner];
	if (!socket) return;
	socket.heard();
	socket.spoke = true;
	if (isBinary) socket.events.frame(socket, data as Buffer);
	else socket.events.textFrame(socket);
}

function onClose(this: Owned): void {
	const socket = this[owner];
	if (socket) socket.events.closed(socket);
}

function onError(this: Owned, error: Error): void {
	const socket = this[owner];
	if (socket) socket.events.broken(socket, error);
}

function onPong(this: Owned): void {
	this[owner]?.heard();
}
