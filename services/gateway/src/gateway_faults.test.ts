import { StoreUnavailable } from '@ampora/store';
import { afterEach, describe, expect, test } from 'vitest';
import {
	connectAgent,
	createGatewayWorld,
	type GatewayUnderTest,
	health,
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

async function hello(under: GatewayUnderTest): Promise<TestAgent> {
	const agent = await connectAgent(under.url);
	await agent.hello();
	return agent;
}

const away = () => new StoreUnavailable('away', 'gone for a test');

describe('Postgres is away', () => {
	test('sessions stay, nothing said is lost, and nobody new is let in', async () => {
		const world = createGatewayWorld();
		const under = await start({ leaseTtlMs: 1_500 }, world);
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		const row = under.assign(id, under.publish(yamlFile('a: 1')));
		await under.dispatch([id]);
		const { remoteConfig } = await agent.socket.next();

		let refusedFlushes = 0;
		world.fail = (operation) => {
			if (operation === 'flushReports') refusedFlushes += 1;
			return away();
		};
		await agent.say({ report: status(remoteConfig?.configHash ?? new Uint8Array(), 'applying') });
		await agent.say({ report: status(remoteConfig?.configHash ?? new Uint8Array()) });
		await agent.say({ report: { health: health(false) } });
		await agent.say({ report: { health: health(true) } });
		await expect.poll(() => refusedFlushes).toBeGreaterThan(1);
		await expect(TestSocket.open(under.url)).rejects.toMatchObject({ status: 503 });
		expect((await new TestPoller(under.httpUrl).hello()).status).toBe(503);
		expect((await under.health.failingChecks()).map(({ name }) => name)).toEqual(['gateway-postgres']);

		world.fail = () => undefined;
		await under.until(() => row.answer === 'applied' && under.agentOf(agent.uid)?.healthFlips === 2);
		expect(under.agentOf(agent.uid)?.healthy).toBe(true);
		await expect.poll(() => under.health.failingChecks()).toEqual([]);
		await hello(under);
	});

	test('an agent that came just then is told to come back, and its socket is closed', async () => {
		const world = createGatewayWorld();
		const under = await start({}, world);
		world.fail = (operation) => (operation === 'connectAgents' ? away() : undefined);
		const agent = await connectAgent(under.url);
		expect((await agent.hello()).error).toMatchObject({ type: 'unavailable' });
		expect(await agent.socket.closed).toMatchObject({ code: 1013 });
	});

	test('a gateway that starts before its database waits for it', async () => {
		const world = createGatewayWorld();
		world.fail = away;
		const under = await start({}, world);
		await expect(TestSocket.open(under.url)).rejects.toMatchObject({ status: 503 });
		world.fail = () => undefined;
		await under.until(() => under.state.gateways.has(under.name));
		await expect.poll(() => under.health.failingChecks()).toEqual([]);
		await hello(under);
	});
});

describe('what was written is not known', () => {
	test('a flush whose acknowledgement was lost is repeated, and counts once', async () => {
		const world = createGatewayWorld();
		const under = await start({ leaseTtlMs: 600 }, world);
		const agent = await hello(under);
		await under.until(() => under.agentOf(agent.uid)?.healthy === true);
		let lost = 0;
		const { gateway: store } = world.store;
		const flush = store.flushReports.bind(store);
		store.flushReports = async (lease, reports) => {
			const result = await flush(lease, reports);
			if (lost++ === 0) throw away();
			return result;
		};
		await agent.say({ report: { health: health(false) } });
		await under.until(() => lost > 1);
		expect(under.agentOf(agent.uid)?.healthFlips).toBe(1);
	});

	test('a report the database cannot take is given up alone', async () => {
		const world = createGatewayWorld();
		const under = await start({}, world);
		const agents = await Promise.all([hello(under), hello(under), hello(under)]);
		await under.until(() => agents.every(({ uid }) => under.agentOf(uid)?.healthy === true));
		const [, poisoned] = agents;
		const bad = poisoned && under.idOf(poisoned.uid);
		const { gateway: store } = world.store;
		const flush = store.flushReports.bind(store);
		store.flushReports = async (lease, reports) => {
			if (reports.some(({ agentId }) => agentId === bad)) throw new Error('cannot be stored');
			return flush(lease, reports);
		};
		await Promise.all(agents.map((agent) => agent.say({ report: { health: health(false) } })));
		await under.until(() => agents.filter(({ uid }) => under.agentOf(uid)?.healthy === false).length === 2);
		await expect.poll(() => under.lines.some(({ msg }) => msg.includes('given up'))).toBe(true);
		expect(poisoned && under.agentOf(poisoned.uid)?.healthy).toBe(true);
	});
});

describe('the gateway row', () => {
	test('a row that lapsed is replaced, the sessions are taken over, and those that are elsewhere by now are closed', async () => {
		const world = createGatewayWorld();
		const under = await start({ leaseTtlMs: 1_500 }, world);
		const [kept, moved] = [await hello(under), await hello(under)];
		const before = under.state.gateways.get(under.name);
		const incarnation = before?.incarnation ?? 0;
		if (before) before.expiresAtMs = 0;
		for (const { uid } of [kept, moved]) {
			const record = under.agentOf(uid);
			if (record) under.state.disconnect(record, 'gateway-lost');
		}
		const elsewhere = under.agentOf(moved.uid);
		if (elsewhere) elsewhere.sessionEpoch += 1;
		expect(await moved.socket.closed).toMatchObject({ code: 1000 });
		expect(under.state.gateways.get(under.name)?.incarnation).toBeGreaterThan(incarnation);
		expect(under.agentOf(kept.uid)).toMatchObject({ gateway: under.name, disconnectReason: null });
		expect((await kept.say()).extraFields).toBe(0);
	});
});

describe('the ownership directory', () => {
	test('when it was emptied all sessions are claimed again (D5)', async () => {
		const under = await start({ leaseTtlMs: 600 });
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		under.directory.flush();
		await expect.poll(async () => (await under.directory.lookupOwners([id])).get(id)?.gateway).toBe(under.name);
		expect((await agent.say()).extraFields).toBe(0);
	});

	test('while it is away agents connect all the same, and are claimed when it is back', async () => {
		const under = await start({ leaseTtlMs: 600 });
		under.directory.setAway(true);
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		under.assign(id, under.publish(yamlFile('a: 1')));
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['offered'] });
		under.directory.setAway(false);
		await expect.poll(async () => (await under.directory.lookupOwners([id])).get(id)?.gateway).toBe(under.name);
	});

	test('the end of an old session leaves a newer claim alone (D4)', async () => {
		const under = await start();
		const agent = await hello(under);
		const id = under.idOf(agent.uid);
		const [mine] = (await under.directory.lookupOwners([id])).values();
		const newer = { agentId: id, gateway: 'gw-9' as typeof under.name, sessionEpoch: (mine?.sessionEpoch ?? 0) + 1 };
		await under.directory.claimAgents([newer]);
		await agent.socket.close();
		await under.until(() => under.agentOf(agent.uid)?.disconnectReason === 'lost');
		await under.gateway.drain();
		expect((await under.directory.lookupOwners([id])).get(id)).toEqual(newer);
	});
});
