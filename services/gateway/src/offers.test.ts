import type { VersionId } from '@ampora/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import {
	connectAgent,
	createGatewayWorld,
	fullReport,
	type GatewayUnderTest,
	skewedClock,
	startGatewayUnderTest,
	status,
	type TestAgent,
	TestPoller,
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

async function offered(under: GatewayUnderTest, agent: TestAgent, text: string) {
	const id = under.idOf(agent.uid);
	const row = under.assign(id, under.publish(yamlFile(text)));
	await under.dispatch([id]);
	const { remoteConfig } = await agent.socket.next();
	return { row, hash: remoteConfig?.configHash ?? new Uint8Array() };
}

describe('an agent that goes back', () => {
	test('by itself, after FAILED, is not offered the same again', async () => {
		const under = await start();
		const agent = await hello(under);
		const first = await offered(under, agent, 'a: 1');
		await agent.say({ report: status(first.hash) });
		const second = await offered(under, agent, 'a: 2');
		await agent.say({ report: status(second.hash, 'applying') });
		await agent.say({ report: status(second.hash, 'failed', 'crashed') });
		expect((await agent.say({ report: status(first.hash) })).extraFields).toBe(0);
		await under.until(() => second.row.answer === 'failed');
		await agent.socket.close();
		const again = await connectAgent(under.url, agent.uid);
		expect((await again.say({ report: { ...fullReport(), ...status(first.hash) } })).remoteConfig).toBe(undefined);
	});

	test('from a version it had acknowledged has reverted', async () => {
		const under = await start();
		const agent = await hello(under);
		const first = await offered(under, agent, 'a: 1');
		await agent.say({ report: status(first.hash) });
		const second = await offered(under, agent, 'a: 2');
		await agent.say({ report: status(second.hash) });
		expect((await agent.say({ report: status(first.hash) })).remoteConfig).toBe(undefined);
		await under.until(() => second.row.answer === 'reverted');
	});

	test('because it lost its state is offered it again', async () => {
		const under = await start();
		const agent = await hello(under);
		const { row, hash } = await offered(under, agent, 'a: 1');
		await agent.say({ report: status(hash) });
		await under.until(() => row.answer === 'applied');
		const { remoteConfig } = await agent.say({ sequenceNum: 0n, report: fullReport() });
		expect(remoteConfig?.configHash).toEqual(row.offeredHash);
	});
});

test('an offer whose permission ran out on the way to the socket is asked for anew, and sent', async () => {
	const clock = skewedClock();
	const world = createGatewayWorld();
	const under = await start({ healIntervalMs: 60_000 }, world, clock);
	const agent = await hello(under);
	const id = under.idOf(agent.uid);
	let claims = 0;
	world.onStore = (operation) => {
		if (operation !== 'claimOffers') return;
		claims += 1;
		if (claims === 1) clock.advance(1_500);
	};
	under.assign(id, under.publish(yamlFile('a: 1')));
	expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['queue-full'] });
	expect((await agent.socket.next()).remoteConfig).toBeDefined();
	expect(claims).toBe(2);
});

describe('an agent that never says what it runs', () => {
	const statusless = 0x7n;

	test('is offered the same version again for a row that is new, and only once', async () => {
		const under = await start();
		const agent = await connectAgent(under.url, undefined, statusless);
		await agent.hello();
		const { row } = await offered(under, agent, 'a: 1');
		const id = under.idOf(agent.uid);
		const next = under.assign(id, row.versionId as VersionId);
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['offered'] });
		expect((await agent.socket.next()).remoteConfig?.configHash).toEqual(row.offeredHash);
		expect(next.answer).toBe('offered');
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['nothing-to-offer'] });
	});

	test('and polls is offered it with its next poll', async () => {
		const under = await start();
		const poller = new TestPoller(under.httpUrl, undefined, statusless);
		await poller.hello();
		const id = under.idOf(poller.uid);
		const row = under.assign(id, under.publish(yamlFile('a: 1')));
		await under.dispatch([id]);
		const carries = async () => (await poller.say()).message?.remoteConfig !== undefined;
		expect([await carries(), await carries()]).toEqual([true, false]);
		under.assign(id, row.versionId as VersionId);
		await under.dispatch([id]);
		expect([await carries(), await carries()]).toEqual([true, false]);
	});
});

describe('an agent that does not answer', () => {
	test('the demand for its full state is offered what is due after 10 s', async () => {
		const clock = skewedClock();
		const under = await start({}, createGatewayWorld(), clock);
		const agent = await connectAgent(under.url);
		expect((await agent.say({ sequenceNum: 7n })).reportFullState).toBe(true);
		const id = under.idOf(agent.uid);
		under.assign(id, under.publish(yamlFile('a: 1')));
		expect(await under.dispatch([id])).toEqual({ kind: 'answered', outcomes: ['nothing-to-offer'] });
		clock.advance(10_000);
		expect((await agent.socket.next()).remoteConfig).toBeDefined();
	});

	test('an offer with a poll is offered it again after 30 s, and then after longer', async () => {
		const clock = skewedClock();
		const under = await start({}, createGatewayWorld(), clock);
		const poller = new TestPoller(under.httpUrl);
		await poller.hello();
		const id = under.idOf(poller.uid);
		under.assign(id, under.publish(yamlFile('a: 1')));
		await under.dispatch([id]);
		const carries = async () => (await poller.say()).message?.remoteConfig !== undefined;
		expect(await carries()).toBe(true);
		expect(await carries()).toBe(false);
		clock.advance(30_000);
		expect(await carries()).toBe(true);
		clock.advance(30_000);
		expect(await carries()).toBe(false);
		clock.advance(30_000);
		expect(await carries()).toBe(true);
	});
});

test('of two changes in a row the agent gets the latest last, and never an older one after it (D3)', async () => {
	const under = await start();
	const agent = await hello(under);
	const id = under.idOf(agent.uid);
	const version = [under.publish(yamlFile('a: 1')), under.publish(yamlFile('a: 2'))] as const;
	const seen: Uint8Array[] = [];
	let row = under.assign(id, version[0]);
	const dispatches = [under.dispatch([id])];
	row = under.assign(id, version[1]);
	dispatches.push(under.dispatch([id]));
	await Promise.all(dispatches);
	agent.send();
	for (let last = false; !last; ) {
		const { remoteConfig } = await agent.socket.next();
		last = remoteConfig === undefined;
		if (remoteConfig) seen.push(remoteConfig.configHash);
	}
	expect(seen.at(-1)).toEqual(row.offeredHash);
	expect(new Set(seen.map((hash) => Buffer.from(hash).toString('hex'))).size).toBe(seen.length);
});
