import type { ConnectedAgent } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const components = { receivers: ['otlp'], exporters: ['debug'] };

describe.each(adapters)('component catalogues on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	/** Agents that say this of themselves. */
	async function agents(count: number, hash: Uint8Array, agentVersion = '1'): Promise<readonly ConnectedAgent[]> {
		const connected = await stage.connect(count);
		await describeAs(connected, hash, agentVersion);
		return connected;
	}
	const describeAs = (connected: readonly ConnectedAgent[], componentsHash: Uint8Array, agentVersion = '1') =>
		stage.flush(connected, () => ({
			componentsHash,
			description: { identifying: {}, nonIdentifying: {}, agentType: 'collector', agentVersion, hostname: null },
		}));
	const freshHash = () => Uint8Array.from(Buffer.from(newUid()));
	const claims = async (connected: readonly ConnectedAgent[]) =>
		(await stores.gateway.claimCatalogues(connected)).map(({ claim }) => claim).sort();

	test('one of all agents that share a catalogue is asked for it, and then it is known', async () => {
		const hash = freshHash();
		const all = await agents(4, hash);
		const rounds = await Promise.all([claims(all.slice(0, 2)), claims(all.slice(2))]);
		expect(rounds.flat().sort()).toEqual(['ask', 'wait', 'wait', 'wait']);
		expect(await claims(all)).toEqual(['wait', 'wait', 'wait', 'wait']);
		const [first] = all;
		if (!first) throw new Error('nobody connected');
		await stores.gateway.saveCatalogue(first, hash, components);
		expect(await claims(all)).toEqual(['known', 'known', 'known', 'known']);
		expect(await claims(await agents(1, hash))).toEqual(['known']);
	});

	test('the same hash of another version is another catalogue', async () => {
		const hash = freshHash();
		expect(await claims(await agents(1, hash, '1'))).toEqual(['ask']);
		expect(await claims(await agents(1, hash, '2'))).toEqual(['ask']);
	});

	test('when the session that was asked ends, the next one is', async () => {
		const hash = freshHash();
		const [first, second] = await agents(2, hash);
		if (!first || !second) throw new Error('two were to connect');
		expect(await claims([first])).toEqual(['ask']);
		expect(await claims([second])).toEqual(['wait']);
		await stage.flush([first], () => ({ disconnected: 'lost' }));
		expect(await claims([second])).toEqual(['ask']);
	});

	test('an agent that does not answer is asked again, and again later', async () => {
		const minuteMs = 60_000;
		const mute = await agents(1, freshHash());
		expect(await claims(mute)).toEqual(['ask']);
		await stores.world.ageCatalogueAsks(1.9 * minuteMs);
		expect(await claims(mute)).toEqual(['wait']);
		await stores.world.ageCatalogueAsks(0.2 * minuteMs);
		expect(await claims(mute)).toEqual(['ask']);
		await stores.world.ageCatalogueAsks(3.9 * minuteMs);
		expect(await claims(mute)).toEqual(['wait']);
		await stores.world.ageCatalogueAsks(0.2 * minuteMs);
		expect(await claims(mute)).toEqual(['ask']);
	});

	test('an agent that comes back in a new session may be asked again', async () => {
		const hash = freshHash();
		const [agent] = await agents(1, hash);
		if (!agent) throw new Error('nobody connected');
		expect(await claims([agent])).toEqual(['ask']);
		const transport = 'websocket';
		const again = await stores.gateway.connectAgents(stage.lease, [{ instanceUid: agent.instanceUid, transport }]);
		expect(again).toMatchObject([{ componentsHash: hash }]);
		expect(await claims([agent])).toEqual([]);
		expect(await claims(again)).toEqual(['ask']);
	});

	test('agents without a hash are not looked at, and what was said of another hash is not kept', async () => {
		expect(await claims(await stage.connect(1))).toEqual([]);
		const [agent] = await agents(1, freshHash());
		if (!agent) throw new Error('nobody connected');
		await stores.gateway.saveCatalogue(agent, freshHash(), components);
		expect(await claims([agent])).toEqual(['ask']);
	});

	test('when there is no more room, what no agent names any more makes some', async () => {
		const known = await agents(1, freshHash());
		const [first] = known;
		if (!first) throw new Error('nobody connected');
		const hash = freshHash();
		await describeAs(known, hash);
		await stores.gateway.saveCatalogue(first, hash, components);
		await stores.world.fillCatalogues();
		const late = await agents(1, freshHash());
		expect(await claims(late)).toEqual(['wait']);
		expect(await claims(late)).toEqual(['ask']);
		expect(await claims(known)).toEqual(['known']);
	});

	test('an unasked one is kept too, and the first stays', async () => {
		const hash = freshHash();
		const [first, second] = await agents(2, hash);
		if (!first || !second) throw new Error('two were to connect');
		await stores.gateway.saveCatalogue(first, hash, components);
		await stores.gateway.saveCatalogue(second, hash, { receivers: ['other'] });
		expect(await claims([first, second])).toEqual(['known', 'known']);
	});
});
