// What components agents have, and which of them a version suits, over REST on a real database.

import { type GatewayId, newId } from '@ampora/runtime';
import { createGatewayStore, type GatewayLease } from '@ampora/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml, type Loose } from './stage.js';

let stage: ApiStage;
let gateway: ReturnType<typeof createGatewayStore>;
let lease: GatewayLease;
const ids: Record<'full' | 'lean' | 'mute' | 'vague', string[]> = { full: [], lean: [], mute: [], vague: [] };

/** Agents that name this hash, and what one of them says is in it. */
async function agents(count: number, version: string, hash: string | null, components?: Record<string, string[]>) {
	const requests = Array.from({ length: count }, () => ({ instanceUid: newId(), transport: 'websocket' as const }));
	const connected = await gateway.connectAgents(lease, requests);
	const names = { agentType: 'collector', agentVersion: version, hostname: null };
	const reports = connected.map(({ agentId, sessionEpoch }) => ({
		...{ agentId, sessionEpoch, factSeq: 1, sequenceNum: 1 },
		description: { identifying: {}, nonIdentifying: {}, ...names },
		...(hash !== null && { componentsHash: Buffer.from(hash) }),
	}));
	await gateway.flushReports(lease, reports);
	const [first] = connected;
	if (first && hash !== null && components) await gateway.saveCatalogue(first, Buffer.from(hash), components);
	return connected.map(({ agentId }) => agentId);
}

beforeAll(async () => {
	stage = await apiStage();
	gateway = createGatewayStore(stage.database.sql);
	({ lease } = await gateway.renewGateway('gw-1' as GatewayId, null, 600_000));
	ids.full = await agents(3, '1.0', 'full', { receivers: ['otlp', 'kafka'], exporters: ['debug'] });
	ids.lean = await agents(2, '2.0', 'lean', { receivers: ['otlp'], exporters: [] });
	ids.mute = await agents(1, '1.0', null);
	ids.vague = await agents(1, '1.0', 'vague', {});
	for (const name of ['some', 'none']) await stage.must('createGroup', { body: { name } });
	const some = [...ids.full.slice(0, 1), ...ids.lean.slice(0, 1)];
	await stage.must('addGroupAgents', { params: { group: 'some' }, body: { agents: some } });
	await stage.must('createConfiguration', { body: { name: 'edge' } });
	const yaml = 'receivers: { otlp: , kafka/a: }\nexporters: { debug: }\n';
	await stage.must('createVersion', { params: { configuration: 'edge' }, body: { yaml } });
});
afterAll(() => stage[Symbol.asyncDispose]());

const params = { configuration: 'edge', number: 1 };

test('of all agents, a version says who has its components, who lacks which, and of whom nobody knows', async () => {
	const found = await stage.must('getVersionCompatibility', { params });
	expect(found).toMatchObject({
		...{ version: 'edge@1', agents: 7, has: 3, lacks: 2, unknown: 2 },
		needs: ['receivers/otlp', 'receivers/kafka', 'exporters/debug'],
	});
	expect(found.missing.map(({ component, agents }: Loose) => [component, agents])).toEqual([
		['receivers/kafka', 2],
		['exporters/debug', 2],
	]);
	expect(found.missing[0].examples.toSorted()).toEqual(ids.lean.toSorted());
	const fits = found.builds.map(({ version, agents, fit }: Loose) => `${version} ${agents} ${fit}`);
	expect(fits.toSorted()).toEqual(['1.0 1 unknown', '1.0 1 unknown', '1.0 3 has', '2.0 2 lacks']);
});

test('of a group, and of one agent', async () => {
	const ask = (query: Record<string, string>) => stage.must('getVersionCompatibility', { params, query });
	expect(await ask({ group: 'some' })).toMatchObject({ agents: 2, has: 1, lacks: 1, unknown: 0 });
	expect(await ask({ group: 'none' })).toMatchObject({ agents: 0, has: 0, lacks: 0, unknown: 0, missing: [] });
	expect(await ask({ agent: ids.mute[0] ?? '' })).toMatchObject({ agents: 1, unknown: 1 });
	expect((await ask({ agent: ids.lean[0] ?? '' })).builds).toMatchObject([
		{ fit: 'lacks', lacks: ['receivers/kafka', 'exporters/debug'] },
	]);
	const unknown = await stage.call('getVersionCompatibility', { params, query: { group: 'nobody' } });
	expect(unknown).toMatchObject({ status: 404 });
});

test('findings for a group say what its agents lack', async () => {
	const codes = ({ findings }: Loose) =>
		findings
			.filter(({ code }: Loose) => /catalogue|component-type/.test(code))
			.map(({ code, path }: Loose) => `${code} ${path}`);
	const group = 'some';
	const stored = await stage.must('validateVersion', { params, query: { group } });
	expect(codes(stored)).toEqual(['unknown-component-type receivers.kafka/a', 'unknown-component-type exporters.debug']);
	const lacking = stored.findings.filter(({ code }: Loose) => code === 'unknown-component-type');
	expect(lacking.map(({ severity }: Loose) => severity)).toEqual(['warning', 'warning']);
	expect(codes(await stage.must('validateVersion', { params }))).toEqual([]);
	const empty = await stage.must('validateVersion', { params, query: { group: 'none' } });
	expect(codes(empty)).toEqual([]);
	const body = { yaml: 'receivers: { otlp: }\nexporters: { kafka: }\n', group: 'ungrouped' };
	expect(codes(await stage.must('validateFiles', { body }))).toEqual([
		'unknown-component-type exporters.kafka',
		'catalogue-unknown ',
	]);
	expect(await stage.call('validateFiles', { body: { ...body, group: 'nobody' } })).toMatchObject({ status: 404 });
	const whole = await stage.must('validateFiles', { body: { yaml: goodYaml, group } });
	expect(codes(whole)).toHaveLength(2);
	expect(whole).toMatchObject({ publishable: true });
	expect(whole.findings.filter(({ severity }: Loose) => severity === 'error')).toEqual([]);
});

test('a version nobody can read suits nobody', async () => {
	const configuration = 'edge';
	const { number } = await stage.must('createVersion', { params: { configuration }, body: { yaml: 'a: [' } });
	const refused = await stage.call('getVersionCompatibility', { params: { configuration, number } });
	expect(refused).toMatchObject({ status: 422, body: { code: 'config-invalid' } });
});

test('catalogues are listed with their agents, page by page', async () => {
	const first = await stage.must('listCatalogues', { query: { limit: 2 } });
	const rest = await stage.must('listCatalogues', { query: { limit: 2, cursor: first.nextCursor } });
	expect(rest.nextCursor).toBeNull();
	const items = [...first.items, ...rest.items];
	const shown = items.map(({ version, agents, components }: Loose) => [version, agents, components?.receivers ?? null]);
	expect(shown).toEqual([
		['1.0', 3, ['otlp', 'kafka']],
		['1.0', 1, null],
		['2.0', 2, ['otlp']],
	]);
	expect(items.every(({ distribution, hash }: Loose) => distribution === 'collector' && hash !== '')).toBe(true);
	expect(await stage.call('listCatalogues', { query: { cursor: 'x' } })).toMatchObject({ status: 400 });
});

test('an agent shows what it has', async () => {
	const componentsOf = async (agent: string | undefined) =>
		(await stage.must('getAgent', { params: { agent: agent ?? '' } })).components;
	expect((await componentsOf(ids.full[1])).catalogue.receivers).toEqual(['otlp', 'kafka']);
	expect(await componentsOf(ids.vague[0])).toMatchObject({ hash: expect.any(String), catalogue: null });
	expect(await componentsOf(ids.mute[0])).toBeNull();
});
