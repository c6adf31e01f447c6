// The comparison on release is there: without it a late clean-up takes out a newer claim (D4). On both adapters.
import {
	createMemoryDirectory,
	createRedisDirectory,
	type OwnershipClaim,
	type OwnershipDirectory,
} from '@ampora/dispatch';
import { type AgentId, type GatewayId, newId } from '@ampora/runtime';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { testRedisUrl, uniquePrefix } from '../support/databases.js';

const check = vi.hoisted(() => ({ leftOut: false }));

vi.mock('../../packages/dispatch/src/gen/lua.js', async (original) => {
	const scripts = await original<{ releaseAgents: string }>();
	const comparison = "redis.call('GET', key) == ARGV[i]";
	if (!scripts.releaseAgents.includes(comparison)) throw new Error('the script compares in another way');
	return {
		...scripts,
		get releaseAgents() {
			return check.leftOut ? scripts.releaseAgents.replace(comparison, 'true') : scripts.releaseAgents;
		},
	};
});

const openMemory = (flawed: boolean) => createMemoryDirectory({ ignoreReleaseEpoch: flawed });
const openRedis = (flawed: boolean) => {
	check.leftOut = flawed;
	return createRedisDirectory({ url: testRedisUrl(), prefix: uniquePrefix(), onError: () => {} });
};

/** A session moved on, and its former gateway cleans up late. */
async function newerClaimIsLost(directory: OwnershipDirectory): Promise<boolean> {
	const agentId = newId<AgentId>();
	const old: OwnershipClaim = { agentId, gateway: 'gw-1' as GatewayId, sessionEpoch: 1 };
	await directory.claimAgents([old]);
	await directory.claimAgents([{ agentId, gateway: 'gw-2' as GatewayId, sessionEpoch: 2 }]);
	await directory.releaseAgents([old]);
	return !(await directory.lookupOwners([agentId])).has(agentId);
}

describe.each([
	['memory', openMemory],
	['redis', openRedis],
] as const)('the epoch of a release: %s', (_, open) => {
	let directory: OwnershipDirectory | undefined;
	afterEach(() => directory?.close());

	test('is compared', async () => {
		directory = open(false);
		expect(await newerClaimIsLost(directory)).toBe(false);
	});

	test('is missed', async () => {
		directory = open(true);
		expect(await newerClaimIsLost(directory)).toBe(true);
	});
});
