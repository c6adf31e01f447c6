// What a collector really does, seen from outside: spans go in at its receiver and come out at a sink of ours.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { stringify } from 'yaml';
import { Transcript } from './transcript.js';

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
	const server = createTcpServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, 'close');
	return port;
}

export interface PipelineOptions {
	/** Where its OTLP/HTTP receiver listens. */
	readonly receivePort: number;
	/** Where its exporter sends to. */
	readonly sink: string;
}

/** A whole collector configuration: OTLP in, batched, OTLP out as JSON. */
export function pipelineYaml({ receivePort, sink }: PipelineOptions): string {
	return stringify({
		receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${receivePort}` } } } },
		processors: { batch: { timeout: '50ms' } },
		exporters: {
			otlp_http: {
				endpoint: sink,
				encoding: 'json',
				compression: 'none',
				headers: { 'x-sink-key': 'not for everybody' },
			},
			debug: { verbosity: 'normal' },
		},
		service: {
			pipelines: { traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp_http', 'debug'] } },
		},
	});
}

/** Parses, but no collector runs it: its exporter does not exist. */
export const unknownExporterYaml = (options: PipelineOptions): string =>
	pipelineYaml(options).replaceAll('otlp_http', 'no_such_exporter');

/** @returns the HTTP status, or undefined when nobody listens there */
export async function sendSpan(port: number, name: string): Promise<number | undefined> {
	const span = {
		traceId: '5b8efff798038103d269b633813fc60c',
		spanId: 'eee19b7ec3c1b174',
		name,
		kind: 1,
		startTimeUnixNano: '1544712660000000000',
		endTimeUnixNano: '1544712661000000000',
	};
	const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
	const headers = { 'content-type': 'application/json', connection: 'close' };
	try {
		const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, { method: 'POST', headers, body });
		await response.arrayBuffer();
		return response.status;
	} catch {
		return undefined;
	}
}

export interface OtlpSink {
	/** Base URL for an exporter's `endpoint`. */
	readonly url: string;
	/** Names of the spans that arrived, in order. */
	readonly spans: Transcript<string>;
	close(): Promise<void>;
}

interface TracesJson {
	readonly resourceSpans?: { scopeSpans?: { spans?: { name: string }[] }[] }[];
}

export async function startSink(): Promise<OtlpSink> {
	const spans = new Transcript<string>();
	const server = createServer((request, response) => {
		namesIn(request).then(
			(names) => {
				for (const name of names) spans.push(name);
				response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
			},
			() => response.writeHead(400).end(),
		);
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		spans,
		async close() {
			server.close();
			server.closeAllConnections();
			await once(server, 'close');
		},
	};
}

async function namesIn(request: IncomingMessage): Promise<string[]> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	const traces = JSON.parse(Buffer.concat(chunks).toString('utf8')) as TracesJson;
	const scopes = (traces.resourceSpans ?? []).flatMap((resource) => resource.scopeSpans ?? []);
	return scopes.flatMap((scope) => (scope.spans ?? []).map(({ name }) => name));
}
