import http from 'node:http';
import { type Frame, messageOf } from '@ampora/opamp';
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

const protobuf = 'application/x-protobuf';
const pollTimeoutMs = 30_000;
const closeTimeoutMs = 5_000;

interface PollAnswer {
	/** 0 when nobody answered. */
	readonly status: number;
	readonly retryAfter?: string | undefined;
	readonly contentType?: string | undefined;
	readonly body: Buffer;
}

const noAnswer: PollAnswer = { status: 0, body: Buffer.alloc(0) };

/** One agent that polls over plain HTTP: one request at a time, the rest waits in order. */
export class HttpLink implements SteeredLink {
	connection = -1;
	readonly agents: readonly FleetAgent[];
	readonly #pace: ReconnectPace;
	#waiting: Frame[] = [];
	/** A request is under way, or waits for its next try. */
	#polling = false;
	#inFlight: http.ClientRequest | undefined;
	/** Called when nothing is left to send. */
	#drained: (() => void) | undefined;

	constructor(
		readonly agent: FleetAgent,
		readonly target: LinkTarget,
		readonly context: LinkContext,
		readonly keepAlive: http.Agent,
	) {
		this.agents = [agent];
		this.#pace = new ReconnectPace(context, target.reconnect);
	}

	start(): void {
		if (this.connection !== -1) return;
		this.connection = this.context.nextConnection();
		this.context.ledger.stats.connects += 1;
		this.agent.linked(this);
	}

	send(frame: Frame): void {
		this.#waiting.push(frame);
		if (!this.#polling) this.#poll();
	}

	cut(backAfterMs: number | undefined): void {
		this.#end();
		if (backAfterMs !== undefined) this.#pace.after(backAfterMs, () => this.start());
	}

	async goodbye(): Promise<void> {
		if (this.connection === -1) return;
		this.agent.goodbye();
		if (this.#polling) {
			await new Promise<void>((resolve) => {
				this.#drained = resolve;
				this.context.clock.after(closeTimeoutMs, resolve);
			});
		}
		this.#end();
	}

	#end(): void {
		this.#pace.cancel();
		this.#waiting = [];
		this.#polling = false;
		this.connection = -1;
		this.#inFlight?.destroy();
		this.agent.unlinked();
		this.#drained?.();
	}

	#poll(): void {
		const frame = this.#waiting[0];
		if (!frame) {
			this.#drained?.();
			return;
		}
		this.#polling = true;
		const { connection } = this;
		this.#inFlight = this.#request(messageOf(frame), (answer) => {
			if (this.connection !== connection) return;
			this.#polling = false;
			this.#answered(answer);
		});
	}

	#answered({ status, retryAfter, contentType, body }: PollAnswer): void {
		const again = status === 0 || status === 429 || status === 503;
		if (status !== 200) countRefusal(this.context.ledger, this.agents, status);
		if (again) {
			// The same bytes with the same number, as the protocol wants of a retry.
			this.#polling = true;
			this.#pace.retry(() => this.#poll(), retryAfterMs(retryAfter, this.context.clock.nowMs()));
			return;
		}
		this.#pace.succeeded();
		this.#waiting.shift();
		if (status === 200) this.#received(body, contentType);
		if (!this.#polling) this.#poll();
	}

	#received(body: Buffer, contentType: string | undefined): void {
		const received = contentType === protobuf ? readReply(body) : undefined;
		if (received) this.agent.received(received, body.length);
		else
			this.context.ledger.violated(`a poll was answered with ${contentType}: ${body.subarray(0, 32).toString('hex')}`);
	}

	#request(body: Uint8Array, done: (answer: PollAnswer) => void): http.ClientRequest {
		const { url, headers, localAddress } = this.target;
		const request = http.request(url.replace(/^ws/, 'http'), {
			method: 'POST',
			agent: this.keepAlive,
			timeout: pollTimeoutMs,
			headers: {
				...headers,
				'content-type': protobuf,
				'content-length': body.length,
				'opamp-instance-uid': this.agent.instanceUid,
			},
			...(localAddress !== undefined && { localAddress }),
		});
		let settled = false;
		const settle = (answer: PollAnswer): void => {
			if (settled) return;
			settled = true;
			done(answer);
		};
		request.on('response', (response) => {
			const chunks: Buffer[] = [];
			const { 'retry-after': retryAfter, 'content-type': contentType } = response.headers;
			response.on('data', (chunk: Buffer) => chunks.push(chunk));
			response.on('error', () => settle(noAnswer));
			response.on('end', () =>
				settle({ status: response.statusCode ?? 0, retryAfter, contentType, body: Buffer.concat(chunks) }),
			);
		});
		request.on('timeout', () => request.destroy());
		request.on('error', () => settle(noAnswer));
		request.end(body);
		return request;
	}
}
