import type { ServerResponse } from 'node:http';
import { encodeServerError, type Frame, type InstanceUid, messageOf, type RefusalCode, refusals } from '@ampora/opamp';
import type { Clock, Timer } from '@ampora/runtime';
import type { Replier } from '../session/carrier.js';
import { compress } from './coding.js';

export interface HttpReplyOptions {
	readonly gzip: boolean;
	readonly clock: Clock;
	readonly outboundBytesMax: number;
	readonly retryAfterMs: () => number;
	readonly onOversize: (bytes: number) => void;
}

/** An agent that waits for its session longer than this is told to come back, ms: clients give up after 10 s. */
const answerWithinMs = 5_000;
export const protobuf = 'application/x-protobuf';

/** The one response to one request. */
export class HttpReply implements Replier {
	#timer: Timer | null = null;
	#answered = false;

	constructor(
		private readonly response: ServerResponse,
		private readonly options: HttpReplyOptions,
	) {}

	get gone(): boolean {
		return this.#answered || this.response.destroyed;
	}

	/** From now on somebody else owes the answer, in good time. */
	expect(uid: InstanceUid): void {
		if (this.#answered) return;
		this.#timer = this.options.clock.after(answerWithinMs, () =>
			this.refuse(uid, 'overloaded', `no answer within ${answerWithinMs} ms; send it again`),
		);
	}

	reply(frame: Frame): void {
		const body = messageOf(frame);
		if (body.length <= this.options.outboundBytesMax) {
			this.#send(200, body);
			return;
		}
		this.options.onOversize(body.length);
		this.#send(500, new Uint8Array(0));
	}

	refuse(uid: InstanceUid, code: RefusalCode, message: string): void {
		const { opampErrorType: type, httpStatus } = refusals[code];
		const retryAfterMs = this.options.retryAfterMs();
		const retry = type === 'unavailable' ? { retryAfterMs } : {};
		const body = messageOf(encodeServerError(uid, { type, message, ...retry }));
		this.#send(httpStatus, body, httpStatus === 503 ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {});
	}

	#send(status: number, body: Uint8Array, headers: Record<string, string> = {}): void {
		if (this.gone) return;
		this.#answered = true;
		this.#timer?.cancel();
		if (!this.options.gzip) {
			this.#end(status, body, headers);
			return;
		}
		const compressed = compress(body);
		const coded = { ...headers, 'content-encoding': 'gzip' };
		if (Buffer.isBuffer(compressed)) {
			this.#end(status, compressed, coded);
			return;
		}
		compressed.then(
			(bytes) => this.#end(status, bytes, coded),
			() => this.#end(status, body, headers),
		);
	}

	#end(status: number, body: Uint8Array, headers: Record<string, string>): void {
		if (this.response.destroyed) return;
		this.response.writeHead(status, { 'content-type': protobuf, 'content-length': body.length, ...headers });
		this.response.end(body);
	}
}
