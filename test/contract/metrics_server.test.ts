import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createPrometheus, type MetricsServer } from '@ampora/control';
import { createMemoryMetrics } from '@ampora/control/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPrometheus } from '../../deploy/local/servers/prometheus.mjs';

const withinMs = 60_000;

interface Opened {
	readonly metrics: MetricsServer;
	/** From then on it is away. */
	leave(): Promise<void>;
	close(): Promise<void>;
}

const adapters: readonly { name: string; open: () => Promise<Opened> }[] = [
	{
		name: 'memory',
		async open() {
			const metrics = createMemoryMetrics();
			const known: Record<string, number[]> = {
				'vector(7)': [7],
				'vector(0) / 0': [Number.NaN],
				'vector(1) / 0': [1 / 0],
			};
			const several = { 'absent(a) or label_replace(vector(2), "x", "y", "", "")': [1, 2] };
			metrics.answer((query) => ({ ...known, ...several })[query] ?? []);
			const leave = async () =>
				metrics.answer(() => {
					throw new Error('gone');
				});
			return { metrics, leave, close: async () => {} };
		},
	},
	{
		name: 'Prometheus',
		async open() {
			const server = await startPrometheus();
			const metrics = createPrometheus({ url: server.url });
			return { metrics, leave: () => server.kill(), close: () => server.stop() };
		},
	},
];

describe.each(adapters)('metrics server: $name', ({ open }) => {
	let opened: Opened;
	beforeAll(async () => {
		opened = await open();
	});
	afterAll(() => opened.close());
	const valuesOf = async (query: string) => {
		const answer = await opened.metrics.query(query, Date.now(), withinMs);
		return answer.kind === 'samples' ? answer.samples.map(({ value }) => value) : answer;
	};

	test.each<[string, number[]]>([
		['vector(7)', [7]],
		['nobody_writes_this', []],
		['vector(0) / 0', [Number.NaN]],
		['vector(1) / 0', [Number.POSITIVE_INFINITY]],
		['absent(a) or label_replace(vector(2), "x", "y", "", "")', [1, 2]],
	])('%s', async (query, values) => expect(await valuesOf(query)).toEqual(values));

	test('samples are of the instant that was asked about', async () => {
		const atMs = Date.now() - 60_000;
		expect(await opened.metrics.query('vector(7)', atMs, withinMs)).toEqual({
			kind: 'samples',
			samples: [{ value: 7, atMs }],
		});
	});

	test('what it cannot run it refuses, in its own words', async () => {
		expect(await opened.metrics.query('sum(up', Date.now(), withinMs)).toEqual({
			kind: 'refused',
			message: expect.stringMatching(/parse error: unclosed left parenthesis/),
		});
	});

	test('one that is gone is away', async () => {
		await opened.leave();
		expect(await opened.metrics.query('vector(7)', Date.now(), withinMs)).toEqual({
			kind: 'away',
			message: expect.stringMatching(/^the metrics server .*does not answer: /),
		});
	});
});

describe('a sample of a Prometheus', () => {
	const oldMs = 100_000;
	/** Told with its own time, as what is pushed is: nothing marks it as gone when it stops. */
	const pushed = `pushed 5 ${Date.now() - oldMs}\n`;
	const target = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(pushed));
	let server: Awaited<ReturnType<typeof startPrometheus>>;
	beforeAll(async () => {
		await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
		const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
		server = await startPrometheus([{ job: 'pushed', url }]);
	});
	afterAll(async () => {
		await server.stop();
		target.close();
	});

	test('that is older than asked for is none, though the server still answers with it', async () => {
		const metrics = createPrometheus({ url: server.url });
		const within = async (ms: number) => metrics.query('avg(pushed)', Date.now(), ms);
		await expect
			.poll(() => within(4 * oldMs), { timeout: 25_000 })
			.toMatchObject({ kind: 'samples', samples: [{ value: 5 }] });
		expect(await within(withinMs)).toEqual({ kind: 'samples', samples: [] });
	});
});

describe('what answers for Prometheus', () => {
	let answer: { status: number; body: string };
	const asked: { authorization: string | undefined; url: string | undefined }[] = [];
	const server = createServer(({ headers, url }, response) => {
		asked.push({ authorization: headers.authorization, url });
		response.writeHead(answer.status).end(answer.body);
	});
	let url = '';
	beforeAll(async () => {
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	});
	afterAll(() => server.close());

	test.each([
		['is no Prometheus', 200, 'hello'],
		['is too much', 200, 'x'.repeat(1_048_577)],
		['is an error page', 502, '<html>'],
	])('%s: away', async (_, status, body) => {
		answer = { status, body };
		expect(await createPrometheus({ url }).query('up', 0, withinMs)).toMatchObject({
			kind: 'away',
			message: expect.stringContaining(url),
		});
	});

	test('is asked with the token, under the path it was given', async () => {
		answer = { status: 200, body: '{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}' };
		const metrics = createPrometheus({ url: `${url}/prom/`, token: 'secret' });
		expect(await metrics.query('1', 1_000, withinMs)).toEqual({
			kind: 'samples',
			samples: [{ value: 1 / 0, atMs: 1_000 }],
		});
		expect(asked.at(-1)).toEqual({ authorization: 'Bearer secret', url: '/prom/api/v1/query' });
	});

	test('is not set up: away', async () => {
		expect(await createPrometheus({ url: null }).query('1', 0, withinMs)).toMatchObject({
			kind: 'away',
			message: expect.stringContaining('AMPORA_METRICS_URL'),
		});
	});
});
