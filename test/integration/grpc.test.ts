// The gRPC API over a real database, with the engine deciding.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createControl, startChecks } from '@ampora/control';
import { createMemoryBackplane, createMemoryDirectory } from '@ampora/dispatch';
import { createEngine, createEngineTelemetry, createGrpcServer, type GrpcServer } from '@ampora/rollout-engine';
import { messages } from '@ampora/rollout-engine/testing';
import { type GatewayId, newId, systemClock, systemRandom } from '@ampora/runtime';
import { connect, createControlStore, createEngineStore, createGatewayStore } from '@ampora/store';
import { createMetricsRegistry, createTracer, silentLogger } from '@ampora/telemetry';
import {
	type ChannelCredentials,
	type Client,
	credentials,
	type handleUnaryCall,
	loadPackageDefinition,
	Metadata,
	type ServiceError,
	status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../support/databases.js';

const managedCapabilities = 0x3847n;
const yaml =
	'receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n';

/** What a tool would bring: the public protos of the two standard services. */
const reflectionProto = join(
	dirname(createRequire(import.meta.url).resolve('@grpc/reflection')),
	'../proto/grpc/reflection/v1/reflection.proto',
);

// biome-ignore lint/suspicious/noExplicitAny: the methods of a client made at run time are not known to the compiler.
type LooseClient = Client & Record<string, any>;

/** A client made of a .proto file alone. */
function clientFor(proto: string, service: string, target: string): LooseClient {
	const Constructor = service
		.split('.')
		.reduce<unknown>((scope, name) => (scope as Record<string, unknown>)[name], loadPackageDefinition(loadSync(proto)));
	return new (Constructor as new (target: string, credentials: ChannelCredentials) => LooseClient)(
		target,
		credentials.createInsecure(),
	);
}

const stack: { stop: (() => Promise<unknown>)[] } = { stop: [] };
let grpc: GrpcServer;
let client: messages.RolloutServiceClient;
let operator: Metadata;
let viewer: Metadata;

const bearer = (token: string): Metadata => {
	const metadata = new Metadata();
	metadata.set('authorization', `Bearer ${token}`);
	return metadata;
};

type Service = messages.RolloutServiceServer;
/** The named methods that answer once; the index signature is left out. */
type Method = keyof {
	[M in keyof Service as string extends M
		? never
		: number extends M
			? never
			: M extends 'watchRollout'
				? never
				: M]: true;
};
type RequestOf<M extends Method> = Service[M] extends handleUnaryCall<infer Request, infer _Response> ? Request : never;
type ResponseOf<M extends Method> =
	Service[M] extends handleUnaryCall<infer _Request, infer Response> ? Response : never;

/** A call as a promise; what the request leaves out is absent on the wire. */
function ask<M extends Method>(
	method: M,
	request: messages.DeepPartial<RequestOf<M>>,
	metadata = operator,
): Promise<ResponseOf<M>> {
	const name = `${method.charAt(0).toUpperCase()}${method.slice(1)}Request` as keyof typeof messages;
	const { fromPartial } = messages[name] as unknown as { fromPartial(partial: unknown): RequestOf<M> };
	const send = client[method].bind(client) as unknown as (
		request: RequestOf<M>,
		metadata: Metadata,
		callback: (error: ServiceError | null, response: ResponseOf<M>) => void,
	) => unknown;
	return new Promise((resolve, reject) => {
		send(fromPartial(request), metadata, (error, response) => (error ? reject(error) : resolve(response)));
	});
}

const refused = async (call: Promise<unknown>): Promise<ServiceError> => {
	try {
		await call;
	} catch (error) {
		return error as ServiceError;
	}
	throw new Error('it was not refused');
};

const must = <T>(outcome: { ok: true; value: T } | { ok: false; error: { message: string } }): T => {
	if (!outcome.ok) throw new Error(outcome.error.message);
	return outcome.value;
};

beforeAll(async () => {
	const testDatabase = await createTestDatabase();
	const database = connect({ url: testDatabase.url });
	const backplane = createMemoryBackplane();
	const store = createControlStore(database.orm);
	const control = createControl({ store, backplane, clock: systemClock, watchIntervalMs: 50 });
	const tracer = createTracer({ service: 'test' });
	const registry = createMetricsRegistry();
	const telemetry = createEngineTelemetry({ logger: silentLogger, tracer, registry, dispatchCountsAs: 'local' });
	const engine = createEngine(
		{
			store: createEngineStore(database.sql),
			directory: createMemoryDirectory(),
			backplane,
			clock: systemClock,
			random: systemRandom,
			telemetry,
			starts: startChecks(store),
		},
		{ leaseTtlMs: 3_000 },
	);
	await engine.start();
	grpc = createGrpcServer(
		{ control, tracer, onFault: (error) => process.stderr.write(`${String(error)}\n`) },
		{ host: '127.0.0.1', port: 0 },
	);
	const { port } = await grpc.listen();
	client = new messages.RolloutServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
	stack.stop = [
		async () => client.close(),
		() => grpc.close(0),
		() => engine.stop(),
		() => database.close(),
		() => testDatabase.drop(),
	];

	const origin = { sourceAddress: null, traceparent: null, idempotencyKey: null };
	const admin = { ...origin, actor: 'token:test', role: 'Admin' as const };
	operator = bearer(must(await control.createApiToken(admin, { name: 'operator', role: 'Operator' })).token);
	viewer = bearer(must(await control.createApiToken(admin, { name: 'viewer', role: 'Viewer' })).token);
	for (const name of ['edge', 'core', 'orders', 'spare']) must(await control.createGroup(admin, { name }));
	const gateway = createGatewayStore(database.sql);
	const { lease } = await gateway.renewGateway('gw-1' as GatewayId, null, 600_000);
	const agents = await gateway.connectAgents(
		lease,
		Array.from({ length: 9 }, () => ({ instanceUid: newId(), transport: 'websocket' as const })),
	);
	await gateway.flushReports(
		lease,
		agents.map(({ agentId, sessionEpoch }) => ({
			agentId,
			sessionEpoch,
			factSeq: 1,
			sequenceNum: 1,
			capabilities: managedCapabilities,
		})),
	);
	const ids = agents.map(({ agentId }) => agentId);
	must(await control.addGroupAgents(admin, { group: 'edge', agents: ids.slice(0, 3) }));
	must(await control.addGroupAgents(admin, { group: 'core', agents: ids.slice(3, 6) }));
	must(await control.addGroupAgents(admin, { group: 'orders', agents: ids.slice(6) }));
});

afterAll(async () => {
	for (const stop of stack.stop) await stop();
});

async function created(
	group: string,
	request: messages.DeepPartial<messages.CreateRolloutRequest> = {},
): Promise<messages.Rollout> {
	const source = { $case: 'inlineYaml', value: yaml } as const;
	const { rollout } = await ask('createRollout', { group, source, spec: { acceptNoWayBack: true }, ...request });
	if (!rollout) throw new Error('no rollout in the answer');
	return rollout;
}

describe('RolloutService', () => {
	test('creates, starts, shows, pauses, resumes and aborts a rollout', async () => {
		const rollout = await created('edge', { manualStart: true });
		expect(rollout).toMatchObject({
			group: 'edge',
			version: 'edge@1',
			state: messages.RolloutState.ROLLOUT_STATE_PENDING,
		});
		const started = await ask('startRollout', { id: rollout.id });
		expect(started.result).toMatchObject({
			decided: true,
			rollout: { state: messages.RolloutState.ROLLOUT_STATE_IN_PROGRESS },
		});
		const shown = await ask('getRollout', { id: rollout.id });
		expect(shown.rollout).toMatchObject({
			total: 3,
			currentStep: 1,
			allowedCommands: expect.arrayContaining(['pause', 'abort']),
		});
		const paused = await ask('pauseRollout', { id: rollout.id, options: { idempotencyKey: 'once' } });
		expect(paused.result?.rollout).toMatchObject({
			state: messages.RolloutState.ROLLOUT_STATE_PAUSED,
			pauseReasons: ['manual'],
		});
		const again = await ask('pauseRollout', { id: rollout.id, options: { idempotencyKey: 'once' } });
		expect(again.result?.commandId).toBe(paused.result?.commandId);
		const resumed = await ask('resumeRollout', { id: rollout.id, reasons: ['manual'] });
		expect(resumed.result?.rollout?.state).toBe(messages.RolloutState.ROLLOUT_STATE_IN_PROGRESS);
		const aborted = await ask('abortRollout', { id: rollout.id });
		expect(aborted.result?.rollout?.state).toBe(messages.RolloutState.ROLLOUT_STATE_ABORTED);
		const listed = await ask('listRollouts', {
			group: 'edge',
			state: messages.RolloutState.ROLLOUT_STATE_ABORTED,
			pageSize: 10,
			pageToken: '',
		});
		expect(listed.rollouts.map(({ id }) => id)).toEqual([rollout.id]);
		const targets = await ask('listTargets', { rolloutId: rollout.id, state: '', pageSize: 2, pageToken: '' });
		expect(targets.targets.map(({ rank }) => rank)).toEqual([0, 1]);
		expect(targets.nextPageToken).not.toBe('');
	});

	test('streams changes until the rollout has ended', async () => {
		const rollout = await created('core', { manualStart: true });
		const seen: messages.RolloutState[] = [];
		const stream = client.watchRollout({ id: rollout.id }, operator);
		const ended = new Promise<void>((resolve, reject) => {
			stream.on('error', reject);
			stream.on('end', resolve);
		});
		stream.on('data', ({ rollout: now }: { rollout?: messages.Rollout }) => {
			seen.push(now?.state ?? messages.RolloutState.ROLLOUT_STATE_UNSPECIFIED);
			if (seen.length === 1) void ask('startRollout', { id: rollout.id });
			const running = seen.filter((state) => state === messages.RolloutState.ROLLOUT_STATE_IN_PROGRESS).length;
			if (seen.at(-1) === messages.RolloutState.ROLLOUT_STATE_IN_PROGRESS && running === 1)
				void ask('abortRollout', { id: rollout.id });
		});
		await ended;
		expect(seen[0]).toBe(messages.RolloutState.ROLLOUT_STATE_PENDING);
		expect(seen.at(-1)).toBe(messages.RolloutState.ROLLOUT_STATE_ABORTED);
	});

	test('carries every other order to its use case, with the reason given for it', async () => {
		const { RolloutState, CommandState } = messages;
		const options = { reason: 'because' };
		const early = await created('orders', { manualStart: true });
		const { result } = await ask('cancelRollout', { id: early.id, options });
		expect(result?.rollout?.state).toBe(RolloutState.ROLLOUT_STATE_CANCELLED);
		const { command } = await ask('getCommand', { rolloutId: early.id, commandId: result?.commandId ?? '' });
		expect(command).toMatchObject({ kind: 'cancel', state: CommandState.COMMAND_STATE_ACCEPTED, rolloutId: early.id });
		expect(command?.decidedAt).toBeInstanceOf(Date);

		// Reasons are for the orders that take one; a start with one is a start.
		const rollout = await created('orders', { manualStart: true });
		const { id } = rollout;
		await ask('startRollout', { id, options });
		const notNow = { code: status.FAILED_PRECONDITION };
		expect(await refused(ask('advanceRollout', { id, options }))).toMatchObject(notNow);
		expect(await refused(ask('advanceRollout', { id, force: true }))).toMatchObject({ code: status.INVALID_ARGUMENT });
		expect(await refused(ask('extendDwell', { id, options }))).toMatchObject({ code: status.INVALID_ARGUMENT });
		const extended = await ask('extendDwell', { id, options, by: { seconds: 60n } });
		expect(extended.result).toMatchObject({ decided: true });
		expect(await refused(ask('retryAgents', { id, options }))).toMatchObject(notNow);
		expect(await refused(ask('excludeAgents', { id, options }))).toMatchObject({ code: status.INVALID_ARGUMENT });
		const { targets } = await ask('listTargets', { rolloutId: id });
		const last = targets.at(-1)?.agentId ?? '';
		const excluded = await ask('excludeAgents', { id, options, agentIds: [last] });
		expect(excluded.result?.rollout?.agents).toMatchObject({ Skipped: 1 });
		const back = await ask('rollBackRollout', { id, options });
		expect([RolloutState.ROLLOUT_STATE_ROLLING_BACK, RolloutState.ROLLOUT_STATE_ROLLED_BACK]).toContain(
			back.result?.rollout?.state,
		);
		// Nothing is added any more to what is read twice.
		const stateNow = async () => (await ask('getRollout', { id })).rollout?.state;
		await expect.poll(stateNow, { timeout: 30_000 }).toBe(RolloutState.ROLLOUT_STATE_ROLLED_BACK);
		const { events } = await ask('listEvents', { rolloutId: id });
		expect(events.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['state', 'step-started']));
		const explained = events.filter(({ text }) => text.endsWith(': because')).map(({ kind }) => kind);
		expect(explained).toEqual(expect.arrayContaining(['dwell-extended', 'state']));
		expect(JSON.parse(events[0]?.dataJson ?? '')).toBeTypeOf('object');
		const firstPage = await ask('listEvents', { rolloutId: id, pageSize: 1 });
		const rest = await ask('listEvents', { rolloutId: id, afterSeq: firstPage.nextAfterSeq ?? 0n });
		expect([...firstPage.events, ...rest.events]).toEqual(events);
	});

	test('takes the fast canary, and says of agents what the REST API says', async () => {
		const strategy = { kind: { $case: 'canaryFast' as const, value: {} } };
		const rollout = await created('orders', {
			manualStart: true,
			spec: { acceptNoWayBack: true, strategy, controlLossPercent: 7 },
		});
		const { result } = await ask('startRollout', { id: rollout.id });
		expect(result?.rollout).toMatchObject({ stepCount: 4 });
		const { targets } = await ask('listTargets', { rolloutId: rollout.id });
		expect(targets[0]).toMatchObject({
			instanceUid: expect.stringMatching(/^[0-9a-f-]{36}$/),
			sickBefore: false,
			attempt: 1,
		});
		await ask('abortRollout', { id: rollout.id });
	});

	test('says who may what', async () => {
		expect(await refused(ask('listRollouts', {}, new Metadata()))).toMatchObject({
			code: status.UNAUTHENTICATED,
		});
		expect(await refused(ask('listRollouts', {}, bearer('ampora_api_wrong')))).toMatchObject({
			code: status.UNAUTHENTICATED,
		});
		const error = await refused(ask('abortRollout', { id: newId() }, viewer));
		expect(error).toMatchObject({ code: status.PERMISSION_DENIED });
		expect(error.metadata.get('ampora-error-code')).toEqual(['forbidden']);
	});

	test('refuses what makes no sense, naming the field', async () => {
		const strategy = { kind: { $case: 'percentage' as const, value: { percentages: [5, 50] } } };
		const spec = messages.RolloutSpec.fromPartial({ strategy });
		const error = await refused(created('spare', { spec }));
		expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
		expect(error.details).toContain('100');
		expect(await refused(created('nobody'))).toMatchObject({
			code: status.NOT_FOUND,
			details: 'there is no group "nobody"',
		});
		expect(await refused(ask('getRollout', { id: 'x' }))).toMatchObject({ code: status.INVALID_ARGUMENT });
		expect(await refused(ask('getRollout', { id: newId() }))).toMatchObject({ code: status.NOT_FOUND });
	});

	test('describes itself, and answers health checks, to tools that have no .proto file of ours', async () => {
		const target = client.getChannel().getTarget();
		const reflection = clientFor(reflectionProto, 'grpc.reflection.v1.ServerReflection', target);
		const answers = reflection.ServerReflectionInfo();
		const listed = new Promise<{ listServicesResponse: { service: { name: string }[] } }>((resolve) =>
			answers.once('data', resolve),
		);
		answers.write({ listServices: '' });
		expect((await listed).listServicesResponse.service.map(({ name }) => name)).toEqual(
			expect.arrayContaining(['ampora.rollout.v1.RolloutService', 'ampora.fleet.v1.AgentService']),
		);
		const described = new Promise<{ fileDescriptorResponse: { fileDescriptorProto: Buffer[] } }>((resolve) =>
			answers.once('data', resolve),
		);
		answers.write({ fileContainingSymbol: 'ampora.fleet.v1.AgentService' });
		expect((await described).fileDescriptorResponse.fileDescriptorProto.length).toBeGreaterThan(1);
		answers.end();
		reflection.close();
		const health = clientFor(healthProto, 'grpc.health.v1.Health', target);
		const serving = (name: string) =>
			new Promise((resolve, reject) =>
				health.check({ service: name }, (error: ServiceError | null, answer: unknown) =>
					error ? reject(error) : resolve(answer),
				),
			);
		expect(await serving('ampora.rollout.v1.RolloutService')).toMatchObject({ status: 1 });
		expect(await serving('ampora.fleet.v1.AgentService')).toMatchObject({ status: 1 });
		grpc.setServing(false);
		expect(await serving('ampora.rollout.v1.RolloutService')).toMatchObject({ status: 2 });
		health.close();
	});
});
