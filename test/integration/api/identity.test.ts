// Attributes that identify agents: set over the API, and what the API then says of agents.
import type { GatewayId } from '@ampora/runtime';
import { newId } from '@ampora/runtime';
import { createGatewayStore, type GatewayLease, type GatewayStore } from '@ampora/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage } from './stage.js';

let stage: ApiStage;
let gateway: GatewayStore;
let lease: GatewayLease;
beforeAll(async () => {
	stage = await apiStage();
	gateway = createGatewayStore(stage.database.sql);
	({ lease } = await gateway.renewGateway('gw-1' as GatewayId, null, 600_000));
});
afterAll(() => stage[Symbol.asyncDispose]());

const identifyBy = (...attributes: string[]) =>
	stage.call('updateSettings', { body: { agentIdentity: { attributes } } });

async function come(host: string, uid: string = newId()) {
	const description = { identifying: { 'host.name': host }, nonIdentifying: {} };
	const request = { instanceUid: uid, transport: 'websocket' as const, description };
	const [agent] = await gateway.connectAgents(lease, [request]);
	if (!agent) throw new Error('nobody connected');
	const { agentId, sessionEpoch } = agent;
	const told = { ...description, agentType: null, agentVersion: null, hostname: host };
	await gateway.flushReports(lease, [{ agentId, sessionEpoch, factSeq: 1, sequenceNum: 1, description: told }]);
	const leave = () =>
		gateway.flushReports(lease, [{ agentId, sessionEpoch, factSeq: 2, sequenceNum: 2, disconnected: 'goodbye' }]);
	return { ...agent, leave };
}

test('an agent that came back under another uid is found by both, with its history and its audit', async () => {
	const before = await come('early');
	await before.leave();
	expect((await identifyBy('host.name')).body).toMatchObject({ agentIdentity: { attributes: ['host.name'] } });
	expect(await stage.must('getSettings')).toMatchObject({ agentIdentity: { attributes: ['host.name'] } });
	// Agents that were here before are known by it as soon as the next gateway looked.
	const settling = async () => (await stage.must('getSettings')).agentIdentity.settling;
	expect(await settling()).toBe(true);
	await gateway.settleIdentities(lease);
	expect(await settling()).toBe(false);
	const again = await come('early');
	expect(again).toMatchObject({ agentId: before.agentId, placeOf: before.instanceUid });
	for (const agent of [before.agentId, before.instanceUid, again.instanceUid])
		expect(await stage.must('getAgent', { params: { agent } })).toMatchObject({
			...{ id: before.agentId, instanceUid: again.instanceUid },
			...{ earlierUids: [before.instanceUid], sharesIdentityWith: [] },
		});
	const { items } = await stage.must('listAudit', { query: { entityType: 'agent' } });
	expect(items).toMatchObject([
		{
			...{ action: 'Agent.PlaceTaken', actor: 'ampora', role: 'gateway' },
			...{ before: { instanceUid: before.instanceUid }, after: { instanceUid: again.instanceUid } },
		},
	]);

	const twin = await come('early');
	expect(twin).toMatchObject({ isNew: true, heirOf: before.agentId });
	const shown = await stage.must('getAgent', { params: { agent: twin.agentId } });
	expect(shown.sharesIdentityWith).toEqual([before.agentId]);
	expect((await identifyBy()).body).toMatchObject({ agentIdentity: { attributes: [] } });
	await gateway.settleIdentities(lease);
	expect((await stage.must('getAgent', { params: { agent: twin.agentId } })).sharesIdentityWith).toEqual([]);
});

test('what cannot identify anybody is refused, and setting the same again is no change', async () => {
	for (const attributes of [[''], ['a b'], ['a', 'a'], ['a,b'], Array.from({ length: 9 }, (_, n) => `a${n}`)]) {
		const { status, body } = await identifyBy(...attributes);
		expect([status, body.code]).toEqual([400, 'invalid-argument']);
	}
	await identifyBy('service.name');
	const audited = async () => (await stage.must('listAudit', { query: { entityType: 'setting' } })).items.length;
	const before = await audited();
	await identifyBy('service.name');
	expect(await audited()).toBe(before);
});
