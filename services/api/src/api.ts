import type { AddressInfo } from 'node:net';
import { createControl, type MetricsServer } from '@ampora/control';
import type { Backplane } from '@ampora/dispatch';
import type { Clock } from '@ampora/runtime';
import type { ControlStore } from '@ampora/store';
import type { Logger, Tracer } from '@ampora/telemetry';
import type { FastifyInstance } from 'fastify';
import { buildServer } from './http/server.js';

export interface ApiDeps {
	readonly store: ControlStore;
	readonly backplane: Pick<Backplane, 'publishHint'>;
	readonly clock: Clock;
	readonly tracer: Tracer;
	readonly log: Logger;
	/** Absent: metric gates are refused. */
	readonly metrics?: MetricsServer;
}

export interface ApiOptions {
	readonly host: string;
	/** 0 takes a free one. */
	readonly port: number;
	readonly bodyBytesMax: number;
	/** How long a command waits for its decision, ms. */
	readonly decisionWaitMs: number;
	readonly version?: string;
}

export interface Api {
	/** Resolves when requests are taken. */
	listen(): Promise<{ readonly url: string; readonly port: number }>;
	/** For requests without a socket. */
	readonly server: FastifyInstance;
	/** Ends streams, lets requests under way finish; idempotent. */
	close(): Promise<void>;
}

/** The REST API over given adapters: an api process and standalone compose it alike. */
export async function createApi(
	{ store, backplane, clock, tracer, log, metrics }: ApiDeps,
	options: ApiOptions,
): Promise<Api> {
	const { host, port, bodyBytesMax, decisionWaitMs, version = '0.1.0' } = options;
	const control = createControl({
		store,
		backplane,
		clock,
		decisionWaitMs,
		...(metrics && { metrics }),
		onHintLost: (error) => log.debug('a hint was lost', { error }),
	});
	const closing = new AbortController();
	const server = await buildServer({ control, tracer, clock, log, bodyBytesMax, version, closing: closing.signal });
	let closed: Promise<void> | undefined;
	return {
		server,
		async listen() {
			await server.listen({ host, port });
			const { port: bound } = server.server.address() as AddressInfo;
			const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
			return { url: `http://${shown}:${bound}`, port: bound };
		},
		close() {
			closing.abort();
			closed ??= server.close();
			return closed;
		},
	};
}
