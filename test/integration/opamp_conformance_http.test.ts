// The rows of the OpAMP conformance checklist that concern the endpoint and plain HTTP, one test or more per row, by its id.
import { gunzipSync, gzipSync } from 'node:zlib';
import { defaultLimits } from '@ampora/gateway';
import {
	connectAgent,
	fullReport,
	type GatewayUnderTest,
	post,
	startGatewayUnderTest,
	status,
	TestAgent,
	TestPoller,
	TestSocket,
	yamlFile,
} from '@ampora/gateway/testing';
import { defaultMessageLimits, messageOf } from '@ampora/opamp';
import { encodeAgentToServer } from '@ampora/opamp/testing';
import { metricValue } from '@ampora/telemetry/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const inboundBytesMax = 64 * 1024;
const outboundBytesMax = 128 * 1024;
const limits = { ...defaultLimits, message: { ...defaultMessageLimits, inboundBytesMax, outboundBytesMax } };

let gateway: GatewayUnderTest;
beforeAll(async () => {
	gateway = await startGatewayUnderTest({ limits });
});
afterAll(() => gateway.stop());

const poller = () => new TestPoller(gateway.httpUrl);

/** What the operator's push comes to: an assignment, and word to the gateway. */
async function assign(uid: TestPoller['uid'], text: string) {
	const id = gateway.idOf(uid);
	const row = gateway.assign(id, gateway.publish(yamlFile(text)));
	await gateway.dispatch([id]);
	return row;
}

describe('endpoint', () => {
	test('C-01 WebSocket and plain HTTP work on one URL', async () => {
		const agent = await connectAgent(gateway.url);
		expect((await agent.hello()).instanceUid).toBe(agent.uid);
		expect((await poller().hello()).status).toBe(200);
		await agent.socket.close();
	});

	test('C-02 the path is /v1/opamp unless configured; others do not exist', async () => {
		expect(gateway.httpUrl).toMatch(/\/v1\/opamp$/);
		const elsewhere = await post(gateway.httpUrl.replace('/v1/opamp', '/other'), poller().body());
		expect(elsewhere.status).toBe(404);
		await expect(TestSocket.open(gateway.url.replace('/v1/opamp', '/other'))).rejects.toMatchObject({ status: 404 });
		const moved = await startGatewayUnderTest({ path: '/agents' });
		expect((await new TestPoller(moved.httpUrl).hello()).status).toBe(200);
		expect(moved.httpUrl).toMatch(/\/agents$/);
		await moved.stop();
	});

	test('C-03 a POST of another content type is refused with 4xx', async () => {
		for (const type of ['application/json', 'text/plain', 'application/x-protobuf-not']) {
			const { status: code } = await post(gateway.httpUrl, poller().body(), { 'content-type': type });
			expect(code).toBe(415);
		}
		const get = await fetch(gateway.httpUrl);
		expect(get.status).toBe(405);
		expect(get.headers.get('allow')).toBe('POST');
	});

	test('C-04 bodies are messages without a header byte', async () => {
		const { body } = await poller().hello();
		expect(body[0]).toBe(0x0a);
	});

	test('C-05 the answer is exactly 200 with exactly the protobuf type', async () => {
		const answer = await poller().hello();
		expect(answer.status).toBe(200);
		expect(answer.headers.get('content-type')).toBe('application/x-protobuf');
		expect(answer.headers.get('content-length')).toBe(String(answer.body.length));
	});

	test('C-06 a gzipped message means the same; a corrupt one is 400, an unknown coding 415', async () => {
		const agent = poller();
		const zipped = await post(gateway.httpUrl, gzipSync(agent.body({ report: fullReport() })), {
			'content-encoding': 'gzip',
		});
		expect(zipped.status).toBe(200);
		expect(zipped.message?.instanceUid).toBe(agent.uid);
		const corrupt = await post(gateway.httpUrl, Buffer.from('no gzip'), { 'content-encoding': 'gzip' });
		expect(corrupt.status).toBe(400);
		expect((await post(gateway.httpUrl, agent.body(), { 'content-encoding': 'br' })).status).toBe(415);
	});

	test.each([
		['gzip', true],
		['gzip;q=0.5, identity', true],
		['deflate, gzip', true],
		['*', true],
		['identity', false],
		['gzip;q=0', false],
		['gzip;q=0, *', false],
		['br', false],
	])('C-07 Accept-Encoding %s decides whether the answer is compressed: %s', async (accepted, compressed) => {
		const { response, bytes } = await rawPost(poller().body({ report: fullReport() }), { 'accept-encoding': accepted });
		expect(response.headers['content-encoding']).toBe(compressed ? 'gzip' : undefined);
		expect((compressed ? gunzipSync(bytes) : bytes)[0]).toBe(0x0a);
	});

	test('C-07 without Accept-Encoding the answer is plain', async () => {
		const { response } = await rawPost(poller().body({ report: fullReport() }), {});
		expect(response.headers['content-encoding']).toBeUndefined();
	});

	test('C-08 what is queued rides on the next response', async () => {
		const agent = poller();
		await agent.hello();
		const row = await assign(agent.uid, 'a: 1');
		const { message } = await agent.say();
		expect(message?.remoteConfig?.configHash).toEqual(row.offeredHash);
		expect((await agent.say({ report: status(row.offeredHash ?? new Uint8Array()) })).message?.remoteConfig).toBe(
			undefined,
		);
	});

	test('C-09 the answer is prompt when nothing is queued', async () => {
		const agent = poller();
		await agent.hello();
		const before = performance.now();
		await agent.say();
		expect(performance.now() - before).toBeLessThan(1_000);
	});

	test('C-10 state belongs to the uid, not to the connection', async () => {
		const [first, second] = [poller(), poller()];
		await first.hello();
		await second.hello();
		for (const agent of [first, second, first]) {
			const answer = await agent.say({}, { connection: 'close' });
			expect(answer.message).toMatchObject({ instanceUid: agent.uid, reportFullState: false });
		}
	});

	test('C-11 the OpAMP-Instance-UID header is optional, and the body counts', async () => {
		const agent = poller();
		const answer = await agent.say({ report: fullReport() }, { 'OpAMP-Instance-UID': poller().uid });
		expect(answer.message?.instanceUid).toBe(agent.uid);
	});

	test('C-12 a body over the limit is 413, a bomb too', async () => {
		expect((await post(gateway.httpUrl, Buffer.alloc(inboundBytesMax + 1))).status).toBe(413);
		const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024));
		expect(bomb.length).toBeLessThan(inboundBytesMax);
		expect((await post(gateway.httpUrl, bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
	});

	test('C-12 a body without a length is cut off at the limit', async () => {
		const endless = new ReadableStream({
			pull: (controller) => controller.enqueue(new Uint8Array(16 * 1024)),
		});
		const headers = { 'content-type': 'application/x-protobuf', authorization: 'Bearer a-token-for-tests' };
		const sent = fetch(gateway.httpUrl, { method: 'POST', headers, body: endless, duplex: 'half' } as RequestInit);
		// The server answers and hangs up while the client is still writing: which of the two the client sees is a race.
		const seen = await sent.then(
			(response) => response.status,
			() => 413,
		);
		expect(seen).toBe(413);
	});

	test('C-13 a configuration over the response limit is never sent, and recorded', async () => {
		const agent = poller();
		await agent.hello();
		await assign(agent.uid, `a: ${'x'.repeat(outboundBytesMax)}`);
		const answer = await agent.say();
		expect(answer.status).toBe(500);
		expect(answer.body.length).toBeLessThan(1_000);
		const dropped = await metricValue(gateway.registry, 'ampora_opamp_frames_rejected_total', {
			reason: 'offer-undeliverable',
		});
		expect(dropped).toBe(1);
		expect(gateway.lines.some(({ msg }) => msg === 'an offer cannot be sent')).toBe(true);
		expect((await agent.say()).status).toBe(200);
	});
});

describe('polls', () => {
	test('C-29 a byte-identical retry is answered as before, the offer included', async () => {
		const agent = poller();
		await agent.hello();
		const row = await assign(agent.uid, 'a: retry');
		const body = agent.body();
		for (let attempt = 0; attempt < 2; attempt++) {
			const { message } = await post(gateway.httpUrl, body);
			expect(message?.remoteConfig?.configHash).toEqual(row.offeredHash);
			expect(message?.reportFullState).toBe(false);
		}
		expect((await agent.say()).message?.remoteConfig).toBe(undefined);
	});

	test('C-32 every response tells the capabilities', async () => {
		const agent = poller();
		for (const answer of [await agent.hello(), await agent.say()])
			expect(answer.message?.capabilities.has('AcceptsStatus')).toBe(true);
	});

	test('C-37 of several pushes while it was away only the last arrives', async () => {
		const agent = poller();
		await agent.hello();
		await assign(agent.uid, 'a: 1');
		await assign(agent.uid, 'a: 2');
		const last = await assign(agent.uid, 'a: 3');
		expect((await agent.say()).message?.remoteConfig?.configHash).toEqual(last.offeredHash);
		expect((await agent.say()).message?.remoteConfig).toBe(undefined);
	});

	test('C-40 a temporary uid is replaced on request', async () => {
		const agent = poller();
		const { message } = await agent.say({ requestsInstanceUid: true, report: fullReport() });
		expect(message?.instanceUid).toBe(agent.uid);
		const given = message?.newInstanceUid;
		expect(given).toMatch(/^.{14}7/);
		const id = gateway.idOf(given ?? agent.uid);
		if (given) agent.uid = given;
		const next = await agent.say();
		expect(next.message).toMatchObject({ instanceUid: given, reportFullState: false });
		expect(gateway.idOf(agent.uid)).toBe(id);
	});

	test('C-46 agent_disconnect ends the session at once, and is acknowledged', async () => {
		const agent = poller();
		await agent.hello();
		const answer = await agent.say({ disconnect: true });
		expect(answer).toMatchObject({ status: 200, message: { instanceUid: agent.uid } });
		await gateway.until(() => gateway.agentOf(agent.uid)?.disconnectReason === 'goodbye');
	});

	test('C-46 agent_disconnect as the first message ever crashes nothing', async () => {
		const agent = poller();
		expect((await agent.say({ disconnect: true })).status).toBe(200);
	});

	test('C-52 an unknown agent that tells only what changed is asked for all', async () => {
		const { message } = await poller().say({ sequenceNum: 42n });
		expect(message?.reportFullState).toBe(true);
	});
});

describe('refusals', () => {
	test('C-56 the sequence of a refused message is not stored', async () => {
		const agent = poller();
		await agent.hello();
		const refused = await post(gateway.httpUrl, Buffer.alloc(inboundBytesMax + 1));
		expect(refused.status).toBe(413);
		agent.sequence += 1n;
		expect((await agent.say()).message?.reportFullState).toBe(true);
	});

	test('C-107 an undecodable body is a bad request, told with readable text', async () => {
		const answer = await post(gateway.httpUrl, Buffer.from([0x0a, 0xff]));
		expect(answer.status).toBe(400);
		expect(answer.message?.error).toMatchObject({ type: 'bad-request' });
		expect(answer.message?.error?.message).toMatch(/protobuf/);
	});

	test.each([0, 15, 17, 26])('C-38 a uid of %i bytes is malformed, and leaves no record', async (length) => {
		const before = gateway.state.agents.size;
		const instanceUid = Buffer.alloc(length, 0x41);
		const frame = encodeAgentToServer({ instanceUid, sequenceNum: 0n, capabilities: 1n });
		const answer = await post(gateway.httpUrl, messageOf(frame));
		expect(answer.status).toBe(400);
		expect(answer.message?.error?.type).toBe('bad-request');
		expect(gateway.state.agents.size).toBe(before);
	});

	test('C-111 a bad or missing token is 401, before any upgrade', async () => {
		for (const authorization of ['', 'Bearer wrong', 'Basic YTpi', 'Bearer ']) {
			const answer = await post(gateway.httpUrl, poller().body(), { authorization });
			expect(answer.status).toBe(401);
			const headers = authorization === '' ? {} : { authorization };
			await expect(TestSocket.open(gateway.url, { headers })).rejects.toMatchObject({ status: 401 });
		}
	});
});

describe('overload', () => {
	test('C-110 a full gateway answers 503 with a Retry-After of at least 30 s, on POST and on upgrade', async () => {
		const full = await startGatewayUnderTest({ limits: { ...defaultLimits, socketsMax: 1, pollersMax: 1 } });
		await (await connectAgent(full.url)).hello();
		await new TestPoller(full.httpUrl).hello();
		const answer = await new TestPoller(full.httpUrl).hello();
		expect(answer.status).toBe(503);
		expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(30);
		const refused = await TestSocket.open(full.url).catch((error: unknown) => error);
		expect(refused).toMatchObject({ status: 503 });
		expect(Number((refused as { headers: Record<string, string> }).headers['retry-after'])).toBeGreaterThanOrEqual(30);
		await full.stop();
	});

	test('C-110 a draining gateway answers 503 with a Retry-After, on POST and on upgrade', async () => {
		const draining = await startGatewayUnderTest();
		const agent = new TestAgent(await TestSocket.open(draining.url));
		await agent.hello();
		const drained = draining.gateway.drain();
		const answer = await new TestPoller(draining.httpUrl).hello();
		expect(answer.status).toBe(503);
		expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
		await expect(TestSocket.open(draining.url)).rejects.toMatchObject({ status: 503 });
		await drained;
		await draining.stop();
	});

	test('C-112 a revoked token is refused between polls, and its sockets are closed', async () => {
		const under = await startGatewayUnderTest();
		const agent = await connectAgent(under.url);
		await agent.hello();
		under.state.enrollmentTokens.clear();
		expect(await agent.socket.closed).toMatchObject({ code: 1008 });
		const answer = await new TestPoller(under.httpUrl).hello();
		expect(answer.status).toBe(401);
		await under.stop();
	});
});

/** Without `fetch`, which adds headers and inflates by itself. */
async function rawPost(body: Uint8Array, headers: Record<string, string>) {
	const { request } = await import('node:http');
	return new Promise<{ response: import('node:http').IncomingMessage; bytes: Buffer }>((resolve, reject) => {
		const own = { 'content-type': 'application/x-protobuf', authorization: 'Bearer a-token-for-tests' };
		const sent = request(gateway.httpUrl, { method: 'POST', headers: { ...own, ...headers } }, (response) => {
			const chunks: Buffer[] = [];
			response.on('data', (chunk: Buffer) => chunks.push(chunk));
			response.on('end', () => resolve({ response, bytes: Buffer.concat(chunks) }));
		});
		sent.on('error', reject);
		sent.end(body);
	});
}
