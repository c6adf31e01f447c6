import type { GatewayId } from '@ampora/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters, newUid, Stage, type Stores } from './stage.js';

describe.each(adapters)('session holders on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const gateway = async () => (await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000)).lease;

	test('names the live gateway of each open session, and begins none', async () => {
		const lease = await gateway();
		const { instanceUid, agentId } = await stage.connectOne(lease);
		expect(await stores.gateway.sessionHolders([newUid(), instanceUid])).toEqual([null, lease.gateway]);
		expect((await stores.world.agent(agentId)).sessionEpoch).toBe(1);
	});

	test('nobody holds a session that ended, or whose gateway expired or drains', async () => {
		const [ended, expired, draining] = [await gateway(), await gateway(), await gateway()];
		const agents = [await stage.connectOne(ended), await stage.connectOne(expired), await stage.connectOne(draining)];
		await stage.flush(agents.slice(0, 1), () => ({ disconnected: 'goodbye' }), ended);
		await stores.world.expireGateway(expired.gateway);
		await stores.gateway.drainGateway(draining);
		const uids = agents.map(({ instanceUid }) => instanceUid);
		expect(await stores.gateway.sessionHolders(uids)).toEqual([null, null, null]);
	});
});
