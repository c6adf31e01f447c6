// Agents that come back under another uid, where attributes identify them, as they see it themselves.
import type { GatewayId } from '@ampora/runtime';
import { StoreUnavailable } from '@ampora/store';
import { afterEach, expect, test } from 'vitest';
import {
	connectAgent,
	fullReport,
	type GatewayUnderTest,
	type GatewayWorld,
	startGatewayUnderTest,
	status,
	TestPoller,
	yamlFile,
} from './testing/index.js';

const running: GatewayUnderTest[] = [];
async function start(name = 'gw-1', world?: GatewayWorld): Promise<GatewayUnderTest> {
	const under = await startGatewayUnderTest({ healIntervalMs: 20, gateway: name as GatewayId }, world);
	under.state.identityAttributes = ['service.name', 'host.name'];
	running.push(under);
	return under;
}
afterEach(async () => {
	for (const under of running.splice(0)) await under.stop();
});

async function hello(under: GatewayUnderTest) {
	const agent = await connectAgent(under.url);
	await agent.hello();
	await under.until(() => under.agentOf(agent.uid)?.identity != null);
	return agent;
}

test('its first message is answered as that of the agent it was, with what that one is to run', async () => {
	const under = await start();
	const old = await hello(under);
	const id = under.idOf(old.uid);
	const row = under.assign(id, under.publish(yamlFile('a: 1')));
	await under.dispatch([id]);
	const offer = await old.socket.next();
	await old.say({ report: status(offer.remoteConfig?.configHash ?? new Uint8Array(), 'applied') });
	await under.until(() => row.answer === 'applied');
	await old.socket.close();
	await under.until(() => under.state.agents.get(id)?.disconnectReason === 'lost');

	const again = await connectAgent(under.url);
	// The new process has nothing yet: it is given what the agent runs, under its new name.
	expect(await again.hello()).toMatchObject({
		instanceUid: again.uid,
		remoteConfig: { configHash: offer.remoteConfig?.configHash },
	});
	expect(under.idOf(again.uid)).toBe(id);
	expect(under.state.assignments.get(id)).toMatchObject({ seq: 1, answer: 'applied' });
	expect(under.gateway.sessions).toBe(1);
	expect(under.lines.find(({ msg }) => msg.includes('another uid'))).toMatchObject({ former_uid: old.uid });
});

test('one that comes while the other is there is another one; it is told to come again once that has gone', async () => {
	const under = await start();
	const elsewhere = await start('gw-2', under.world);
	const old = await hello(under);
	const id = under.idOf(old.uid);
	const early = await hello(elsewhere);
	expect(elsewhere.idOf(early.uid)).not.toBe(id);
	expect(elsewhere.lines.find(({ level }) => level === 'warn')).toMatchObject({ other_agent_id: id });
	await old.socket.close();
	expect(await early.socket.closed).toMatchObject({ code: 1012 });
	const again = await connectAgent(elsewhere.url, early.uid);
	await again.hello();
	expect(elsewhere.idOf(early.uid)).toBe(id);
	expect(under.state.agents.size).toBe(1);
});

test('it is told so as well when the gateway did not hear that it has its place', async () => {
	const under = await start();
	const old = await hello(under);
	const id = under.idOf(old.uid);
	const early = await hello(under);
	let lost = false;
	under.world.onStore = async (operation) => {
		const gone = under.state.agents.get(id)?.disconnectReason === 'lost';
		if (operation !== 'settleIdentities' || !gone || lost) return;
		lost = true;
		const gateway = 'gw-1' as GatewayId;
		const lease = { gateway, incarnation: under.state.gateways.get(gateway)?.incarnation ?? 0, ttlMs: 10_000 };
		expect(await under.world.store.gateway.settleIdentities(lease)).toHaveLength(1);
		throw new StoreUnavailable('away', 'the acknowledgement was lost');
	};
	await old.socket.close();
	await early.socket.closed;
	const again = await connectAgent(under.url, early.uid);
	await again.hello();
	expect(under.idOf(early.uid)).toBe(id);
});

test('one that says who it is in its second message is told to come again as well', async () => {
	const under = await start();
	const old = await hello(under);
	const id = under.idOf(old.uid);
	await old.socket.close();
	await under.until(() => under.state.agents.get(id)?.disconnectReason === 'lost');
	const late = await connectAgent(under.url);
	expect(await late.say()).toMatchObject({ reportFullState: true });
	expect(under.idOf(late.uid)).not.toBe(id);
	late.send({ report: fullReport() });
	await late.socket.closed;
	const again = await connectAgent(under.url, late.uid);
	await again.say();
	expect(under.idOf(late.uid)).toBe(id);
});

test('a poller that said goodbye is found under its next uid', async () => {
	const under = await start();
	const old = new TestPoller(under.httpUrl);
	await old.hello();
	const id = under.idOf(old.uid);
	await under.until(() => under.agentOf(old.uid)?.identity != null);
	await old.say({ disconnect: true });
	await under.until(() => under.state.agents.get(id)?.disconnectReason === 'goodbye');
	const again = new TestPoller(under.httpUrl);
	expect((await again.hello()).message).toMatchObject({ instanceUid: again.uid });
	expect(under.idOf(again.uid)).toBe(id);
});
