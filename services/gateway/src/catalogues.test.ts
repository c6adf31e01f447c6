import type { GatewayId } from '@ampora/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { hashOf } from './testing/a_session.js';
import {
	connectAgent,
	createGatewayWorld,
	fullCapabilities,
	fullReport,
	type GatewayUnderTest,
	startGatewayUnderTest,
	TestPoller,
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

const reportsComponents = fullCapabilities | 0x4000n;
const hash = hashOf('a set of components');
const available = (...receivers: string[]) => ({
	availableComponents: {
		hash,
		components: new Map([
			[
				'receivers',
				{ metadata: [], components: new Map(receivers.map((type) => [type, { metadata: [], components: new Map() }])) },
			],
			['packages', { metadata: [], components: new Map([['x', { metadata: [], components: new Map() }]]) }],
		]),
	},
});
const onlyHash = { availableComponents: { hash, components: new Map() } };
const kept = (under: GatewayUnderTest) => [...under.state.catalogues.values()].map(({ components }) => components);

async function agentWith(under: GatewayUnderTest, capabilities = reportsComponents) {
	const agent = await connectAgent(under.url, undefined, capabilities);
	await agent.say({ report: { ...fullReport(), ...onlyHash } });
	return agent;
}

describe('component catalogues', () => {
	test('of agents that name one hash, on two gateways, one is asked, and what it says counts for all', async () => {
		const world = createGatewayWorld();
		let asks = 0;
		world.onStore = (operation) => {
			if (operation === 'claimCatalogues') asks += 1;
		};
		const first = await start({}, world);
		const second = await start({ gateway: 'gw-2' as GatewayId }, world);
		const agent = await agentWith(first);
		expect(await agent.socket.next()).toMatchObject({ reportAvailableComponents: true });
		const other = await agentWith(second);
		await world.until(() => asks >= 2);
		expect(other.socket.received).toEqual([]);
		await agent.say({ report: available('otlp', 'kafka', 'not a type') });
		await world.until(() => kept(first)[0] !== null);
		expect(kept(second)).toEqual([
			{ receivers: ['kafka', 'otlp'], processors: [], exporters: [], connectors: [], extensions: [] },
		]);
		const late = await agentWith(second);
		await world.until(() => asks >= 3);
		expect(late.socket.received).toEqual([]);
		expect(other.socket.received).toEqual([]);
	});

	test('when the agent that was asked goes away, another one is', async () => {
		const under = await start();
		const agent = await agentWith(under);
		expect(await agent.socket.next()).toMatchObject({ reportAvailableComponents: true });
		await agent.socket.close();
		await under.until(() => under.agentOf(agent.uid)?.gateway === null);
		const other = await agentWith(under);
		expect(await other.socket.next()).toMatchObject({ reportAvailableComponents: true });
	});

	test('an agent that polls is asked with an answer', async () => {
		const under = await start();
		const poller = new TestPoller(under.httpUrl, undefined, reportsComponents);
		await poller.say({ report: { ...fullReport(), ...onlyHash } });
		await under.until(() => under.state.catalogues.size === 1);
		const answer = await poller.say();
		expect(answer.message).toMatchObject({ reportAvailableComponents: true });
		expect((await poller.say({ report: available('otlp') })).message?.reportAvailableComponents).not.toBe(true);
		await under.until(() => kept(under)[0] !== null);
	});

	test('an agent that never said it reports them is not asked, and one that tells unasked is believed', async () => {
		const under = await start();
		const silent = await agentWith(under, fullCapabilities);
		const agent = await connectAgent(under.url, undefined, reportsComponents);
		await agent.say({ report: { ...fullReport(), ...available('otlp') } });
		await under.until(() => kept(under).length === 1);
		expect(silent.socket.received).toEqual([]);
		expect(kept(under)[0]).toMatchObject({ receivers: ['otlp'] });
	});

	test('what is no set of components is kept as one that says nothing, and nobody is asked again', async () => {
		const under = await start();
		const agent = await connectAgent(under.url, undefined, reportsComponents);
		const flood = Array.from({ length: 5_001 }, (_, n) => `type_${n}`);
		await agent.say({ report: { ...fullReport(), ...available(...flood) } });
		await under.until(() => kept(under).length === 1);
		expect(kept(under)).toEqual([{}]);
	});
});
