// The product and opamp-go's client, over both transports.
import { randomUUID } from 'node:crypto';
import type { Agent } from '@ampora/api-contract';
import { agentCapabilitiesOf } from '@ampora/opamp';
import { beforeAll, describe, expect, it, type onTestFinished } from 'vitest';
import { buildInterop, type InteropBinaries } from '../build.mjs';
import { type Driver, type DriverStart, startDriver } from '../driver.js';
import { startLossyRelay } from '../lossy_relay.js';
import { useProduct } from '../product.js';

let binaries: InteropBinaries;
beforeAll(async () => {
	binaries = await buildInterop();
});
const product = useProduct();

type Finish = typeof onTestFinished;
const transports = ['ws', 'http'] as const;
type Transport = (typeof transports)[number];

const capabilities = agentCapabilitiesOf(
	'AcceptsRemoteConfig',
	'ReportsRemoteConfig',
	'ReportsEffectiveConfig',
	'ReportsHealth',
	'ReportsHeartbeat',
).word;

interface Client {
	readonly uid: string;
	readonly driver: Driver;
	connect(): Promise<void>;
}

/** An agent that has connected once; it goes away with the test. */
async function join(transport: Transport, finish: Finish, more: Partial<DriverStart> = {}): Promise<Client> {
	const { opamp, tokens } = product().ampora;
	const uid = randomUUID();
	const driver = await startDriver(binaries);
	finish(() => driver.close());
	const start: DriverStart = {
		url: transport === 'ws' ? opamp : opamp.replace(/^ws/, 'http'),
		instanceUid: uid,
		capabilities,
		headers: { Authorization: `Bearer ${tokens.enrollment}` },
		identifying: { 'service.name': 'driver', 'service.version': '1.2.3', 'service.instance.id': uid },
		nonIdentifying: { 'host.name': `host-${transport}`, 'deployment.environment': 'test' },
		health: { healthy: true, status: 'well', startTimeUnixNano: '1795216567447818558' },
		// Over HTTP this is how soon the agent asks again.
		heartbeatMs: 200,
		...more,
	};
	const connect = () => driver.connect(start);
	await connect();
	return { uid, driver, connect };
}

const yaml = (timeout: string) => `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:4318}}}
processors:
  batch: {timeout: ${timeout}}
exporters:
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [debug]}
`;

describe.concurrent.each(transports)('an opamp-go agent over %s', (transport) => {
	it('is shown as it describes itself', async ({ onTestFinished: finish }) => {
		const { uid, driver } = await join(transport, finish);
		const shown = await product().agent(uid, ({ healthy }) => healthy === true, 'healthy agent');
		expect(shown).toMatchObject({
			connected: true,
			transport: transport === 'ws' ? 'websocket' : 'http',
			hostname: `host-${transport}`,
			agentType: 'driver',
			agentVersion: '1.2.3',
			attributes: {
				identifying: { 'service.instance.id': uid },
				nonIdentifying: { 'deployment.environment': 'test' },
			},
			health: { healthy: true, status: 'well', startTimeUnixNano: '1795216567447818558' },
			assignment: null,
		});
		expect(shown.capabilities).toContain('AcceptsRemoteConfig');
		await driver.set('health', { healthy: false, lastError: 'out of "disk"\n' });
		await product().agent(uid, ({ health }) => errorIn(health) === 'out of "disk"\n', 'changed health');
	});

	it('takes what is rolled out, refuses it in its own words, and goes back', async ({ onTestFinished: finish }) => {
		const { uid, driver } = await join(transport, finish);
		const { campaign, agent, adopt } = product();
		const { id, rollOut } = await adopt(`driver-${transport}`, uid);
		const first = await rollOut(yaml('1s'), { acceptNoWayBack: true });
		expect(first).toMatchObject({ state: 'Completed', evidence: [], updated: 1 });
		const taken = await driver.takeConfig();
		expect(Object.values(taken.files)).toEqual([yaml('1s')]);
		expect(first.gates.find(({ gate }) => gate === 'effective-mismatch-ratio')?.rollout).toEqual({
			...{ k: 0, n: 1, judged: 1 },
		});
		const running = await agent(uid, ({ reportedStatus }) => reportedStatus === 'applied', 'applied');
		expect(running).toMatchObject({ reportedHash: taken.hash, assignment: { effective: 'match' } });

		const error = 'line 5: "batch"\n\tis not welcome here';
		await driver.answerConfigs({ mode: 'fail', error, delayMs: 300 });
		const second = await rollOut(yaml('2s'), { onAgentFailure: 'leave' });
		expect(second).toMatchObject({ state: 'Paused', pauseReasons: ['gate'], errors: [{ error, examples: [id] }] });
		const refused = await driver.takeConfig();
		expect(refused.hash).not.toBe(taken.hash);
		const sick = await agent(uid, ({ reportedStatus }) => reportedStatus === 'failed', 'failed');
		expect(sick).toMatchObject({ applyError: error, reportedHash: refused.hash });

		await driver.answerConfigs({ mode: 'apply' });
		await campaign.call('rollbackRollout', { params: { rollout: second.id }, body: {} });
		await campaign.until(second.id, ({ state }) => state === 'RolledBack');
		expect((await driver.takeConfig()).files).toEqual(taken.files);
		// Nothing was handed over twice.
		expect(driver.events.filter((event) => event.event === 'message' && event.remoteConfig)).toHaveLength(3);
	});

	it('is the same agent as a new process, and keeps what it has', async ({ onTestFinished: finish }) => {
		const { uid, driver, connect } = await join(transport, finish);
		const { agent, adopt } = product();
		const { id, rollOut } = await adopt(`restarted-${transport}`, uid);
		await rollOut(yaml('1s'), { acceptNoWayBack: true });
		const { hash } = await driver.takeConfig();
		await driver.stop();
		await connect();
		// It starts without a status and says nothing of a configuration, so it is handed the one it should have.
		expect((await driver.takeConfig()).hash).toBe(hash);
		const again = await agent(uid, ({ reportedStatus }) => reportedStatus === 'applied', 'applied');
		expect(again).toMatchObject({ id, connected: true, reportedHash: hash });
	});
});

describe.concurrent('an opamp-go agent', () => {
	it('is asked for all it has when something it said was lost', async ({ onTestFinished: finish }) => {
		const relay = await startLossyRelay(product().ampora.opamp);
		finish(() => relay.close());
		const { uid, driver } = await join('ws', finish, { url: relay.url, heartbeatMs: 0 });
		const { agent } = product();
		await agent(uid, ({ healthy }) => healthy === true, 'healthy agent');
		await driver.take('connect');

		const lost = relay.loseNext();
		await driver.set('health', { healthy: false, lastError: 'said into the void' });
		await lost;
		await driver.take('connect');
		// Its next message shows that one is missing.
		await driver.set('customCapabilities', { capabilities: ['com.example.anything'] });
		const told = await agent(uid, ({ health }) => errorIn(health) === 'said into the void', 'lost health');
		expect(told).toMatchObject({ connected: true, healthy: false, agentType: 'driver' });
	});

	it('is shown as gone when it says goodbye, and when its process dies', async ({ onTestFinished: finish }) => {
		const { uid, driver, connect } = await join('ws', finish);
		const { agent } = product();
		await agent(uid, ({ connected }) => connected, 'connected agent');
		await driver.stop();
		const left = await agent(uid, ({ connected }) => !connected, 'goodbye');
		expect(left).toMatchObject({ disconnectReason: 'goodbye', gateway: null });
		await connect();
		await agent(uid, ({ connected }) => connected, 'connected agent');
		await driver.kill();
		const lost = await agent(uid, ({ connected }) => !connected, 'loss');
		expect(lost).toMatchObject({ disconnectReason: 'lost', gateway: null });
	});

	it('is shown as gone when it has not polled for long enough', async ({ onTestFinished: finish }) => {
		const { uid, driver } = await join('http', finish);
		const { agent } = product();
		await agent(uid, ({ connected }) => connected, 'connected agent');
		await driver.kill();
		const lost = await agent(uid, ({ connected }) => !connected, 'loss', 120_000);
		expect(lost).toMatchObject({ disconnectReason: 'lost', gateway: null });
	});

	it.for(transports)('is not let in with a made-up token over %s', async (transport, { onTestFinished: finish }) => {
		const { uid, driver } = await join(transport, finish, { headers: { Authorization: 'Bearer made-up' } });
		await driver.take('log', ({ text }) => text.includes('401'));
		const { items } = await product().campaign.call('listAgents', {
			query: { search: uid, limit: 1, sort: 'id', order: 'asc' },
		});
		expect(items).toEqual([]);
	});
});

describe('agents of an installation that is started again', () => {
	it('come back, tell what happened meanwhile, and are handed nothing they have', async ({
		onTestFinished: finish,
	}) => {
		const clients = await Promise.all(transports.map((transport) => join(transport, finish)));
		const { ampora, agent, adopt } = product();
		for (const [index, { uid, driver }] of clients.entries()) {
			const { rollOut } = await adopt(`again-${index}`, uid);
			await rollOut(yaml('1s'), { acceptNoWayBack: true });
			await driver.takeConfig();
		}
		const restarted = ampora.restart();
		await Promise.all(clients.map(({ driver }) => driver.take('log', ({ level }) => level === 'error')));
		for (const { driver } of clients) await driver.set('health', { healthy: false, lastError: 'while you were away' });
		await restarted;
		for (const { uid, driver } of clients) {
			const isBack = ({ connected, health }: Agent) => connected && errorIn(health) === 'while you were away';
			const told = await agent(uid, isBack, 'health', 60_000);
			expect(told).toMatchObject({ reportedStatus: 'applied', assignment: { answer: 'applied' } });
			expect(driver.events.filter((event) => event.event === 'message' && event.remoteConfig)).toHaveLength(1);
		}
	});
});

const errorIn = (health: unknown): unknown =>
	typeof health === 'object' && health !== null && 'lastError' in health ? health.lastError : undefined;
