import { fleetRetention, startChecks } from '@ampora/control';
import { createMemoryDirectory } from '@ampora/dispatch';
import { createEngine, createEngineTelemetry } from '@ampora/rollout-engine';
import { type GatewayId, systemClock, systemRandom } from '@ampora/runtime';
import { createEngineStore, createGatewayStore } from '@ampora/store';
import { createMetricsRegistry, createTracer, silentLogger } from '@ampora/telemetry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const idsOf = async (query: Record<string, string> = {}): Promise<string[]> =>
	(await stage.must('listAgents', { query })).items.map(({ id }: { id: string }) => id);
const group = { group: 'web' };

/** As the leader does it, with what is set now. */
async function archive(): Promise<number> {
	const engine = createEngineStore(stage.database.sql);
	const lease = await engine.takeLease('rollout-engine', 'here', 60_000);
	if (lease === null) throw new Error('a fresh lease was refused');
	return engine.archiveAgents(lease, await fleetRetention(stage.store), 100);
}

const leave = (ids: readonly string[], reason: string, ago: string) =>
	stage.database.sql.query(
		`update agent set gateway = null, disconnect_reason = $2, disconnected_at = now() - $3::interval where id = any($1::uuid[])`,
		[ids, reason, ago],
	);

test('agents that are away for long are out of lists, counts, groups and plans, are shown on request, and come back', async () => {
	const agents = await stage.agents(4);
	await stage.must('createGroup', { body: { name: 'web' } });
	await stage.must('addGroupAgents', { params: group, body: { agents } });
	await stage.must('createConfiguration', { body: { name: 'web' } });
	await stage.must('createVersion', { params: { configuration: 'web' }, body: { yaml: goodYaml } });
	await stage.must('publishVersion', { params: { configuration: 'web', number: 1 } });
	const [first = '', second = ''] = agents;
	await leave([first], 'goodbye', '1 hour');
	await leave([second], 'lost', '29 days');
	expect(await archive()).toBe(1);

	expect([await idsOf(), await idsOf({ archived: 'true' })]).toEqual([agents.slice(1).toSorted(), [first]]);
	expect(await idsOf({ ...group, archived: 'true' })).toEqual([first]);
	expect(await stage.must('getFleet')).toMatchObject({
		...{ agents: 3, archived: 1, connected: 2, healthy: 3, healthUnknown: 0 },
		byGroup: expect.arrayContaining([{ group: 'web', agents: 3, connected: 2 }]),
		byVersion: [{ agents: 3 }],
	});
	expect(await stage.must('getGroup', { params: group })).toMatchObject({ agents: 3, connected: 2 });
	expect(await stage.must('getAgent', { params: { agent: first } })).toMatchObject({
		...{ archivedAt: expect.any(String), group: 'web', disconnectReason: 'goodbye' },
	});
	const plan = () => stage.must('planRollout', { body: { ...group, version: 'web@1' } });
	expect(await plan()).toMatchObject({ eligible: 3, unknown: 3 });
	const compatibility = { params: { configuration: 'web', number: 1 }, query: group };
	expect(await stage.must('getVersionCompatibility', compatibility)).toMatchObject({ agents: 3 });

	const gateway = createGatewayStore(stage.database.sql);
	const { lease } = await gateway.renewGateway('gw' as GatewayId, null, 60_000);
	const { instanceUid } = await stage.must('getAgent', { params: { agent: first } });
	await gateway.connectAgents(lease, [{ instanceUid, transport: 'websocket' }]);
	expect(await idsOf({ archived: 'true' })).toEqual([]);
	expect(await stage.must('getAgent', { params: { agent: first } })).toMatchObject({ archivedAt: null, group: 'web' });
	expect(await plan()).toMatchObject({ eligible: 4 });
	const { items } = await stage.must('listAudit', { query: { action: 'Agents.Archived' } });
	expect(items).toMatchObject([{ actor: 'ampora', after: { agents: 1, ids: [first], goodbyeMs: 3_600_000 } }]);
});

test('how long agents are kept in sight is a setting', async () => {
	const day = 86_400_000;
	const seen = { unseen: '30d', unseenMs: 30 * day, goodbye: '1h', goodbyeMs: 3_600_000, changed: false };
	expect(await stage.must('getSettings')).toMatchObject({ fleetRetention: seen });
	const change = (body: Record<string, unknown>) => stage.must('updateSettings', { body });
	expect(await change({ fleetRetention: { unseen: '7d' } })).toMatchObject({
		fleetRetention: { ...seen, unseen: '7d', unseenMs: 7 * day, changed: true },
	});
	expect(await fleetRetention(stage.store)).toEqual({ unseenMs: 7 * day, goodbyeMs: 3_600_000 });
	const [agent = ''] = await stage.agents(1);
	await leave([agent], 'lost', '8 days');
	expect(await archive()).toBeGreaterThan(0);
	expect(await idsOf({ archived: 'true' })).toContain(agent);

	for (const fleetRetention of [{ goodbye: '9m' }, { unseen: '3651d' }, { goodbye: 'soon' }, {}, { never: '1h' }])
		expect((await stage.call('updateSettings', { body: { fleetRetention } })).body).toMatchObject({
			code: 'invalid-argument',
		});
	expect(await change({ resetRetention: true, fleetRetention: { goodbye: '2h' } })).toMatchObject({
		fleetRetention: { ...seen, goodbye: '2h', goodbyeMs: 7_200_000, changed: true },
	});
	expect(await change({ resetRetention: true })).toMatchObject({ fleetRetention: seen });
	const { items } = await stage.must('listAudit', { query: { entityType: 'setting' } });
	expect(items).toHaveLength(3);
});

test('a group whose members are all archived can be deleted; who comes back is in no group', async () => {
	const [agent = ''] = await stage.agents(1);
	await stage.must('createGroup', { body: { name: 'gone' } });
	await stage.must('addGroupAgents', { params: { group: 'gone' }, body: { agents: [agent] } });
	await leave([agent], 'lost', '31 days');
	await archive();
	expect(await stage.must('deleteGroup', { params: { group: 'gone' } })).toEqual({ planned: [] });
	expect(await stage.must('getAgent', { params: { agent } })).toMatchObject({ group: 'ungrouped' });
});

test('the leading engine archives by itself', async () => {
	const [agent = ''] = await stage.agents(1);
	await leave([agent], 'goodbye', '2 hours');
	const [tracer, registry] = [createTracer({ service: 'rollout-engine' }), createMetricsRegistry()];
	const engine = createEngine(
		{
			...{
				store: createEngineStore(stage.database.sql),
				directory: createMemoryDirectory(),
				backplane: stage.backplane,
			},
			...{ clock: systemClock, random: systemRandom, retention: () => fleetRetention(stage.store) },
			starts: startChecks(stage.store),
			telemetry: createEngineTelemetry({ logger: silentLogger, tracer, registry, dispatchCountsAs: 'local' }),
		},
		{ leaseTtlMs: 3_000 },
	);
	// The lease of the tests before is somebody else's.
	await stage.database.sql.query(`update leader_lease set expires_at = now() where name = 'rollout-engine'`);
	await engine.start();
	await expect.poll(() => idsOf({ archived: 'true' }), { timeout: 20_000 }).toContain(agent);
	await engine.stop();
});
