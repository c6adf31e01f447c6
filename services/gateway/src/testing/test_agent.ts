import { randomUUID } from 'node:crypto';
import { type InstanceUid, messageOf, parseUid } from '@ampora/opamp';
import {
	type AgentMessageInput,
	decodeServerToAgent,
	encodeAgentToServer,
	type ReceivedMessage,
} from '@ampora/opamp/testing';
import { type ClientOptions, WebSocket } from 'ws';
import { enrollmentToken } from './gateway_harness.js';

export const bearer = { authorization: `Bearer ${enrollmentToken}` };

export function newUid(): InstanceUid {
	const uid = parseUid(randomUUID());
	if (!uid) throw new Error('not a uid');
	return uid;
}

/** Bits: status, remote config, effective config, health, remote config status. */
export const fullCapabilities = 0x1807n;

const text = (key: string, value: string) => ({ key, value: { kind: 'string', value } as const });

export const description = (name = 'test-agent') => ({
	identifying: [text('service.name', name), text('service.version', '1.0')],
	nonIdentifying: [text('host.name', 'test-host')],
});

export const health = (healthy = true, startTimeUnixNano = 1_000n) => ({
	...{ healthy, startTimeUnixNano, lastError: '', status: '', statusTimeUnixNano: 0n },
	components: new Map(),
	attributes: [],
});

export const status = (
	hash: Uint8Array,
	state: 'unset' | 'applied' | 'applying' | 'failed' = 'applied',
	errorMessage = '',
) => ({ remoteConfigStatus: { lastRemoteConfigHash: hash, status: state, errorMessage } });

/** What an agent says when it knows nobody has heard of it. */
export const fullReport = (name?: string) => ({
	agentDescription: description(name),
	health: health(),
	effectiveConfig: { files: new Map() },
	...status(new Uint8Array(0), 'unset'),
});

export type Said = Partial<AgentMessageInput>;

/** A WebSocket to a gateway that keeps what it received until it is asked for. */
export class TestSocket {
	readonly received: Buffer[] = [];
	readonly closed: Promise<{ code: number; reason: string }>;
	readonly #waiting: ((frame: Buffer | null) => void)[] = [];

	private constructor(readonly ws: WebSocket) {
		ws.on('message', (data: Buffer) => {
			const waiter = this.#waiting.shift();
			if (waiter) waiter(data);
			else this.received.push(data);
		});
		this.closed = new Promise((resolve) => {
			ws.on('close', (code, reason) => {
				for (const waiter of this.#waiting.splice(0)) waiter(null);
				resolve({ code, reason: reason.toString() });
			});
		});
	}

	/** Rejects with the HTTP status when the upgrade is refused. */
	static open(url: string, options: ClientOptions = {}): Promise<TestSocket> {
		const ws = new WebSocket(url, { headers: bearer, ...options });
		const socket = new TestSocket(ws);
		return new Promise((resolve, reject) => {
			ws.once('open', () => resolve(socket));
			ws.once('unexpected-response', (_request, response) => {
				ws.on('error', () => {});
				reject(new UpgradeRefused(response.statusCode ?? 0, response.headers));
				ws.terminate();
			});
			ws.once('error', reject);
		});
	}

	sendRaw(bytes: Uint8Array): void {
		this.ws.send(bytes);
	}

	/** The next frame as it came; null: the socket was closed. */
	nextFrame(): Promise<Buffer | null> {
		const frame = this.received.shift();
		if (frame) return Promise.resolve(frame);
		if (this.ws.readyState === WebSocket.CLOSED) return Promise.resolve(null);
		return new Promise((resolve) => this.#waiting.push(resolve));
	}

	async next(): Promise<ReceivedMessage> {
		const frame = await this.nextFrame();
		if (!frame) throw new Error('the socket was closed');
		return decodeServerToAgent(messageOf(frame));
	}

	close(): Promise<unknown> {
		this.ws.close();
		return this.closed;
	}
}

export class UpgradeRefused extends Error {
	constructor(
		readonly status: number,
		readonly headers: Readonly<Record<string, string | string[] | undefined>>,
	) {
		super(`the upgrade was refused with ${status}`);
	}
}

/** One agent on a socket: counts its messages, and says what it is told to say. */
export class TestAgent {
	sequence = -1n;

	constructor(
		readonly socket: TestSocket,
		public uid: InstanceUid = newUid(),
		public capabilities = fullCapabilities,
	) {}

	frame(said: Said = {}): Uint8Array {
		this.sequence = said.sequenceNum ?? this.sequence + 1n;
		const { uid: instanceUid, capabilities, sequence: sequenceNum } = this;
		return encodeAgentToServer({ instanceUid, capabilities, sequenceNum, ...said });
	}

	send(said: Said = {}): void {
		this.socket.sendRaw(this.frame(said));
	}

	/** Sends and reads one frame. */
	async say(said: Said = {}): Promise<ReceivedMessage> {
		this.send(said);
		return this.socket.next();
	}

	/** The first message of a process: everything there is to know. */
	hello(name?: string): Promise<ReceivedMessage> {
		return this.say({ report: fullReport(name) });
	}
}

export async function connectAgent(url: string, uid?: InstanceUid, capabilities?: bigint): Promise<TestAgent> {
	return new TestAgent(await TestSocket.open(url), uid, capabilities);
}

export interface Posted {
	readonly status: number;
	readonly headers: Headers;
	readonly body: Buffer;
	/** Undefined when there is no message in it. */
	readonly message: ReceivedMessage | undefined;
}

/** One plain HTTP exchange; `fetch` would ask for gzip by itself, so what is accepted is always said. */
export async function post(
	httpUrl: string,
	body: Uint8Array,
	headers: Readonly<Record<string, string>> = {},
): Promise<Posted> {
	const response = await fetch(httpUrl, {
		method: 'POST',
		headers: { 'content-type': 'application/x-protobuf', 'accept-encoding': 'identity', ...bearer, ...headers },
		body: Uint8Array.from(body),
	});
	const bytes = Buffer.from(await response.arrayBuffer());
	const isMessage = response.headers.get('content-type') === 'application/x-protobuf';
	return {
		...{ status: response.status, headers: response.headers, body: bytes },
		message: isMessage && bytes.length > 0 ? decodeServerToAgent(bytes) : undefined,
	};
}

/** A poller: the same words over plain HTTP. */
export class TestPoller {
	sequence = -1n;

	constructor(
		readonly httpUrl: string,
		public uid: InstanceUid = newUid(),
		public capabilities = fullCapabilities,
	) {}

	body(said: Said = {}): Uint8Array {
		this.sequence = said.sequenceNum ?? this.sequence + 1n;
		const { uid: instanceUid, capabilities, sequence: sequenceNum } = this;
		return messageOf(encodeAgentToServer({ instanceUid, capabilities, sequenceNum, ...said }));
	}

	say(said: Said = {}, headers: Readonly<Record<string, string>> = {}): Promise<Posted> {
		return post(this.httpUrl, this.body(said), headers);
	}

	hello(): Promise<Posted> {
		return this.say({ report: fullReport() });
	}
}
