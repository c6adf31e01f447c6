import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import {
	type AgentMessage,
	type AgentReport,
	type ConfigFiles,
	configHash,
	decodeAgentToServer,
	defaultMessageLimits,
	encodeServerToAgent,
	encodeSharedOffer,
	type InstanceUid,
	messageOf,
	offeredHash,
	type ServerContent,
	serverCapabilitiesOf,
	unframe,
} from '@ampora/opamp';
import { type WebSocket, WebSocketServer } from 'ws';
import { oneFile } from './offered_config.js';

export interface Heard extends AgentMessage {
	readonly remoteAddress: string;
	readonly atMs: number;
}

interface Refusing {
	readonly status: number;
	readonly retryAfter?: string;
	left: number;
}

const capabilities = serverCapabilitiesOf('AcceptsStatus', 'OffersRemoteConfig', 'AcceptsEffectiveConfig');
const protobuf = 'application/x-protobuf';

/**
 * The least server a fleet can be tested against: answers every message, asks for full state when numbers do not follow, and
 * offers one configuration to whoever reports another hash, once per connection.
 */
export class SmallServer {
	readonly heard: Heard[] = [];
	/** What the last reports of each agent add up to. */
	readonly known = new Map<InstanceUid, AgentReport>();
	readonly sockets = new Map<InstanceUid, WebSocket>();
	/** Added to the next answer to each agent; taken out when used. */
	readonly nextAnswer = new Map<InstanceUid, ServerContent>();
	/** Refuses so many upgrades or polls. */
	refusing: Refusing | undefined;
	readonly refusedAtMs: number[] = [];
	readonly pollBodies: Buffer[] = [];

	readonly #http = http.createServer((request, response) => this.#polled(request, response));
	readonly #ws = new WebSocketServer({ noServer: true });
	readonly #events = new EventEmitter().setMaxListeners(0);
	readonly #sequence = new Map<InstanceUid, bigint>();
	readonly #offeredOn = new WeakMap<object, Map<InstanceUid, string>>();
	#wanted: { hash: Buffer; shared: Uint8Array } | undefined;

	async start(): Promise<string> {
		this.#http.on('upgrade', (request, socket, head) => {
			const refusal = this.#refusal();
			if (refusal) {
				const retry = refusal.retryAfter ? `Retry-After: ${refusal.retryAfter}\r\n` : '';
				socket.end(`HTTP/1.1 ${refusal.status} No\r\n${retry}Content-Length: 0\r\n\r\n`);
				return;
			}
			this.#ws.handleUpgrade(request, socket, head, (ws) => {
				ws.on('message', (data: Buffer) => this.#framed(ws, data, request.socket.remoteAddress ?? ''));
				ws.on('error', () => {});
			});
		});
		this.#http.listen(0, '127.0.0.1');
		await once(this.#http, 'listening');
		return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/v1/opamp`;
	}

	async stop(): Promise<void> {
		for (const socket of this.#ws.clients) socket.terminate();
		this.#http.closeAllConnections();
		this.#http.close();
		await once(this.#http, 'close');
	}

	/** Wants this configuration on every agent from now on; returns its hash as hex. */
	offer(config: string | ConfigFiles): string {
		const files = typeof config === 'string' ? oneFile(config) : config;
		const hash = Buffer.from(offeredHash(configHash(files), 0));
		this.#wanted = { hash, shared: encodeSharedOffer({ files, configHash: hash }) };
		for (const [uid, socket] of this.sockets) {
			const content = this.#content(uid, socket, {});
			if (content.shared?.length) socket.send(encodeServerToAgent(uid, content));
		}
		return hash.toString('hex');
	}

	push(uid: InstanceUid, content: ServerContent): void {
		this.sockets.get(uid)?.send(encodeServerToAgent(uid, content));
	}

	of(uid: InstanceUid): Heard[] {
		return this.heard.filter(({ instanceUid }) => instanceUid === uid);
	}

	/** Resolves once the condition holds, looked at after every message. */
	async until(condition: () => boolean): Promise<void> {
		const late = AbortSignal.timeout(10_000);
		while (!condition()) await once(this.#events, 'heard', { signal: late });
	}

	#refusal(): Refusing | undefined {
		if (!this.refusing || this.refusing.left === 0) return undefined;
		this.refusing.left -= 1;
		this.refusedAtMs.push(performance.now());
		return this.refusing;
	}

	#framed(ws: WebSocket, data: Buffer, remoteAddress: string): void {
		const message = unframe(data);
		if (!message.ok) throw new Error(message.error.message);
		const { instanceUid } = decode(message.value);
		this.sockets.set(instanceUid, ws);
		ws.send(this.#hear(message.value, ws, remoteAddress));
		this.#events.emit('heard');
	}

	#polled(request: http.IncomingMessage, response: http.ServerResponse): void {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const body = Buffer.concat(chunks);
			this.pollBodies.push(body);
			const refusal = this.#refusal();
			if (refusal) {
				response.writeHead(refusal.status, refusal.retryAfter ? { 'retry-after': refusal.retryAfter } : {}).end();
				return;
			}
			const answer = this.#hear(body, this, request.socket.remoteAddress ?? '');
			response.writeHead(200, { 'content-type': protobuf }).end(messageOf(answer));
			this.#events.emit('heard');
		});
	}

	#hear(bytes: Uint8Array, connection: object, remoteAddress: string): Uint8Array {
		const message = decode(bytes);
		const uid = message.instanceUid;
		this.heard.push({ ...message, remoteAddress, atMs: performance.now() });
		const full = message.report.agentDescription !== undefined;
		const follows = message.sequenceNum === (this.#sequence.get(uid) ?? -2n) + 1n;
		this.#sequence.set(uid, message.sequenceNum);
		this.known.set(uid, { ...this.known.get(uid), ...message.report });
		const asked = this.nextAnswer.get(uid) ?? {};
		this.nextAnswer.delete(uid);
		return encodeServerToAgent(uid, this.#content(uid, connection, { ...asked, reportFullState: !follows && !full }));
	}

	#content(uid: InstanceUid, connection: object, content: ServerContent): ServerContent {
		const offered = this.#offeredOn.get(connection) ?? new Map<InstanceUid, string>();
		const first = offered.size === 0 && { capabilities };
		if (first) offered.set(uid, '');
		this.#offeredOn.set(connection, offered);
		const wanted = this.#wanted;
		const reported = this.known.get(uid)?.remoteConfigStatus?.lastRemoteConfigHash ?? new Uint8Array(0);
		const hash = wanted?.hash.toString('hex');
		if (!wanted || hash === undefined || wanted.hash.equals(reported) || offered.get(uid) === hash)
			return { ...first, ...content };
		offered.set(uid, hash);
		return { ...first, ...content, shared: [wanted.shared] };
	}
}

function decode(bytes: Uint8Array): AgentMessage {
	const message = decodeAgentToServer(bytes, defaultMessageLimits);
	if (!message.ok) throw new Error(message.error.message);
	return message.value;
}
