// Agents known by what they say of themselves: a new uid takes the place of the agent that had another one, and only when that is gone.
import type { AgentId, GatewayId } from '@ampora/runtime';
import type { ConnectedAgent, GatewayLease } from '@ampora/store';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const describing = (host: string) => ({
	identifying: { 'service.name': 'collector' },
	nonIdentifying: { 'host.name': host },
});
const described = (host: string) => ({
	description: { ...describing(host), agentType: 'collector', agentVersion: '1', hostname: host },
});

describe.each(adapters)('identity on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	let host: string;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
		await stores.world.identifyBy(['service.name', 'host.name']);
	});
	beforeEach(() => {
		host = newUid();
	});
	afterAll(() => stores.close());

	async function come(of: string | null, uid = newUid(), lease = stage.lease): Promise<ConnectedAgent> {
		const description = of === null ? undefined : describing(of);
		const [agent] = await stores.gateway.connectAgents(lease, [
			{ instanceUid: uid, transport: 'websocket', description },
		]);
		if (!agent) throw new Error('nobody connected');
		return agent;
	}
	/** An agent that has said who it is. */
	async function known(lease = stage.lease): Promise<ConnectedAgent> {
		const agent = await come(host, newUid(), lease);
		await stage.flush([agent], () => ({ capabilities: 0x1807n, sequenceNum: 7, ...described(host) }), lease);
		return agent;
	}
	const leave = (agent: ConnectedAgent, disconnected: 'goodbye' | 'lost' | 'drained' = 'goodbye') =>
		stage.flush([agent], () => ({ disconnected }));
	const settle = (lease: GatewayLease = stage.lease) => stores.gateway.settleIdentities(lease);

	test('a new uid is the agent that had another one: with its place, and nothing that only its process said', async () => {
		const old = await known();
		const running = await stage.running([old]);
		await stage.admit(running, [old]);
		await stage.flush([old], () => ({ remoteConfig: { hash: Uint8Array.of(1), status: 'applied', error: '' } }));
		await stage.answer(old, 1, 'applied');
		await leave(old);
		const before = (await stores.world.audit()).length;
		const again = await come(host);
		expect(again).toMatchObject({
			...{ agentId: old.agentId, placeOf: old.instanceUid, heirOf: null, isNew: false, sessionEpoch: 2 },
			...{ sequenceNum: null, reportedHash: null, reportedStatus: null, described: true, previous: null },
		});
		expect(await stores.world.membership(old.agentId)).toBe(running.groupId);
		expect(await stores.world.agent(old.agentId)).toMatchObject({
			provenVersion: running.versionId,
			sequenceNum: null,
		});
		expect(await stores.world.assignment(old.agentId)).toMatchObject({ seq: 1, answer: 'applied' });
		expect(await stores.world.identity(old.agentId)).toEqual({ earlierUids: [old.instanceUid], heirOf: null });
		expect((await stores.world.audit()).slice(before)).toEqual([{ actor: 'ampora', action: 'Agent.PlaceTaken' }]);
		expect(await stores.world.signals(running.rolloutId)).toContain(old.agentId);
		// What the old process still says is not heard (D1).
		expect((await stage.flush([old], () => ({ capabilities: 1n }))).refused).toEqual([old.agentId]);
		// The same uid again is the same agent, by its uid.
		expect(await come(null, again.instanceUid)).toMatchObject({ agentId: old.agentId, placeOf: null });
	});

	test('a uid that somebody had before is nobody’s, and may take the place back', async () => {
		const old = await known();
		await leave(old);
		const second = await come(host);
		const back = await come(host, old.instanceUid);
		expect(back).toMatchObject({ isNew: true, placeOf: null, heirOf: old.agentId });
		await leave(second);
		expect(await settle()).toEqual([back.agentId]);
		expect(await come(host, old.instanceUid)).toMatchObject({ agentId: old.agentId, isNew: false, placeOf: null });
		const { earlierUids = [] } = (await stores.world.identity(old.agentId)) ?? {};
		expect(earlierUids).toEqual([old.instanceUid, second.instanceUid]);
	});

	test('nobody takes the place of one that is connected, or whose gateway was lost just now', async () => {
		const lease = (await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000)).lease;
		const old = await known(lease);
		const twin = await come(host);
		expect(twin).toMatchObject({ isNew: true, placeOf: null, heirOf: old.agentId });
		await stores.world.expireGateway(lease.gateway);
		await stores.engine.reapGateways(stage.leader);
		expect(await settle()).toEqual([]);
		expect(await come(host)).toMatchObject({ isNew: true, heirOf: old.agentId });
		await stores.world.ageDisconnect(old.agentId, 120_001);
		await stores.engine.reapGateways(stage.leader);
		expect(await settle()).toEqual([twin.agentId]);
		expect(await come(null, twin.instanceUid)).toMatchObject({ agentId: old.agentId, isNew: false });
	});

	test('one that came too early takes its place once that is free: its own row goes, and what it said as another is not heard', async () => {
		const old = await known();
		const running = await stage.running([old]);
		await stage.admit(running, [old]);
		const twin = await come(host);
		await stage.flush([twin], () => described(host));
		await leave(old, 'lost');
		const { sessionEpoch } = await stores.world.agent(old.agentId);
		expect(await settle()).toEqual([twin.agentId]);
		expect(await settle()).toEqual([]);
		expect(await stores.world.identity(twin.agentId)).toBe(null);
		expect((await stage.flush([twin], () => ({ capabilities: 1n }))).refused).toEqual([twin.agentId]);
		expect((await stores.world.agent(old.agentId)).sessionEpoch).toBeGreaterThan(sessionEpoch);
		const again = await come(host, twin.instanceUid);
		expect(again).toMatchObject({ agentId: old.agentId, isNew: false, sequenceNum: null });
		expect(again.sessionEpoch).toBeGreaterThan(sessionEpoch);
		expect(await stores.world.assignment(old.agentId)).toMatchObject({ seq: 1, rolloutId: running.rolloutId });
	});

	test('one that describes itself later finds its place as well', async () => {
		const old = await known();
		await leave(old);
		const late = await come(null);
		expect(late).toMatchObject({ isNew: true, heirOf: null });
		await stage.flush([late], () => described(host));
		expect(await settle()).toEqual([late.agentId]);
		expect(await come(null, late.instanceUid)).toMatchObject({ agentId: old.agentId });
	});

	test('what failed on the one is not offered to the other while nobody knows whether they are two (R9)', async () => {
		const old = await known();
		const running = await stage.running([old]);
		await stage.decide(running.rolloutId, { quarantine: [{ agentId: old.agentId, reason: 'failed' }] });
		const twin = await come(host);
		const late = await come(null);
		await stage.flush([late], () => described(host));
		for (const { agentId } of [twin, late])
			expect(await stores.world.quarantined(agentId, running.versionId)).toBe(true);
	});

	test('selectors look at it when that is settled: after a while it is an agent of its own', async () => {
		const old = await known();
		const twin = await come(host);
		await stage.flush([twin], () => described(host));
		const running = await stage.running([old]);
		await stage.decide(running.rolloutId, { quarantine: [{ agentId: old.agentId, reason: 'failed' }] });
		expect(await stores.selectors.subjects([twin.agentId])).toEqual([]);
		await stores.world.ageAgent(twin.agentId, 300_001);
		expect(await settle()).toEqual([]);
		expect(await stores.selectors.subjects([twin.agentId])).toHaveLength(1);
		expect(await stores.world.quarantined(twin.agentId, running.versionId)).toBe(true);
		const work = await stores.selectors.selectorWork(1_000);
		expect(work.find(({ agentId }) => agentId === twin.agentId)).toMatchObject({ changed: null });
	});

	test('one that was away for long finds its place free as well', async () => {
		const old = await known();
		const twin = await come(host);
		await stage.flush([twin], () => described(host));
		for (const agent of [twin, old]) await leave(agent, 'lost');
		await stores.world.ageAgent(twin.agentId, 300_001);
		expect(await settle()).toEqual([]);
		expect(await come(null, twin.instanceUid)).toMatchObject({ agentId: twin.agentId });
		expect(await settle()).toEqual([twin.agentId]);
	});

	test('one that was assigned something by then stays what it is', async () => {
		const old = await known();
		const twin = await come(host);
		await stage.flush([twin], () => ({ capabilities: 0x1807n, ...described(host) }));
		const running = await stage.running([twin]);
		await stage.admit(running, [twin]);
		await leave(old);
		expect(await settle()).toEqual([]);
		expect(await stores.world.assignment(twin.agentId)).toMatchObject({ seq: 1 });
	});

	test('without all of the attributes, or with others, an agent is known by its uid', async () => {
		const old = await known();
		await leave(old);
		const others: (Parameters<Stores['gateway']['connectAgents']>[1][number]['description'] | undefined)[] = [
			undefined,
			describing(newUid()),
			{ identifying: {}, nonIdentifying: { 'host.name': host } },
			{ identifying: { 'service.name': '' }, nonIdentifying: { 'service.name': 'collector', 'host.name': host } },
			{ identifying: { 'service.name': ['collector'] }, nonIdentifying: { 'host.name': host } },
		];
		for (const description of others) {
			const [agent] = await stores.gateway.connectAgents(stage.lease, [
				{ instanceUid: newUid(), transport: 'websocket', description },
			]);
			expect(agent).toMatchObject({ isNew: true, placeOf: null, heirOf: null });
		}
		// Identifying attributes count first, wherever the others are.
		const [same] = await stores.gateway.connectAgents(stage.lease, [
			{
				...{ instanceUid: newUid(), transport: 'websocket' },
				description: {
					identifying: { 'host.name': host, 'service.name': 'collector' },
					nonIdentifying: { 'host.name': 'another' },
				},
			},
		]);
		expect(same).toMatchObject({ agentId: old.agentId });
	});

	test('of several that come at once one takes the place, and its own uid comes first', async () => {
		const old = await known();
		await leave(old);
		const uids = [newUid(), newUid(), newUid()];
		const requests = [...uids, old.instanceUid].map((instanceUid) => ({
			...{ instanceUid, transport: 'websocket' as const, description: describing(host) },
		}));
		const ids = (agents: readonly ConnectedAgent[]): AgentId[] => agents.map(({ agentId }) => agentId);
		const some = await stores.gateway.connectAgents(stage.lease, requests.slice(0, 3));
		expect(new Set(ids(some)).size).toBe(3);
		expect(some.filter(({ agentId }) => agentId === old.agentId)).toHaveLength(1);
		expect(some.filter(({ heirOf }) => heirOf === old.agentId)).toHaveLength(2);

		host = newUid();
		const other = await known();
		await leave(other);
		const both = await stores.gateway.connectAgents(stage.lease, [
			{ instanceUid: newUid(), transport: 'websocket', description: describing(host) },
			{ instanceUid: other.instanceUid, transport: 'websocket', description: describing(host) },
		]);
		expect(new Set(ids(both)).size).toBe(2);
	});

	test('other attributes hold for agents that were here before', async () => {
		const old = await known();
		await leave(old);
		await stores.world.identifyBy(['host.name']);
		await settle();
		const otherwise = { identifying: {}, nonIdentifying: { 'host.name': host } };
		const [agent] = await stores.gateway.connectAgents(stage.lease, [
			{ instanceUid: newUid(), transport: 'http', description: otherwise },
		]);
		expect(agent).toMatchObject({ agentId: old.agentId });
		if (agent) await leave(agent);
		await stores.world.identifyBy([]);
		await settle();
		expect(await come(host)).toMatchObject({ isNew: true, heirOf: null });
		await stores.world.identifyBy(['service.name', 'host.name']);
		await settle();
	});
});
