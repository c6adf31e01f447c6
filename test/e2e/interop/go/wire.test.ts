// opamp-go's client and the bytes of packages/opamp, over both transports.
import { randomUUID } from 'node:crypto';
import { type AgentMessage, agentCapabilitiesOf, encodeServerError, parseUid } from '@ampora/opamp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BareServer, startBareServer } from '../bare_server.js';
import { buildInterop, type InteropBinaries } from '../build.mjs';
import { type Driver, type DriverStart, startDriver } from '../driver.js';

let binaries: InteropBinaries;
beforeAll(async () => {
	binaries = await buildInterop();
});

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
const status = ({ report: { remoteConfigStatus: reported } }: AgentMessage) =>
	reported && { hash: hex(reported.lastRemoteConfigHash), status: reported.status, error: reported.errorMessage };

describe.each(['ws', 'http'] as const)('an opamp-go agent over %s', (transport) => {
	let server: BareServer;
	let driver: Driver;
	let uid: string;
	beforeEach(async () => {
		uid = randomUUID();
		server = await startBareServer();
		driver = await startDriver(binaries);
	});
	afterEach(async () => {
		await driver.close();
		await server.close();
	});

	const capabilities = agentCapabilitiesOf(
		'AcceptsRemoteConfig',
		'ReportsRemoteConfig',
		'ReportsEffectiveConfig',
		'ReportsHealth',
		'ReportsHeartbeat',
	).word;
	const connect = (more: Partial<DriverStart> = {}) =>
		driver.connect({
			url: transport === 'ws' ? server.wsUrl : server.httpUrl,
			instanceUid: uid,
			capabilities,
			headers: { Authorization: 'Bearer of-this-agent' },
			identifying: { 'service.name': 'driver', 'service.instance.id': uid },
			nonIdentifying: { 'deployment.environment': 'test' },
			health: { healthy: true, status: 'well', startTimeUnixNano: '1795216567447818558' },
			// Over HTTP this is how soon the agent asks again.
			heartbeatMs: transport === 'ws' ? 0 : 50,
			...more,
		});
	const take = (wanted: (message: AgentMessage) => boolean, what: string) => server.messages.take(wanted, what);
	const first = () => take(({ report }) => report.agentDescription !== undefined, 'first report');

	it('introduces itself completely', async () => {
		await driver.setEffectiveConfig({ '': 'receivers: {}' });
		await connect();
		const message = await first();
		expect(message).toMatchObject({ instanceUid: uid, sequenceNum: 0n, disconnect: false });
		expect(message.capabilities.names()).toContain('ReportsStatus');
		expect(message.capabilities.word & capabilities).toBe(capabilities);
		expect(message.report.agentDescription).toEqual({
			identifying: [
				{ key: 'service.name', value: { kind: 'string', value: 'driver' } },
				{ key: 'service.instance.id', value: { kind: 'string', value: uid } },
			],
			nonIdentifying: [{ key: 'deployment.environment', value: { kind: 'string', value: 'test' } }],
		});
		expect(message.report.health).toMatchObject({
			healthy: true,
			status: 'well',
			startTimeUnixNano: 1795216567447818558n,
		});
		expect(Buffer.from(message.report.effectiveConfig?.files.get('')?.body ?? []).toString()).toBe('receivers: {}');
		expect(status(message)).toEqual({ hash: '', status: 'unset', error: '' });
		expect(server.credentials[0]).toBe('Bearer of-this-agent');
	});

	it('applies what it is offered and says so under the hash it was given', async () => {
		await connect();
		await first();
		const body = 'exporters: {"ключ": "\u0001 $ 🐝"}\n';
		const hash = server.offer(body, 'a/b.yaml');
		expect(await driver.takeConfig()).toEqual({ hash, files: { 'a/b.yaml': body } });
		const applied = await take((message) => status(message)?.status === 'applied', 'APPLIED');
		expect(status(applied)).toEqual({ hash, status: 'applied', error: '' });
		const effective = server.messages.said.findLast(({ report }) => report.effectiveConfig)?.report.effectiveConfig;
		expect(Buffer.from(effective?.files.get('a/b.yaml')?.body ?? []).toString()).toBe(body);
	});

	it('refuses with its own words', async () => {
		await driver.answerConfigs({ mode: 'fail', error: 'line 3: no exporter "x"\nand more' });
		await connect();
		await first();
		const hash = server.offer('exporters: {}');
		const failed = await take((message) => status(message)?.status === 'failed', 'FAILED');
		expect(status(failed)).toEqual({ hash, status: 'failed', error: 'line 3: no exporter "x"\nand more' });
	});

	it('reports its full state when asked', async () => {
		await connect();
		await first();
		server.say({ reportFullState: true });
		const again = await first();
		expect(again.sequenceNum).toBeGreaterThan(0n);
		expect(again.report).toMatchObject({ health: { healthy: true }, remoteConfigStatus: { status: 'unset' } });
	});

	it('takes the name it is given from its next message on', async () => {
		await connect();
		await first();
		const newName = parseUid(randomUUID());
		if (newName === undefined) throw new Error('unreachable');
		server.say({ newInstanceUid: newName });
		await driver.take('message', (event) => event.agentIdentification !== undefined);
		await driver.set('health', { healthy: false, lastError: 'renamed' });
		const renamed = await take(({ report }) => report.health?.lastError === 'renamed', 'health');
		expect(renamed.instanceUid).toBe(newName);
	});

	it('is told why its message was refused', async () => {
		await connect();
		await first();
		server.sayFrame((to) => encodeServerError(to, { type: 'bad-request', message: 'the uid is 17 bytes long' }));
		await driver.set('health', { healthy: false });
		const { message } = await driver.take('error');
		expect(message).toEqual({ type: 'ServerErrorResponseType_BadRequest', errorMessage: 'the uid is 17 bytes long' });
	});

	it('changes its capabilities while connected', async () => {
		await connect();
		await first();
		const fewer = agentCapabilitiesOf('ReportsStatus', 'ReportsHealth', 'ReportsHeartbeat').word;
		await driver.setCapabilities(fewer);
		const changed = await take((message) => message.capabilities.word === fewer, 'capabilities');
		expect(changed.capabilities.has('AcceptsRemoteConfig')).toBe(false);
	});

	if (transport === 'ws') {
		it('says goodbye', async () => {
			await connect();
			await first();
			await driver.stop();
			await take(({ disconnect }) => disconnect, 'goodbye');
		});

		it('goes on counting when its socket is cut, and starts anew as a new client', async () => {
			await connect();
			const { sequenceNum } = await first();
			await driver.take('connect');
			server.drop();
			await driver.take('connect');
			await driver.set('health', { healthy: false, lastError: 'after the cut' });
			const later = await take(({ report }) => report.health?.lastError === 'after the cut', 'health');
			expect(later.sequenceNum).toBeGreaterThan(sequenceNum);
			expect(later.report.agentDescription).toBeUndefined();

			await driver.stop();
			await connect();
			expect((await first()).sequenceNum).toBe(0n);
		});
	}
});
