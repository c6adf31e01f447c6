import type { GatewayId } from '@ampora/runtime';
import { connect, type Msg, type NatsConnection, type Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Backplane, DispatchReply, Subscription } from '../ports.js';
import {
	decodeEnvelope,
	decodeEvictions,
	decodeHint,
	decodeOutcomes,
	encodeEnvelope,
	encodeEvictions,
	encodeHint,
	encodeOutcomes,
} from './messages.js';

export interface NatsBackplaneOptions {
	readonly url: string;
	/** First token of every subject, so that installations can share a NATS. */
	readonly prefix: string;
	/** Name of this process in the server's connection list. */
	readonly name: string;
	readonly onError: (error: Error) => void;
}

/** Envelopes handled at the same time; one more is dropped, and dispatched again by its sender (D6). */
const handlersMax = 64;

/**
 * The backplane over NATS. It connects in the background and for ever: while it is away dispatches are lost, and the services go on
 * by their own ticks.
 */
export function createNatsBackplane(options: NatsBackplaneOptions): Backplane {
	const subjects = subjectsOf(options.prefix);
	let connection: NatsConnection | null = null;
	let connected = false;
	let closed = false;
	const waiting: ((connection: NatsConnection) => void)[] = [];
	const connecting = connect({
		servers: options.url,
		name: options.name,
		reconnect: true,
		waitOnFirstConnect: true,
		maxReconnectAttempts: -1,
		reconnectTimeWait: 250,
		reconnectJitter: 250,
	}).then(
		async (opened) => {
			if (closed) return opened.close();
			connection = opened;
			connected = true;
			void followStatus(opened, (now) => {
				connected = now;
			});
			for (const subscribe of waiting.splice(0)) subscribe(opened);
		},
		(error: Error) => options.onError(error),
	);

	function subscribe(subject: string, handle: (message: Msg) => void): Subscription {
		let subscription: NatsSubscription | null = null;
		let stopped = false;
		const open = (opened: NatsConnection) => {
			if (stopped) return;
			subscription = opened.subscribe(subject, {
				callback: (error, message) => {
					if (error) return options.onError(error);
					try {
						handle(message);
					} catch (thrown) {
						options.onError(thrown as Error);
					}
				},
			});
		};
		if (connection) open(connection);
		else waiting.push(open);
		return {
			async stop() {
				stopped = true;
				subscription?.unsubscribe();
			},
		};
	}

	return {
		async dispatch(gateway, envelope, timeoutMs): Promise<DispatchReply> {
			if (!connection || connection.isClosed()) return { kind: 'lost' };
			try {
				const reply = await connection.request(subjects.dispatch(gateway), encodeEnvelope(envelope), {
					timeout: timeoutMs,
				});
				return { kind: 'answered', outcomes: decodeOutcomes(reply.data) };
			} catch {
				// No responder, no answer in time, or a connection that went away: all the same to the sender.
				return { kind: 'lost' };
			}
		},
		async serveDispatch(gateway, handler) {
			let running = 0;
			return subscribe(subjects.dispatch(gateway), (message) => {
				if (running >= handlersMax) return;
				running += 1;
				void handler(decodeEnvelope(message.data))
					.then((outcomes) => void message.respond(encodeOutcomes(outcomes)))
					.catch(options.onError)
					.finally(() => {
						running -= 1;
					});
			});
		},
		async evict(gateway, evictions) {
			connection?.publish(subjects.evict(gateway), encodeEvictions(evictions));
		},
		async serveEvictions(gateway, handler) {
			return subscribe(subjects.evict(gateway), (message) => handler(decodeEvictions(message.data)));
		},
		async publishHint(hint) {
			connection?.publish(subjects.hint, encodeHint(hint));
		},
		async serveHints(handler) {
			return subscribe(subjects.hint, (message) => handler(decodeHint(message.data)));
		},
		healthy: () => connected,
		async close() {
			closed = true;
			await connection?.close();
			void connecting;
		},
	};
}

async function followStatus(connection: NatsConnection, tell: (connected: boolean) => void): Promise<void> {
	for await (const status of connection.status()) {
		if (status.type === 'disconnect') tell(false);
		if (status.type === 'reconnect') tell(true);
	}
	tell(false);
}

function subjectsOf(prefix: string) {
	// A gateway's name may hold characters that mean something in a subject.
	const token = (gateway: GatewayId) => Buffer.from(gateway).toString('base64url');
	return {
		dispatch: (gateway: GatewayId) => `${prefix}.gateway.${token(gateway)}.dispatch`,
		evict: (gateway: GatewayId) => `${prefix}.gateway.${token(gateway)}.evict`,
		hint: `${prefix}.hint`,
	};
}
