import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RefusalCode } from '@ampora/opamp';
import { refusals } from '@ampora/opamp';
import type { Clock } from '@ampora/runtime';
import type { Logger } from '@ampora/telemetry';
import { type WebSocket, WebSocketServer } from 'ws';
import type { GatewayLimits } from '../limits.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import { acceptsGzip, decodeBody } from './coding.js';
import type { Credential, Enrollment, Verdict } from './enrollment.js';
import { HttpReply, protobuf } from './http_reply.js';

export interface EndpointDeps {
	readonly host: string;
	readonly port: number;
	readonly path: string;
	readonly limits: GatewayLimits;
	readonly clock: Clock;
	readonly enrollment: Enrollment;
	readonly meters: GatewayMeters;
	readonly log: Logger;
	readonly retryAfterMs: () => number;
	/** Why nobody new is let in now; undefined: all may. */
	readonly closedTo: (kind: 'socket' | 'poll') => 'overloaded' | 'draining' | undefined;
	readonly onSocket: (ws: WebSocket, remoteAddress: string, credential: Credential) => void;
	readonly onPoll: (body: Buffer, reply: HttpReply, remoteAddress: string, credential: Credential) => void;
}

/** Go keeps idle connections for 90 s; a server that closes them earlier shows as EOF in agents' logs. */
const keepAliveTimeoutMs = 100_000;
const headersTimeoutMs = 110_000;
const requestTimeoutMs = 120_000;

/** One URL for both transports (C-01): upgrades become sockets, POSTs are polls. Refusals are told before an upgrade, never by closing after it. */
export class Endpoint {
	readonly #server: Server;
	readonly #sockets: WebSocketServer;

	constructor(private readonly deps: EndpointDeps) {
		this.#sockets = new WebSocketServer({
			noServer: true,
			clientTracking: false,
			perMessageDeflate: false,
			maxPayload: deps.limits.message.inboundBytesMax,
			skipUTF8Validation: true,
		});
		this.#server = createServer({ keepAliveTimeout: keepAliveTimeoutMs });
		this.#server.headersTimeout = headersTimeoutMs;
		this.#server.requestTimeout = requestTimeoutMs;
		// Every poller may keep a connection open; the limits proper are answered, this one only cuts floods off.
		this.#server.maxConnections = 2 * (deps.limits.socketsMax + deps.limits.pollersMax);
		this.#server.on('request', (request, response) => this.#guard(response, this.#request(request, response)));
		this.#server.on('upgrade', (request, socket, head) => {
			socket.on('error', ignore);
			this.#guard(socket, this.#upgrade(request, socket, head));
		});
		this.#server.on('clientError', (_error, socket) => refuseUpgrade(socket, 400, {}));
	}

	async listen(): Promise<{ host: string; port: number }> {
		await new Promise<void>((resolve, reject) => {
			this.#server.once('error', reject);
			this.#server.listen(this.deps.port, this.deps.host, () => {
				this.#server.off('error', reject);
				resolve();
			});
		});
		return { host: this.deps.host, port: (this.#server.address() as AddressInfo).port };
	}

	/** Takes no more connections, and ends those of plain HTTP. Sockets are their owner's. */
	async close(): Promise<void> {
		await new Promise<void>((resolve) => {
			this.#server.close(() => resolve());
			this.#server.closeAllConnections();
		});
	}

	#guard(stream: { destroy(): unknown }, work: Promise<void>): void {
		work.catch((error: unknown) => {
			this.deps.log.error('a request failed', { error });
			stream.destroy();
		});
	}

	async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
		if (!this.#isOurs(request)) return refuseUpgrade(socket, 404, {});
		const closed = this.deps.closedTo('socket');
		if (closed) return this.#refuseUpgrade(socket, closed);
		const verdict = await this.deps.enrollment.check(request.headers.authorization);
		if (verdict.kind !== 'accepted') return this.#refuseUpgrade(socket, codeOf(verdict));
		if (socket.destroyed) return;
		const remoteAddress = request.socket.remoteAddress ?? '';
		this.#sockets.handleUpgrade(request, socket, head, (ws) => {
			socket.off('error', ignore);
			this.deps.onSocket(ws, remoteAddress, verdict.credential);
		});
	}

	#refuseUpgrade(socket: Duplex, code: RefusalCode): void {
		this.#rejected(code);
		refuseUpgrade(socket, refusals[code].httpStatus, this.#headersOf(code));
	}

	async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
		if (!this.#isOurs(request)) return plain(request, response, 404, {}, 'there is nothing at this path');
		if (request.method !== 'POST')
			return plain(request, response, 405, { allow: 'POST' }, 'POST an AgentToServer message');
		const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
		if (mediaType !== protobuf)
			return this.#refuse(request, response, 'unsupported-media-type', `the body has to be ${protobuf}`);
		const verdict = await this.deps.enrollment.check(request.headers.authorization);
		if (verdict.kind !== 'accepted')
			return this.#refuse(request, response, codeOf(verdict), 'a valid enrollment token is needed');
		const closed = this.deps.closedTo('poll');
		if (closed) return this.#refuse(request, response, closed, 'not now; come back later');
		const body = await this.#body(request, response);
		if (body === undefined) return;
		const reply = this.#reply(request, response);
		this.deps.onPoll(body, reply, request.socket.remoteAddress ?? '', verdict.credential);
	}

	#reply(request: IncomingMessage, response: ServerResponse): HttpReply {
		return new HttpReply(response, {
			gzip: acceptsGzip(header(request.headers['accept-encoding'])),
			clock: this.deps.clock,
			outboundBytesMax: this.deps.limits.message.outboundBytesMax,
			retryAfterMs: this.deps.retryAfterMs,
			onOversize: (bytes) => {
				this.#rejected('response-oversize');
				this.deps.log.error('a response is larger than outboundBytesMax and was not sent', { bytes });
			},
		});
	}

	/** Undefined: it was refused, or the agent went away. */
	async #body(request: IncomingMessage, response: ServerResponse): Promise<Buffer | undefined> {
		const { inboundBytesMax } = this.deps.limits.message;
		const raw = await readBody(request, inboundBytesMax);
		if (raw === 'gone') return undefined;
		const decoded =
			raw === 'too-large'
				? ({ ok: false, error: raw } as const)
				: await decodeBody(raw, header(request.headers['content-encoding']), inboundBytesMax);
		if (decoded.ok) return decoded.value;
		this.#refuse(request, response, decoded.error, `a message may have ${inboundBytesMax} bytes, in identity or gzip`);
		return undefined;
	}

	#refuse(request: IncomingMessage, response: ServerResponse, code: RefusalCode, message: string): void {
		this.#rejected(code);
		const headers = this.#headersOf(code);
		// What is left of a body that is too large is not read.
		if (code === 'too-large') headers.connection = 'close';
		plain(request, response, refusals[code].httpStatus, headers, message);
	}

	#headersOf(code: RefusalCode): Record<string, string> {
		const { httpStatus } = refusals[code];
		if (httpStatus === 503) return { 'retry-after': String(Math.ceil(this.deps.retryAfterMs() / 1000)) };
		return httpStatus === 401 ? { 'www-authenticate': 'Bearer' } : {};
	}

	#rejected(reason: string): void {
		const label = reason === 'unauthorized' ? 'auth_failed' : reason === 'too-large' ? 'oversize' : reason;
		this.deps.meters.opamp.ampora_opamp_frames_rejected_total.inc({ reason: label });
	}

	#isOurs(request: IncomingMessage): boolean {
		return request.url?.split('?')[0] === this.deps.path;
	}
}

const ignore = (): void => {};

const header = (value: string | string[] | undefined): string | undefined =>
	Array.isArray(value) ? value.join(',') : value;

const codeOf = (verdict: Exclude<Verdict, { kind: 'accepted' }>): RefusalCode =>
	verdict.kind === 'refused' ? 'unauthorized' : 'overloaded';

function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | 'too-large' | 'gone'> {
	return new Promise((resolve) => {
		if (Number(request.headers['content-length'] ?? 0) > bytesMax) return resolve('too-large');
		const chunks: Buffer[] = [];
		let bytes = 0;
		request.on('data', (chunk: Buffer) => {
			bytes += chunk.length;
			if (bytes <= bytesMax) chunks.push(chunk);
			else {
				chunks.length = 0;
				request.pause();
				resolve('too-large');
			}
		});
		request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
		request.on('error', () => resolve('gone'));
		request.on('close', () => resolve('gone'));
	});
}

function plain(
	request: IncomingMessage,
	response: ServerResponse,
	status: number,
	headers: Record<string, string>,
	message: string,
): void {
	if (headers.connection !== 'close') request.resume();
	response.writeHead(status, {
		'content-type': 'text/plain',
		'content-length': Buffer.byteLength(message),
		...headers,
	});
	response.end(message);
}

/** An answer to an upgrade is written by hand: there is no response object for it. */
function refuseUpgrade(socket: Duplex, status: number, headers: Record<string, string>): void {
	if (!socket.writable) return void socket.destroy();
	const lines = Object.entries({ connection: 'close', 'content-length': '0', ...headers });
	const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
	socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head}\r\n`, () => socket.destroy());
}
