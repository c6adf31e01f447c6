import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createTestTracer } from './testing/index.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';
import { createTracer, currentTraceparent } from './tracer.js';

const remote = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('traceparent', () => {
	it('goes there and back', () => {
		const context = parseTraceparent(remote);
		expect(context).toEqual({ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true });
		expect(context && formatTraceparent(context)).toBe(remote);
	});

	it('accepts a later version with more in it', () => {
		expect(parseTraceparent(`cc${remote.slice(2, -2)}00-more`)).toMatchObject({ sampled: false });
	});

	it.each([
		undefined,
		null,
		'',
		'nonsense',
		`ff${remote.slice(2)}`,
		`${remote}-more`,
		remote.toUpperCase(),
		`00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
		`00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
	])('refuses %s', (text) => {
		expect(parseTraceparent(text)).toBeUndefined();
	});
});

describe('a tracer', () => {
	it('makes a child of a span in another process, by its traceparent', () => {
		const [api, gateway] = [createTestTracer(), createTestTracer()];
		const parent = api.startSpan('api.request');
		const child = gateway.startSpan('agent.offer', { parent: parent.traceparent });
		child.end();
		expect(child.traceId).toBe(parent.traceId);
		expect(gateway.finishedSpans()).toMatchObject([{ name: 'agent.offer', parentSpanId: parent.spanId }]);
	});

	it('nests spans over awaits', async () => {
		const tracer = createTestTracer();
		await tracer.inSpan('rollout.tick', { parent: remote }, async (outer) => {
			await Promise.resolve();
			expect(currentTraceparent()).toBe(outer.traceparent);
			await tracer.inSpan('dispatch.envelope', {}, async () => {});
			await tracer.inSpan('api.request', { parent: null }, async () => {});
		});
		expect(currentTraceparent()).toBeNull();
		const [inner, fresh, outer] = tracer.finishedSpans();
		expect(outer?.parentSpanId).toBe('b7ad6b7169203331');
		expect(inner?.parentSpanId).toBe(outer?.spanId);
		expect(inner?.traceId).toBe(outer?.traceId);
		expect(fresh?.parentSpanId).toBeUndefined();
		expect(fresh?.traceId).not.toBe(outer?.traceId);
	});

	it('starts a new trace for a parent that is none', () => {
		const tracer = createTestTracer();
		tracer.startSpan('api.request', { parent: 'garbage' }).end();
		expect(tracer.finishedSpans()).toMatchObject([{ parentSpanId: undefined }]);
	});

	it('names attributes after the fields of logs', () => {
		const tracer = createTestTracer();
		const span = tracer.startSpan('agent.apply', {
			attributes: { agent_id: 'a-1', assignment_seq: 3n },
			startMs: 1000,
		});
		span.setAttribute('outcome', 'applied');
		span.end(2000);
		span.end();
		expect(tracer.finishedSpans()).toMatchObject([
			{ attributes: { 'ampora.agent_id': 'a-1', 'ampora.assignment_seq': '3', 'ampora.outcome': 'applied' } },
		]);
	});

	it('records what fails, without its secrets, and passes it on', async () => {
		const tracer = createTestTracer();
		const failure = new Error('no route to redis://:hunter2@cache');
		await expect(
			tracer.inSpan('dispatch.envelope', {}, async () => {
				throw failure;
			}),
		).rejects.toBe(failure);
		expect(tracer.finishedSpans()).toMatchObject([{ error: 'no route to redis://[REDACTED]@cache' }]);
	});

	it('makes ids without anywhere to send them', async () => {
		const tracer = createTracer({ service: 'gateway' });
		const span = tracer.startSpan('api.request');
		expect(parseTraceparent(span.traceparent)).toMatchObject({ sampled: true });
		span.end();
		await tracer.shutdown();
	});

	it('sends spans to an OTLP receiver', async () => {
		let received: (body: { path: string | undefined; bytes: Buffer }) => void = () => {};
		const arrival = new Promise<{ path: string | undefined; bytes: Buffer }>((resolve) => {
			received = resolve;
		});
		const server = createServer((request, response) => {
			const chunks: Buffer[] = [];
			request.on('data', (chunk: Buffer) => chunks.push(chunk));
			request.on('end', () => {
				received({ path: request.url, bytes: Buffer.concat(chunks) });
				response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
			});
		});
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		try {
			const otlpEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
			const tracer = createTracer({ service: 'gateway', instance: 'gw-1', otlpEndpoint });
			tracer.startSpan('agent.offer', { attributes: { agent_id: 'a-1' } }).end();
			await tracer.shutdown();
			const { path, bytes } = await arrival;
			expect(path).toBe('/v1/traces');
			for (const text of ['ampora-gateway', 'gw-1', 'agent.offer', 'ampora.agent_id', 'a-1'])
				expect(bytes.includes(text), text).toBe(true);
		} finally {
			server.closeAllConnections();
			server.close();
		}
	});
});
