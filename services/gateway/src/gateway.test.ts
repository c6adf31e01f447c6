import type { GatewayId } from '@ampora/runtime';
import { metricValue } from '@ampora/telemetry/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { defaultLimits } from './limits.js';
import {
	connectAgent,
	createGatewayWorld,
	description,
	fullReport,
	type GatewayUnderTest,
	skewedClock,
	startGatewayUnderTest,
	status,
	type TestAgent,
	TestPoller,
	TestSocket,
	yamlFile,
} from './testing/index.js';

const running: GatewayUnderTest[] = [];
const start = async (...args: Parameters<typeof startGatewayUnderTest>) => {
	const under = await startGatewayUnderTest(...args);
	running.push(under);
	return under;
};
afterEach(async () => {
	for (const under of running.splice(0)) await under.stop();
});

const gw2 = 'gw-2' as GatewayId;
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

async function hello(under: GatewayUnderTest): Promise<TestAgent> {
	const agent = await connectAgent(under.url);
	await agent.hello();
	return agent;
}

const reportOf = (body: string) => ({
	effectiveConfig: { files: new Map([['', { body: Buffer.from(body), contentType: 'text/yaml' }]]) },
});

describe('one change', () => {
	test('from the assignment to the answer in the database', async () => {
		const under = await start();
		const agent = await hello(under);
		await under.until(() => under.agentOf(agent.uid)?.description?.agentType === 'test-agent');
		const id = under.idOf(agent.uid);
		const row = under.assign(id, under.publish(yamlFile('receivers: {}')));
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['offered'] });
		const offer = await agent.socket.next();
		expect(Buffer.from(offer.remoteConfig?.files.get('')?.body ?? []).toString()).toBe('receivers: {}');
		expect(row.answer).toBe('offered');

		const hash = offer.remoteConfig?.configHash ?? new Uint8Array();
		expect(await agent.say({ report: status(hash, 'applying') })).toMatchObject({ extraFields: 0 });
		await agent.say({ report: status(hash, 'applied') });
		await under.until(() => row.answer === 'applied');
		const age = 'ampora_opamp_apply_duration_seconds';
		expect(await metricValue(under.registry, age, { agent_type: 'test-agent' })).toBe(1);
	});

	test('a redelivered envelope sends the same seq once', async () => {
		const under = await start();
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		under.assign(id, under.publish(yamlFile('a: 1')));
		const replies = await Promise.all([under.dispatch([id]), under.dispatch([id])]);
		expect(replies.flatMap((reply) => (reply.kind === 'answered' ? reply.outcomes : []))).toEqual([
			'offered',
			'offered',
		]);
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['nothing-to-offer'] });
		expect((await agent.socket.next()).remoteConfig).toBeDefined();
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('permission that came too late is not used, and asked for again (D2)', async () => {
		const world = createGatewayWorld();
		const clock = skewedClock();
		const under = await start({ healIntervalMs: 20 }, world, clock);
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		let claims = 0;
		world.onStore = (operation) => {
			if (operation === 'claimOffers' && claims++ === 0) clock.advance(1_500);
		};
		under.assign(id, under.publish(yamlFile('a: 1')));
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['queue-full'] });
		expect((await agent.socket.next()).remoteConfig).toBeDefined();
		expect(claims).toBe(2);
	});

	test('an envelope that was lost is made good by the gateway itself (D5)', async () => {
		const under = await start({ healIntervalMs: 20 });
		const agent = await hello(under);
		under.assign(under.idOf(agent.uid), under.publish(yamlFile('a: 1')));
		expect((await agent.socket.next()).remoteConfig).toBeDefined();
		expect(await metricValue(under.registry, 'ampora_dispatch_local_total')).toBe(1);
	});

	test('an agent without a status has answered when its effective config matches', async () => {
		const under = await start();
		const agent = await connectAgent(under.url, undefined, 0x7n);
		await agent.say({ report: { agentDescription: description() } });
		const id = under.idOf(agent.uid);
		const row = under.assign(id, under.publish(yamlFile('receivers: {otlp: {}}')));
		await under.dispatch([id]);
		await agent.socket.next();
		await agent.say({ report: reportOf('receivers: {nop: {}}') });
		await under.until(() => row.effective === 'mismatch');
		expect(row.answer).toBe('offered');
		await agent.say({ report: reportOf('receivers: {otlp: {}, nop: {}}') });
		await under.until(() => row.answer === 'applied' && row.effective === 'match');
	});

	test('one trace goes from the assignment to the answer', async () => {
		const under = await start();
		const agents = await Promise.all([hello(under), hello(under)]);
		const ids = agents.map(({ uid }) => under.idOf(uid));
		const version = under.publish(yamlFile('a: 1'));
		const rows = ids.map((id) => under.assign(id, version, { traceparent }));
		await under.dispatch(ids, traceparent);
		for (const [at, agent] of agents.entries()) {
			const { remoteConfig } = await agent.socket.next();
			const said = at === 0 ? ('applied' as const) : ('failed' as const);
			await agent.say({ report: status(remoteConfig?.configHash ?? new Uint8Array(), said, 'no such receiver') });
		}
		await under.until(() => rows.every(({ answer }) => answer === 'applied' || answer === 'failed'));
		const spans = under.tracer.finishedSpans();
		expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(['0af7651916cd43dd8448eb211c80319c']));
		expect(spans.map(({ name, error }) => `${name} ${error ?? ''}`)).toEqual([
			'dispatch.consume ',
			'agent.apply ',
			'agent.apply no such receiver',
		]);
	});
});

describe('many agents', () => {
	test('connect in a few rounds, and are offered in a few claims', async () => {
		const world = createGatewayWorld();
		const calls = new Map<string, number>();
		world.onStore = (operation) => void calls.set(operation, (calls.get(operation) ?? 0) + 1);
		const under = await start({}, world);
		const agents = await Promise.all(Array.from({ length: 200 }, () => hello(under)));
		expect(calls.get('connectAgents')).toBeLessThan(100);
		const ids = agents.map(({ uid }) => under.idOf(uid));
		const version = under.publish(yamlFile('a: 1'));
		const rows = ids.map((id) => under.assign(id, version));
		calls.clear();
		const reply = await under.dispatch(ids);
		expect(new Set(reply.kind === 'answered' ? reply.outcomes : [])).toEqual(new Set(['offered']));
		expect(calls.get('claimOffers')).toBe(1);
		await Promise.all(
			agents.map(async (agent) => {
				const { remoteConfig } = await agent.socket.next();
				await agent.say({ report: status(remoteConfig?.configHash ?? new Uint8Array()) });
			}),
		);
		await under.until(() => rows.every(({ answer }) => answer === 'applied'));
		expect(calls.get('flushReports')).toBeLessThan(50);
		expect(await metricValue(under.registry, 'ampora_opamp_active_sessions', { transport: 'websocket' })).toBe(200);
	});

	test('one that does not read is not offered to until it does, and delays no other (D7)', async () => {
		const under = await start({ limits: { ...defaultLimits, sendBufferBytesMax: 16 * 1024 } });
		const [slow, quick] = [await hello(under), await hello(under)];
		slow.socket.ws.pause();
		const ids = [under.idOf(slow.uid), under.idOf(quick.uid)];
		let last = '';
		for (let version = 0, full = false; !full; version++) {
			last = `a: ${version}\n# ${'x'.repeat(512 * 1024)}`;
			const published = under.publish(yamlFile(last));
			for (const id of ids) under.assign(id, published);
			const reply = await under.dispatch(ids);
			const outcomes = reply.kind === 'answered' ? reply.outcomes : [];
			expect(outcomes[1]).toBe('offered');
			expect((await quick.socket.next()).remoteConfig).toBeDefined();
			full = outcomes[0] === 'queue-full';
			expect(version).toBeLessThan(100);
		}
		slow.socket.ws.resume();
		const [slowId] = ids;
		for (let text = ''; text !== last; ) {
			const { remoteConfig } = await slow.socket.next();
			text = Buffer.from(remoteConfig?.files.get('')?.body ?? []).toString();
		}
		expect(slowId && under.state.assignments.get(slowId)?.answer).toBe('offered');
	});
});

describe('two gateways', () => {
	test('the newest session wins; the older one is evicted and its gateway has nothing to say any more', async () => {
		const world = createGatewayWorld();
		const [first, second] = [await start({}, world), await start({ gateway: gw2 }, world)];
		const before = await hello(first);
		const after = await connectAgent(second.url, before.uid);
		await after.hello();
		expect(await before.socket.closed).toMatchObject({ code: 1000 });
		const id = second.idOf(after.uid);
		expect(await first.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['not-mine'] });
		expect((await world.directory.lookupOwners([id])).get(id)?.gateway).toBe(gw2);
		expect(second.agentOf(after.uid)).toMatchObject({ gateway: gw2, disconnectReason: null });
	});

	test('two agents that take one uid from each other across gateways end up with one each (C-42)', async () => {
		const world = createGatewayWorld();
		const gateways = [await start({}, world), await start({ gateway: gw2 }, world)];
		const first = await hello(gateways[0] as GatewayUnderTest);
		let renamed: string | undefined;
		for (let round = 1; round < 12 && !renamed; round++) {
			const clone = await connectAgent(gateways[round % 2]?.url ?? '', first.uid);
			clone.sequence = BigInt(100 * round);
			renamed = (await clone.hello(`clone ${round % 2}`)).newInstanceUid;
		}
		expect(renamed).toBeDefined();
		expect(world.store.state.agents.size).toBe(2);
	});

	test('a poll that strays to another gateway moves nothing; two in a row do', async () => {
		const world = createGatewayWorld();
		const [first, second] = [await start({}, world), await start({ gateway: gw2 }, world)];
		const poller = new TestPoller(first.httpUrl);
		await poller.hello();
		const { sessionEpoch } = first.agentOf(poller.uid) ?? {};
		const strayed = new TestPoller(second.httpUrl, poller.uid);
		strayed.sequence = poller.sequence;
		expect((await strayed.say()).message).toMatchObject({ instanceUid: poller.uid, reportFullState: false });
		expect(first.agentOf(poller.uid)).toMatchObject({ gateway: 'gw-1', sessionEpoch });
		expect((await strayed.say()).message?.reportFullState).toBe(true);
		expect(first.agentOf(poller.uid)).toMatchObject({ gateway: gw2 });
	});

	test('an agent whose offer was claimed elsewhere gets nothing here', async () => {
		const world = createGatewayWorld();
		const under = await start({}, world);
		const agent = await hello(under);
		const record = under.agentOf(agent.uid);
		if (record) record.sessionEpoch += 1;
		const id = under.idOf(agent.uid);
		under.assign(id, under.publish(yamlFile('a: 1')));
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['not-mine'] });
		expect(await agent.socket.closed).toMatchObject({ code: 1000 });
	});
});

describe('drain', () => {
	test('closes sessions, saves what they said, gives up routes and the row', async () => {
		const under = await start();
		const agents = await Promise.all([hello(under), hello(under), hello(under)]);
		const poller = new TestPoller(under.httpUrl);
		await poller.hello();
		agents[0]?.send({ report: fullReport('renamed') });
		await agents[0]?.socket.next();
		await under.gateway.drain();
		for (const { socket } of agents) expect(await socket.closed).toMatchObject({ code: 1001 });
		for (const { uid } of [...agents, poller]) expect(under.agentOf(uid)?.disconnectReason).toBe('drained');
		expect(agents[0] && under.agentOf(agents[0].uid)?.description?.agentType).toBe('renamed');
		const ids = agents.map(({ uid }) => under.idOf(uid));
		expect((await under.directory.lookupOwners(ids)).size).toBe(0);
		expect(under.state.gateways.get(under.name)?.expiresAtMs).toBeLessThanOrEqual(Date.now());
		await expect(TestSocket.open(under.url)).rejects.toMatchObject({ status: 503 });
	});
});
