import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from './health.js';
import type { MetricsRegistry } from './metrics.js';
import { redactText } from './redact.js';

export interface OperationsOptions {
	readonly host: string;
	/** 0 takes a free one. */
	readonly port: number;
	readonly registry: MetricsRegistry;
	readonly health: Health;
}

export interface OperationsServer {
	readonly host: string;
	readonly port: number;
	/** Ends open connections too; idempotent. */
	close(): Promise<void>;
}

/**
 * What machines that watch a service ask: `/metrics` in Prometheus text, `/health/live` (200 while the event loop turns), `/health/ready`
 * (503 with the failing checks). Rejects when the address cannot be had.
 */
export async function serveOperations({ host, port, registry, health }: OperationsOptions): Promise<OperationsServer> {
	const server = createServer((request, response) => {
		answer(request, response, { registry, health }).catch((error: unknown) => {
			if (response.headersSent) response.destroy();
			else sendJson(response, 500, { status: 'error', message: redactText(String(error)) });
		});
	});
	await new Promise<void>((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.off('error', reject);
			resolve();
		});
	});
	return {
		host,
		port: (server.address() as AddressInfo).port,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}

type Sources = Pick<OperationsOptions, 'registry' | 'health'>;

async function answer(
	request: IncomingMessage,
	response: ServerResponse,
	{ registry, health }: Sources,
): Promise<void> {
	request.resume();
	if (request.method !== 'GET' && request.method !== 'HEAD') {
		response.setHeader('allow', 'GET, HEAD');
		return sendJson(response, 405, { status: 'method-not-allowed' });
	}
	switch (request.url?.split('?')[0]) {
		case '/metrics':
			return send(response, 200, registry.contentType, await registry.metrics());
		case '/health/live':
			return sendJson(response, 200, { status: 'live' });
		case '/health/ready': {
			const failing = await health.failingChecks();
			const status = failing.length === 0 ? 'ready' : 'not-ready';
			return sendJson(response, failing.length === 0 ? 200 : 503, { status, failing });
		}
		default:
			return sendJson(response, 404, { status: 'not-found', paths: ['/metrics', '/health/live', '/health/ready'] });
	}
}

const sendJson = (response: ServerResponse, status: number, body: unknown): void =>
	send(response, status, 'application/json', `${JSON.stringify(body)}\n`);

function send(response: ServerResponse, status: number, type: string, body: string): void {
	response.writeHead(status, {
		'content-type': type,
		'content-length': Buffer.byteLength(body),
		'cache-control': 'no-store',
	});
	response.end(body);
}
