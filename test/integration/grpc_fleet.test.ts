// The gRPC services beside RolloutService: everything REST does, over the same use cases, on a real database.
import { createControl } from '@ampora/control';
import { createMemoryBackplane } from '@ampora/dispatch';
import { createGrpcServer } from '@ampora/rollout-engine';
import { fleetServices, serviceDefinition } from '@ampora/rollout-engine/testing';
import { type GatewayId, newId, systemClock } from '@ampora/runtime';
import { connect, createControlStore, createGatewayStore } from '@ampora/store';
import { createTracer } from '@ampora/telemetry';
import { credentials, Metadata, makeGenericClientConstructor, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../support/databases.js';

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON whose shape each test knows.
type Json = any;
const yaml =
	'receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n';

const closing: (() => unknown)[] = [];
const faults: unknown[] = [];
let ask: (method: string, request?: object, role?: 'admin' | 'viewer' | 'nobody') => Promise<Json>;
let agentUid: string;

beforeAll(async () => {
	const testDatabase = await createTestDatabase();
	const database = connect({ url: testDatabase.url });
	const store = createControlStore(database.orm);
	const control = createControl({ store, backplane: createMemoryBackplane(), clock: systemClock });
	const tracer = createTracer({ service: 'test' });
	const server = createGrpcServer(
		{ control, tracer, onFault: (error) => faults.push(error) },
		{ host: '127.0.0.1', port: 0 },
	);
	const { port } = await server.listen();
	const origin = { sourceAddress: null, traceparent: null, idempotencyKey: null, actor: 'token:test' };
	const tokens = new Map<string, string>();
	for (const role of ['Admin', 'Viewer'] as const) {
		const made = await control.createApiToken({ ...origin, role: 'Admin' }, { name: role, role });
		if (made.ok) tokens.set(role.toLowerCase(), made.value.token);
	}
	const clients = fleetServices.map((service) => {
		const Client = makeGenericClientConstructor(serviceDefinition(service), service.name);
		return new Client(`127.0.0.1:${port}`, credentials.createInsecure());
	});
	ask = (method, request = {}, role = 'admin') => {
		const metadata = new Metadata();
		const token = tokens.get(role);
		if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
		const client = clients.find((candidate) => method in candidate);
		return new Promise((resolve, reject) => {
			const answered = (error: ServiceError | null, answer: Json) => (error ? reject(error) : resolve(answer));
			if (client === undefined) throw new Error(`no service has ${method}`);
			client[method]?.(request, metadata, answered);
		});
	};
	const gateway = createGatewayStore(database.sql);
	const { lease } = await gateway.renewGateway('gw-1' as GatewayId, null, 600_000);
	const [agent] = await gateway.connectAgents(lease, [{ instanceUid: newId(), transport: 'websocket' }]);
	if (agent === undefined) throw new Error('no agent');
	agentUid = agent.instanceUid;
	const description = {
		identifying: { 'service.name': 'collector', nested: { list: [1, null, true] } },
		nonIdentifying: {},
		...{ agentType: 'collector', agentVersion: '1.2.3', hostname: null },
	};
	await gateway.flushReports(lease, [
		{ agentId: agent.agentId, sessionEpoch: agent.sessionEpoch, factSeq: 1, sequenceNum: 1, description },
	]);
	closing.push(
		...clients.map((client) => () => client.close()),
		() => server.close(0),
		() => database.close(),
		() => testDatabase.drop(),
	);
});

afterAll(async () => {
	for (const close of closing) await close();
	expect(faults).toEqual([]);
});

const refused = (call: Promise<Json>): Promise<ServiceError> =>
	call.then(
		() => Promise.reject(new Error('it was not refused')),
		(error: ServiceError) => error,
	);

describe('the services of ampora.fleet.v1', () => {
	test('take a configuration from its first draft to its archive', async () => {
		const { configuration } = await ask('createConfiguration', { name: 'edge' });
		expect(configuration).toMatchObject({ name: 'edge', id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
		expect(configuration.createdAt).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
		expect(configuration.latest).toBeUndefined();
		const { version } = await ask('createVersion', { configuration: 'edge', files: [{ body: 'a: 1' }] });
		expect(version).toMatchObject({ ref: 'edge@1', state: 'Draft', files: [{ contentType: 'text/yaml', bytes: '4' }] });
		const edited = await ask('updateVersion', { configuration: 'edge', number: 1, yaml });
		expect(edited.version.contentHash).not.toBe(version.contentHash);
		expect(edited.version.semanticHash).toMatch(/^[0-9a-f]{64}$/);
		expect(await ask('validateVersion', { configuration: 'edge', number: 1 })).toEqual({ publishable: true });
		const published = await ask('publishVersion', { configuration: 'edge', number: 1 });
		expect(published.version).toMatchObject({ state: 'Published', publishedAt: expect.any(String) });
		const shown = await ask('getVersion', { configuration: 'edge', number: 1 });
		expect(shown.version.files).toEqual([{ contentType: 'text/yaml', body: yaml }]);
		const archived = await ask('archiveVersion', { configuration: 'edge', number: 1 });
		expect(archived.version.state).toBe('Archived');
	});

	test('set what agents are known by, and that it is their uid again', async () => {
		const attributes = ['service.namespace', 'service.name'];
		const changed = await ask('updateSettings', { agentIdentity: { attributes } });
		expect(changed.settings.agentIdentity).toEqual({ attributes, settling: true });
		expect((await ask('updateSettings', { agentIdentity: {} })).settings.agentIdentity).toEqual({ settling: true });
	});

	test('page through lists', async () => {
		for (const name of ['a-group', 'b-group', 'c-group']) await ask('createGroup', { name });
		const names: string[] = [];
		for (let cursor: string | undefined; ; ) {
			const page = await ask('listGroups', { limit: 2, ...(cursor && { cursor }) });
			names.push(...page.items.map(({ name }: Json) => name));
			if (page.nextCursor === undefined) break;
			cursor = page.nextCursor;
		}
		expect(names).toEqual(['a-group', 'b-group', 'c-group', 'ungrouped']);
	});

	test('show agents with whatever they said of themselves, and filter by flags that are false', async () => {
		const { agent } = await ask('getAgent', { agent: agentUid });
		expect(agent).toMatchObject({ instanceUid: agentUid, agentVersion: '1.2.3', connected: true });
		expect(agent.attributes.identifying).toEqual({
			'service.name': 'collector',
			nested: { list: [1, null, true] },
		});
		expect(agent.hostname).toBeUndefined();
		expect((await ask('listAgents', { connected: false })).items).toBeUndefined();
		expect((await ask('listAgents', { connected: true })).items).toHaveLength(1);
		expect(await ask('addGroupAgents', { group: 'a-group', agents: [agentUid] })).toMatchObject({ changed: 1 });
		expect(await ask('getFleet')).toMatchObject({ agents: 1, connected: 1, healthUnknown: 1 });
	});

	test('keep an audit that gRPC reads too', async () => {
		const { items } = await ask('listAudit', { action: 'Version.Published' });
		expect(items).toMatchObject([
			{ before: { state: 'Draft' }, after: { state: 'Published', version: 'edge@1' }, role: 'Admin' },
		]);
	});

	test('check who may what, and say what is wrong with a request', async () => {
		expect(await ask('getIdentity', {}, 'viewer')).toMatchObject({ role: 'Viewer' });
		expect(await refused(ask('getIdentity', {}, 'nobody'))).toMatchObject({ code: status.UNAUTHENTICATED });
		const forbidden = await refused(ask('createGroup', { name: 'x' }, 'viewer'));
		expect(forbidden).toMatchObject({ code: status.PERMISSION_DENIED });
		expect(forbidden.metadata.get('ampora-error-code')).toEqual(['forbidden']);
		expect(await refused(ask('getGroup', { group: 'nobody' }))).toMatchObject({ code: status.NOT_FOUND });
		const wrong = await refused(ask('createGroup', { name: 'not a name' }));
		expect(wrong).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining('name:') });
		expect(await refused(ask('createGroup', { name: 'a-group' }))).toMatchObject({ code: status.ALREADY_EXISTS });
	});
});
