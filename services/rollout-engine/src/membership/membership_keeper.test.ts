import { type GatewayId, type GroupId, newId, systemClock } from '@ampora/runtime';
import type { LeaderLease } from '@ampora/store';
import { createMemoryStore, memoryWorld } from '@ampora/store/testing';
import { afterEach, expect, test } from 'vitest';
import { MembershipKeeper } from './membership_keeper.js';

const running: MembershipKeeper[] = [];
afterEach(() => Promise.all(running.splice(0).map((keeper) => keeper.stop())));

/** A keeper over two groups and some agents that said `env`; `fails` names a move of the store that fails once. */
async function keeping(envs: readonly string[]) {
	let fails: string | null = null;
	const store = createMemoryStore(systemClock, {
		faults: {
			before(operation) {
				if (operation !== fails) return;
				fails = null;
				throw new Error('away for a moment');
			},
		},
	});
	const world = memoryWorld(store.state);
	const { lease } = await store.gateway.renewGateway('gw' as GatewayId, null, 60_000);
	const requests = envs.map(() => ({ instanceUid: newId<string & GroupId>(), transport: 'websocket' as const }));
	const agents = await store.gateway.connectAgents(lease, requests);
	let factSeq = 0;
	const say = (index: number, attributes: Record<string, unknown>) => {
		factSeq += 1;
		const { agentId = undefined, sessionEpoch = 0 } = agents[index] ?? {};
		if (agentId === undefined) throw new Error('there is no such agent');
		const description = {
			...{ identifying: {}, nonIdentifying: attributes },
			...{ agentType: 'a', agentVersion: '1.0.0', hostname: null },
		};
		return store.gateway.flushReports(lease, [{ agentId, sessionEpoch, factSeq, sequenceNum: factSeq, description }]);
	};
	for (const [index, env] of envs.entries()) await say(index, { env });
	const [prod, typed] = [await world.createGroup(), await world.createGroup()];
	await world.setSelector(prod, 'agent.attributes.env == "prod"', 5);
	await world.setSelector(typed, 'agent.type == "a"', 1);
	const leader = await store.engine.takeLease('membership', 'one', 60_000);
	const counts = { change: 0, sweep: 0, failed: 0, lost: 0 };
	const keeper = new MembershipKeeper({
		store: store.selectors,
		leases: {
			current: () => leader,
			lost() {
				counts.lost += 1;
			},
		},
		clock: systemClock,
		events: {
			looked(cause, evaluations) {
				counts[cause] += evaluations;
			},
			storeFailed() {
				counts.failed += 1;
			},
		},
	});
	running.push(keeper);
	return {
		...{ store, world, prod, typed, say, counts, keeper, leader: leader as LeaderLease },
		fail: (operation: string) => {
			fails = operation;
		},
		groupOf: (index: number) => store.state.agents.get(agents[index]?.agentId ?? ('' as never))?.groupId,
		settled: () =>
			expect
				.poll(
					() => store.state.selectorWork.size + [...store.state.groups.values()].filter(({ sweep }) => sweep).length,
					{
						timeout: 10_000,
					},
				)
				.toBe(0),
	};
}

test('agents are placed, and one changed attribute evaluates only the selectors that read it', async () => {
	const { keeper, counts, prod, typed, say, groupOf, settled } = await keeping(['prod', 'test', 'prod']);
	keeper.start();
	await settled();
	expect([0, 1, 2].map(groupOf)).toEqual([prod, typed, prod]);
	// Each agent by each selector when it was first seen, and by each selector once more since both were new.
	expect(counts).toEqual({ change: 6, sweep: 6, failed: 0, lost: 0 });
	await say(0, { env: 'test' });
	await settled();
	expect(groupOf(0)).toBe(typed);
	expect(counts.change).toBe(7);
	await say(0, { env: 'test', unread: 1 });
	await settled();
	expect(counts.change).toBe(7);
});

test.each(['writeSelection', 'selectorWork', 'subjects', 'dynamicGroups', 'describedAgents'])(
	'what %s could not do is done again',
	async (operation) => {
		const { keeper, counts, prod, groupOf, settled, fail } = await keeping(['prod']);
		fail(operation);
		keeper.start();
		await settled();
		expect(groupOf(0)).toBe(prod);
		expect(counts).toMatchObject({ change: 2, failed: 1 });
	},
);

test('who does not lead any more moves nobody', async () => {
	const { keeper, store, world, counts, groupOf, prod } = await keeping(['prod']);
	await world.expireLease('membership');
	await store.engine.takeLease('membership', 'two', 60_000);
	keeper.start();
	await expect.poll(() => counts.lost, { timeout: 10_000 }).toBeGreaterThan(0);
	expect(groupOf(0)).not.toBe(prod);
	expect(store.state.selectorWork.size).toBe(1);
});
