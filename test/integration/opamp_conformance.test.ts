// The rows of the OpAMP conformance checklist that concern WebSockets and what is said over them, one test or more per row, by its id.
// What concerns the endpoint and plain HTTP is in opamp_conformance_http.test.ts.
import { randomBytes } from 'node:crypto';
import { defaultLimits } from '@ampora/gateway';
import {
	connectAgent,
	description,
	fullCapabilities,
	fullReport,
	type GatewayUnderTest,
	health,
	newUid,
	startGatewayUnderTest,
	status,
	TestAgent,
	TestSocket,
	yamlFile,
} from '@ampora/gateway/testing';
import { type AnyValue, defaultMessageLimits, type InstanceUid, uidText } from '@ampora/opamp';
import { decodeServerToAgent, encodeAgentToServer } from '@ampora/opamp/testing';
import type { AgentId } from '@ampora/runtime';
import type { ConfigFile } from '@ampora/store';
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

const connect = (uid?: InstanceUid, capabilities?: bigint) => connectAgent(gateway.url, uid, capabilities);
const idOf = (agent: TestAgent): AgentId => gateway.idOf(agent.uid);
const recordOf = (agent: TestAgent) => {
	const record = gateway.agentOf(agent.uid);
	if (!record) throw new Error('no record');
	return record;
};

async function settled(capabilities = fullCapabilities): Promise<TestAgent> {
	const agent = await connect(undefined, capabilities);
	await agent.hello();
	return agent;
}

/** An assignment, and word of it to the gateway; resolves with what the gateway said it did. */
async function push(agent: TestAgent, ...files: ConfigFile[]) {
	const id = idOf(agent);
	const row = gateway.assign(id, gateway.publish(...files));
	const reply = await gateway.dispatch([id]);
	return {
		row,
		hash: row.offeredHash ?? new Uint8Array(),
		outcome: reply.kind === 'answered' ? reply.outcomes[0] : null,
	};
}

const heartbeatFrame = (uid: InstanceUid, sequenceNum: bigint) =>
	encodeAgentToServer({ instanceUid: uid, sequenceNum, capabilities: fullCapabilities });

describe('framing', () => {
	test('C-14 every frame of the server is binary and begins with 00', async () => {
		const agent = await connect();
		agent.send({ report: fullReport() });
		expect((await agent.socket.nextFrame())?.[0]).toBe(0);
		await push(agent, yamlFile('a: 14'));
		expect((await agent.socket.nextFrame())?.[0]).toBe(0);
	});

	test('C-15 a header that is not 0 is malformed, and the message is not applied', async () => {
		const agent = await settled();
		const frame = agent.frame({ report: { health: health(false) } });
		frame[0] = 1;
		agent.socket.sendRaw(frame);
		expect((await agent.socket.next()).error).toMatchObject({ type: 'bad-request' });
		expect(recordOf(agent).healthy).not.toBe(false);
	});

	test('C-16 the header is a varint: long forms of 0 are read, an endless one is malformed', async () => {
		const agent = await settled();
		agent.socket.sendRaw(Buffer.concat([Buffer.from([0x80, 0x00]), agent.frame().subarray(1)]));
		expect((await agent.socket.next()).extraFields).toBe(0);
		agent.socket.sendRaw(Buffer.alloc(10, 0x80));
		expect((await agent.socket.next()).error?.type).toBe('bad-request');
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-17 a message without any field does not end the connection', async () => {
		const agent = await settled();
		agent.socket.sendRaw(Buffer.from([0]));
		expect((await agent.socket.next()).error?.type).toBe('bad-request');
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-18 a frame of an agent too old to send a header is read', async () => {
		const agent = await settled();
		agent.socket.sendRaw(agent.frame().subarray(1));
		expect(await agent.socket.next()).toMatchObject({ instanceUid: agent.uid, extraFields: 0 });
	});

	test('C-19 a text frame closes the socket with 1003, and leaks no session', async () => {
		const agent = await settled();
		agent.socket.ws.send('abc');
		expect(await agent.socket.closed).toMatchObject({ code: 1003 });
		await gateway.until(() => recordOf(agent).disconnectReason === 'lost');
	});

	test('C-20 a message in three fragments is put together', async () => {
		const agent = await settled();
		const frame = agent.frame();
		const { ws } = agent.socket;
		ws.send(frame.subarray(0, 3), { fin: false });
		ws.send(frame.subarray(3, 9), { fin: false });
		ws.send(frame.subarray(9), { fin: true });
		expect((await agent.socket.next()).extraFields).toBe(0);
	});

	test('C-21 an offer of permessage-deflate is met without it', async () => {
		const perMessageDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true };
		const agent = new TestAgent(await TestSocket.open(gateway.url, { perMessageDeflate }));
		expect(agent.socket.ws.extensions).toBe('');
		expect((await agent.hello()).error).toBe(undefined);
	});

	test('C-22 a message over the limit closes with 1009', async () => {
		const agent = await settled();
		agent.socket.sendRaw(Buffer.alloc(inboundBytesMax + 1));
		expect(await agent.socket.closed).toMatchObject({ code: 1009 });
	});

	test('C-23 an offer over the limit is never on the wire, and recorded', async () => {
		const agent = await settled();
		const { outcome } = await push(agent, yamlFile('x'.repeat(outboundBytesMax)));
		expect(outcome).toBe('nothing-to-offer');
		expect((await agent.say()).extraFields).toBe(0);
		const reason = 'offer-undeliverable';
		expect(await metricValue(gateway.registry, 'ampora_opamp_frames_rejected_total', { reason })).toBeGreaterThan(0);
	});

	test('C-24 C-69 an idle agent is pushed to at once', async () => {
		const agent = await settled();
		const { hash, outcome } = await push(agent, yamlFile('a: 24'));
		expect(outcome).toBe('offered');
		expect((await agent.socket.next()).remoteConfig?.configHash).toEqual(hash);
	});

	test('C-25 agents that share a socket keep their own state', async () => {
		const first = await settled();
		const second = new TestAgent(first.socket);
		await second.hello();
		await push(second, yamlFile('a: 25'));
		expect(await first.socket.next()).toMatchObject({ instanceUid: second.uid, remoteConfig: {} });
		expect(await first.say()).toMatchObject({ instanceUid: first.uid, extraFields: 0 });
		expect(await second.say()).toMatchObject({ instanceUid: second.uid, extraFields: 0 });
	});

	test('C-26 a ping is answered with its payload', async () => {
		const agent = await settled();
		const pong = new Promise<Buffer>((resolve) => agent.socket.ws.once('pong', resolve));
		agent.socket.ws.ping('are you there');
		expect((await pong).toString()).toBe('are you there');
	});

	test('C-27 the server ends a connection by a Close frame and completes the handshake', async () => {
		const under = await startGatewayUnderTest();
		const agent = await connectAgent(under.url);
		await agent.hello();
		await under.gateway.drain();
		expect(await agent.socket.closed).toMatchObject({ code: 1001 });
		await under.stop();
		const leaving = await settled();
		leaving.socket.ws.close(1000);
		expect(await leaving.socket.closed).toMatchObject({ code: 1000 });
	});
});

describe('exchange', () => {
	test('C-28 as many answers as messages, heartbeats included', async () => {
		const agent = await settled();
		for (let sent = 0; sent < 20; sent++) agent.send();
		for (let read = 0; read < 20; read++) expect((await agent.socket.next()).extraFields).toBe(0);
	});

	test('C-28 messages sent before the first answer are all answered, in order', async () => {
		const agent = await connect();
		agent.send({ report: fullReport() });
		for (let sent = 0; sent < 10; sent++) agent.send();
		expect((await agent.socket.next()).capabilities.word).not.toBe(0n);
		for (let read = 0; read < 10; read++) expect((await agent.socket.next()).extraFields).toBe(0);
	});

	test('C-29 the same bytes twice get two answers and change the state once', async () => {
		const agent = await settled();
		const frame = agent.frame({ report: { health: health(false) } });
		for (let sent = 0; sent < 2; sent++) {
			agent.socket.sendRaw(frame);
			expect((await agent.socket.next()).extraFields).toBe(0);
		}
		await gateway.until(() => recordOf(agent).healthy === false);
		expect(recordOf(agent).healthFlips).toBe(1);
	});

	test('C-30 C-53 C-114 a settled agent gets nothing but its uid, in at most 40 bytes', async () => {
		const agent = await settled();
		for (let beat = 0; beat < 5; beat++) {
			agent.send();
			const frame = await agent.socket.nextFrame();
			expect(frame?.length).toBeLessThanOrEqual(40);
			expect(decodeServerToAgent((frame ?? Buffer.alloc(0)).subarray(1))).toMatchObject({ extraFields: 0 });
		}
	});

	test('C-31 answers, pushes and errors bear the uid the agent used', async () => {
		const agent = await settled();
		expect((await agent.say()).instanceUid).toBe(agent.uid);
		await push(agent, yamlFile('a: 31'));
		expect((await agent.socket.next()).instanceUid).toBe(agent.uid);
		agent.socket.sendRaw(Buffer.from([0, 0x0a, 0xff]));
		expect(await agent.socket.next()).toMatchObject({ instanceUid: agent.uid, error: { type: 'bad-request' } });
	});

	test('C-32 C-74 the first answer tells the capabilities, and only what is so', async () => {
		const agent = await connect();
		const { capabilities } = await agent.hello();
		expect(capabilities.word).toBe(0x7n);
	});

	test('C-33 C-65 nothing is offered to an agent that does not accept it', async () => {
		const agent = await settled(0x5n);
		expect(await push(agent, yamlFile('a: 33'))).toMatchObject({ outcome: 'not-capable' });
		expect((await agent.say()).extraFields).toBe(0);
		expect(gateway.state.assignments.get(idOf(agent))?.answer).toBe('none');
	});

	test('C-34 capabilities are followed as they change', async () => {
		const agent = await settled();
		agent.capabilities = 0x1n;
		await agent.say();
		expect((await push(agent, yamlFile('a: 34'))).outcome).toBe('not-capable');
		agent.capabilities = fullCapabilities;
		expect((await agent.say({ report: status(new Uint8Array(0), 'unset') })).remoteConfig).toBeDefined();
	});

	test('C-35 unknown bits and unknown fields are ignored', async () => {
		const agent = await connect(undefined, 0xffff_ffff_ffffn);
		const frame = agent.frame({ report: fullReport() });
		// Field 200, varint 1.
		agent.socket.sendRaw(Buffer.concat([frame, Buffer.from([0xc0, 0x0c, 0x01])]));
		expect((await agent.socket.next()).error).toBe(undefined);
	});

	test('C-36 an error comes alone', async () => {
		const agent = await settled();
		agent.socket.sendRaw(Buffer.from([0, 0xff]));
		expect(await agent.socket.next()).toMatchObject({ error: { type: 'bad-request' }, extraFields: 1 });
	});
});

describe('identity', () => {
	test.each([0, 15, 17, 26])('C-38 a uid of %i bytes is malformed, and leaves no record', async (length) => {
		const socket = await TestSocket.open(gateway.url);
		const before = gateway.state.agents.size;
		socket.sendRaw(encodeAgentToServer({ instanceUid: Buffer.alloc(length, 1), sequenceNum: 0n, capabilities: 1n }));
		expect((await socket.next()).error).toMatchObject({ type: 'bad-request' });
		expect(gateway.state.agents.size).toBe(before);
	});

	test('C-39 any 16 bytes are a uid', async () => {
		for (const uid of [newUid(), uidText(randomBytes(16)), uidText(Buffer.alloc(16, 0xff))]) {
			const agent = await connect(uid);
			expect((await agent.hello()).instanceUid).toBe(uid);
		}
	});

	test('C-40 a new uid on request: version 7, unique, under the temporary one', async () => {
		const given = new Set<string>();
		for (let calls = 0; calls < 5; calls++) {
			const agent = await connect();
			const answer = await agent.say({ requestsInstanceUid: true, report: fullReport() });
			expect(answer.instanceUid).toBe(agent.uid);
			expect(answer.newInstanceUid?.[14]).toBe('7');
			given.add(answer.newInstanceUid ?? '');
		}
		expect(given.size).toBe(5);
	});

	test('C-41 a renamed agent keeps its record, and messages in flight under the old uid count', async () => {
		const agent = await connect();
		const { newInstanceUid } = await agent.say({ requestsInstanceUid: true, report: fullReport() });
		const old = await agent.say();
		expect(old).toMatchObject({ instanceUid: agent.uid, newInstanceUid });
		if (newInstanceUid) agent.uid = newInstanceUid;
		expect(await agent.say({ report: { health: health(false) } })).toMatchObject({ extraFields: 0 });
		await gateway.until(() => recordOf(agent).healthy === false);
		expect(recordOf(agent).formerUids).toHaveLength(1);
		const again = await connect(recordOf(agent).formerUids[0] as InstanceUid);
		expect((await again.hello()).newInstanceUid).toBe(agent.uid);
	});

	test('C-42 C-43 of two live agents with one uid the newcomer gets another', async () => {
		const uid = newUid();
		const first = await connect(uid);
		await first.hello('first');
		let [holder, challenger] = [first, first];
		let renamed: string | undefined;
		for (let round = 0; round < 5 && !renamed; round++) {
			challenger = await connect(uid);
			challenger.sequence = BigInt(100 * round);
			renamed = (await challenger.hello('second')).newInstanceUid;
			if (!renamed) {
				await holder.socket.closed;
				holder = challenger;
			}
		}
		expect(renamed).toBeDefined();
		// The one that was there first in the end stays, and both are agents of their own.
		expect((await holder.say()).instanceUid).toBe(uid);
		expect(gateway.idOf(uid)).not.toBe(gateway.idOf(renamed as InstanceUid));
	});

	test('C-44 a reconnect while the old socket is half open is no duplicate', async () => {
		const before = await settled();
		before.socket.ws.pause();
		const after = await connect(before.uid);
		after.sequence = before.sequence;
		expect(await after.say()).toMatchObject({ reportFullState: false });
		expect((await after.say()).newInstanceUid).toBe(undefined);
		before.socket.ws.resume();
		await before.socket.closed;
	});

	test('C-45 all agents of a closed socket are disconnected, and not pushed to', async () => {
		const first = await settled();
		const second = new TestAgent(first.socket);
		await second.hello();
		first.socket.ws.terminate();
		await gateway.until(() => [first, second].every((agent) => recordOf(agent).disconnectReason === 'lost'));
		expect((await push(second, yamlFile('a: 45'))).outcome).toBe('not-mine');
	});

	test('C-46 agent_disconnect is acknowledged and ends the session at once', async () => {
		const agent = await settled();
		expect(await agent.say({ disconnect: true })).toMatchObject({ instanceUid: agent.uid, extraFields: 0 });
		await gateway.until(() => recordOf(agent).disconnectReason === 'goodbye');
	});

	test('C-46 agent_disconnect as the very first message crashes nothing', async () => {
		const agent = await connect();
		expect((await agent.say({ disconnect: true })).instanceUid).toBe(agent.uid);
	});
});

describe('status compression', () => {
	test('C-48 C-60 a heartbeat changes nothing', async () => {
		const agent = await settled();
		await gateway.until(() => recordOf(agent).description !== null);
		const before = { ...recordOf(agent) };
		await agent.say();
		await agent.say({ report: { health: health(false) } });
		await gateway.until(() => recordOf(agent).healthy === false);
		expect(recordOf(agent).description).toEqual(before.description);
	});

	test('C-49 C-50 a part that is present replaces the stored one whole, also when it is empty', async () => {
		const agent = await settled();
		await agent.say({
			report: { effectiveConfig: { files: new Map([['a', { body: Buffer.from('a'), contentType: '' }]]) } },
		});
		await gateway.until(() => recordOf(agent).effectiveHash !== null);
		const before = recordOf(agent).effectiveHash;
		await agent.say({ report: { effectiveConfig: { files: new Map() } } });
		await gateway.until(() => recordOf(agent).effectiveHash !== before);
		await agent.say({ report: { agentDescription: { identifying: [], nonIdentifying: [] } } });
		await gateway.until(() => recordOf(agent).description?.agentType === null);
		expect(recordOf(agent).description?.identifying).toEqual({});
	});

	test('C-51 C-53 a gap asks for the full state, once, and the answer ends it', async () => {
		const agent = await settled();
		agent.sequence += 1n;
		expect((await agent.say()).reportFullState).toBe(true);
		expect((await agent.say()).reportFullState).toBe(false);
		expect((await agent.say({ report: fullReport() })).reportFullState).toBe(false);
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-51 a full report on sequence 0 is a restart, no loss', async () => {
		const agent = await settled();
		await agent.say();
		expect((await agent.say({ sequenceNum: 0n, report: fullReport() })).reportFullState).toBe(false);
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-52 an unknown agent that tells only what changed is asked for all, and offered nothing before', async () => {
		const agent = await connect();
		expect((await agent.say({ sequenceNum: 42n })).reportFullState).toBe(true);
		expect((await push(agent, yamlFile('a: 52'))).outcome).toBe('nothing-to-offer');
		expect((await agent.say({ report: fullReport() })).remoteConfig).toBeDefined();
	});

	test('C-54 what is told once is not waited for after a resync', async () => {
		const agent = await connect();
		expect((await agent.say({ sequenceNum: 42n })).reportFullState).toBe(true);
		await agent.say({ report: { agentDescription: description() } });
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-55 a reconnect that goes on in sequence loses nothing and is asked nothing', async () => {
		const agent = await settled();
		await agent.say();
		await agent.socket.close();
		const again = await connect(agent.uid);
		again.sequence = agent.sequence;
		expect((await again.say()).reportFullState).toBe(false);
		expect(recordOf(again).description?.agentType).toBe('test-agent');
	});

	test('C-56 the sequence of a refused message is not stored', async () => {
		const agent = await settled();
		const bad = encodeAgentToServer({
			instanceUid: agent.uid,
			capabilities: fullCapabilities,
			sequenceNum: agent.sequence + 1n,
		});
		// Health that ends inside a field.
		agent.socket.sendRaw(Buffer.concat([bad, Buffer.from([0x2a, 0x02, 0x1a, 0x7f])]));
		expect((await agent.socket.next()).error?.type).toBe('bad-request');
		agent.sequence += 1n;
		expect((await agent.say()).reportFullState).toBe(true);
	});

	test('C-57 capabilities 0 in a later message mean "as before"', async () => {
		const agent = await settled();
		agent.capabilities = 0n;
		await agent.say();
		expect((await push(agent, yamlFile('a: 57'))).outcome).toBe('offered');
	});

	test('C-58 attributes of every kind are kept, 64-bit integers exactly', async () => {
		const agent = await settled();
		const value = (key: string, of: AnyValue) => ({ key, value: of });
		const nonIdentifying = [
			value('string', { kind: 'string', value: 'text' }),
			value('bool', { kind: 'bool', value: true }),
			value('int', { kind: 'int', value: 9_007_199_254_740_993n }),
			value('double', { kind: 'double', value: 0.5 }),
			value('list', { kind: 'list', value: [{ kind: 'int', value: 1n }] }),
			value('map', { kind: 'map', value: [value('a', { kind: 'null' })] }),
			value('bytes', { kind: 'bytes', value: Buffer.from([1, 2]) }),
			value('nul', { kind: 'string', value: 'a\0b' }),
		];
		await agent.say({ report: { agentDescription: { identifying: [], nonIdentifying } } });
		await gateway.until(() => 'int' in (recordOf(agent).description?.nonIdentifying ?? {}));
		expect(recordOf(agent).description?.nonIdentifying).toEqual({
			...{ string: 'text', bool: true, int: '9007199254740993', double: 0.5, list: [1] },
			...{ map: { a: null }, bytes: 'AQI=', nul: 'a\ufffdb' },
		});
	});
});

describe('health', () => {
	test('C-59 a tree of health is taken, times exactly; flips and restarts are counted', async () => {
		const agent = await settled();
		const leaf = health(true, 1_789_000_000_123_456_789n);
		const components = new Map([['a', { ...leaf, components: new Map([['b', leaf]]) }]]);
		await agent.say({ report: { health: { ...health(false, 2_000n), components } } });
		await agent.say({ report: { health: { ...health(true, 2_000n), components } } });
		await gateway.until(() => recordOf(agent).healthFlips === 2);
		expect(recordOf(agent)).toMatchObject({ healthy: true, restarts: 1, startTimeNanos: '2000' });
	});

	test('C-62 a silent agent on an open socket stays connected', async () => {
		const agent = await settled();
		await gateway.dispatch([idOf(agent)]);
		expect(recordOf(agent).gateway).toBe('gw-1');
	});

	test('C-63 C-64 an interval is offered only when configured, and only to agents that follow it', async () => {
		const heartbeat = { intervalSeconds: 5, publicUrl: 'wss://opamp.example.com/v1/opamp' };
		const under = await startGatewayUnderTest({ heartbeat });
		const follower = await connectAgent(under.url, undefined, fullCapabilities | 0x2000n);
		const offer = await follower.hello();
		expect(offer.capabilities.has('OffersConnectionSettings')).toBe(true);
		expect(offer.settings).toMatchObject({
			heartbeatIntervalSeconds: 5,
			destinationEndpoint: heartbeat.publicUrl,
			headers: [{ key: 'Authorization', value: 'Bearer a-token-for-tests' }],
		});
		expect((await follower.say()).extraFields).toBe(0);
		expect((await (await connectAgent(under.url)).hello()).settings).toBe(undefined);
		await under.stop();
	});
});

describe('remote configuration', () => {
	test('C-66 another attempt or another body has another hash, and every offer has one', async () => {
		const agent = await settled();
		const hashes = new Set<string>();
		for (const file of [yamlFile('a: 1'), yamlFile('a: 2'), yamlFile('a: 1', 'named')]) {
			await push(agent, file);
			const { remoteConfig } = await agent.socket.next();
			hashes.add(Buffer.from(remoteConfig?.configHash ?? []).toString('hex'));
		}
		expect(hashes.size).toBe(3);
		expect(hashes.has('')).toBe(false);
	});

	test('C-67 a status with another hash, or none, is answered with the config', async () => {
		const agent = await settled();
		const row = gateway.assign(idOf(agent), gateway.publish(yamlFile('a: 67')));
		await agent.socket.close();
		const again = await connect(agent.uid);
		again.sequence = agent.sequence;
		expect((await again.say({ report: status(new Uint8Array(0), 'unset') })).remoteConfig?.configHash).toEqual(
			row.offeredHash,
		);
		const foreign = await connect();
		await foreign.hello();
		const other = gateway.assign(idOf(foreign), gateway.publish(yamlFile('a: 67b')));
		await foreign.socket.close();
		const back = await connect(foreign.uid);
		back.sequence = foreign.sequence;
		expect((await back.say({ report: status(Buffer.from('foreign')) })).remoteConfig?.configHash).toEqual(
			other.offeredHash,
		);
	});

	test.each(['applied', 'failed'] as const)(
		'C-68 an equal hash is never answered with the config: %s',
		async (said) => {
			const agent = await settled();
			const { hash } = await push(agent, yamlFile('a: 68'));
			await agent.socket.next();
			for (let times = 0; times < 3; times++)
				expect((await agent.say({ report: status(hash, said, `try ${times}`) })).extraFields).toBe(0);
		},
	);

	test('C-70 the status is stored per hash, with the error', async () => {
		const agent = await settled();
		const { hash, row } = await push(agent, yamlFile('a: 70'));
		await agent.socket.next();
		await agent.say({ report: status(hash, 'applying') });
		await gateway.until(() => row.answer === 'applying');
		await agent.say({ report: status(hash, 'failed', 'no such receiver') });
		await gateway.until(() => row.answer === 'failed');
		expect(row.answerError).toBe('no such receiver');
		expect(recordOf(agent).reportedStatus).toBe('failed');
	});

	test('C-71 an agent that reports no status is offered once per connection and change', async () => {
		const agent = await connect(undefined, 0x7n);
		await agent.say({ report: { agentDescription: description() } });
		await push(agent, yamlFile('a: 71'));
		expect((await agent.socket.next()).remoteConfig).toBeDefined();
		await gateway.dispatch([idOf(agent)]);
		for (let beat = 0; beat < 10; beat++) expect((await agent.say()).extraFields).toBe(0);
	});

	test('C-72 files, their types and binary bodies arrive unchanged', async () => {
		const agent = await settled();
		const binary = randomBytes(512);
		await push(agent, yamlFile('a: 1', 'one.yaml'), { name: '', contentType: '', body: binary });
		const { remoteConfig } = await agent.socket.next();
		expect([...(remoteConfig?.files.keys() ?? [])].sort()).toEqual(['', 'one.yaml']);
		expect(Buffer.compare(remoteConfig?.files.get('')?.body ?? Buffer.alloc(0), binary)).toBe(0);
		expect(remoteConfig?.files.get('one.yaml')?.contentType).toBe('text/yaml');
	});

	test('C-73 an effective config that differs from the offer causes no other offer', async () => {
		const agent = await settled();
		const { hash } = await push(agent, yamlFile('a: 73'));
		await agent.socket.next();
		await agent.say({ report: status(hash) });
		const files = new Map([['', { body: Buffer.from('b: other'), contentType: 'text/yaml' }]]);
		expect((await agent.say({ report: { effectiveConfig: { files } } })).extraFields).toBe(0);
		await gateway.until(() => gateway.state.assignments.get(idOf(agent))?.effective === 'mismatch');
	});
});

describe('available components', () => {
	test('C-106 an unknown hash is asked for once, of an agent that reports them, and what it says is kept for all', async () => {
		const reports = fullCapabilities | 0x4000n;
		const hash = randomBytes(16);
		const told = (components: ReadonlyMap<string, object>) => ({
			report: { ...fullReport('c-106'), availableComponents: { hash, components } as never },
		});
		const mute = await connect();
		await mute.say(told(new Map()));
		const agent = await connect(undefined, reports);
		expect((await agent.say(told(new Map()))).reportAvailableComponents).toBe(false);
		expect((await agent.socket.next()).reportAvailableComponents).toBe(true);
		const leaf = { metadata: [], components: new Map() };
		const receivers = { metadata: [], components: new Map([['otlp', leaf]]) };
		await agent.say(told(new Map([['receivers', receivers]])));
		const kept = () => [...gateway.state.catalogues.values()].map(({ components }) => components?.receivers);
		await gateway.until(() => kept().length === 1 && kept()[0] !== undefined);
		expect(kept()).toEqual([['otlp']]);
		expect(mute.socket.received).toEqual([]);
	});
});

describe('errors', () => {
	test('C-107 a malformed message is a bad request with readable text', async () => {
		const agent = await settled();
		agent.socket.sendRaw(Buffer.from([0, 0x0a, 0x03, 1, 2, 3]));
		const { error } = await agent.socket.next();
		expect(error).toMatchObject({ type: 'bad-request', message: 'instance_uid must have 16 bytes, not 3' });
	});

	test('C-108 trouble of our own is Unknown, and comes alone', async () => {
		const under = await startGatewayUnderTest();
		under.world.fail = (operation) => (operation === 'connectAgents' ? new Error('broken') : undefined);
		const agent = await connectAgent(under.url);
		expect(await agent.hello()).toMatchObject({ error: { type: 'unknown' }, extraFields: 1 });
		await under.stop();
	});

	test('C-109 too many messages are answered with Unavailable and a time to stay away', async () => {
		const under = await startGatewayUnderTest({ limits: { ...limits, frameBurstMax: 3, framesPerSecondMax: 1 } });
		const agent = await connectAgent(under.url);
		await agent.hello();
		for (let sent = 0; sent < 5; sent++) agent.send();
		const answers = await Promise.all(Array.from({ length: 5 }, () => agent.socket.next()));
		const refused = answers.filter(({ error }) => error?.type === 'unavailable');
		expect(refused.length).toBeGreaterThan(0);
		expect(refused[0]?.error?.retryAfterMs).toBeGreaterThanOrEqual(30_000);
		await under.stop();
	});

	test('C-113 binding a credential to a uid is not offered: any enrolled agent may use any uid', async () => {
		const agent = await settled();
		agent.socket.sendRaw(heartbeatFrame(newUid(), 0n));
		expect((await agent.socket.next()).error).toBe(undefined);
	});
});
