// What every OwnershipDirectory promises, on memory and on Redis.
import {
	createMemoryDirectory,
	createRedisDirectory,
	type OwnershipClaim,
	type OwnershipDirectory,
} from '@ampora/dispatch';
import { type AgentId, type GatewayId, newId } from '@ampora/runtime';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testRedisUrl, uniquePrefix } from '../support/databases.js';

interface Subject {
	readonly directory: OwnershipDirectory;
	/** Loses everything, as a flushed or restarted server does. */
	flush(): Promise<void>;
	close(): Promise<void>;
}

function memorySubject(): Subject {
	const directory = createMemoryDirectory();
	return { directory, flush: async () => directory.flush(), close: () => directory.close() };
}

function redisSubject(): Subject {
	const prefix = uniquePrefix();
	const directory = createRedisDirectory({ url: testRedisUrl(), prefix, onError: () => {} });
	const admin = new Redis(testRedisUrl());
	return {
		directory,
		async flush() {
			const keys = await admin.keys(`${prefix}:*`);
			if (keys.length > 0) await admin.del(keys);
		},
		async close() {
			await directory.close();
			admin.disconnect();
		},
	};
}

const gw1 = 'gw-1' as GatewayId;
const gw2 = 'gw|2' as GatewayId;
const claim = (agentId: AgentId, gateway: GatewayId, sessionEpoch: number): OwnershipClaim => ({
	agentId,
	gateway,
	sessionEpoch,
});

describe.each([
	['memory', memorySubject],
	['redis', redisSubject],
] as const)('ownership directory: %s', (_, open) => {
	let subject: Subject;
	beforeAll(() => {
		subject = open();
	});
	afterAll(() => subject.close());

	test('a first claim is acquired and found', async () => {
		const agent = newId<AgentId>();
		expect(await subject.directory.claimAgents([claim(agent, gw1, 1)])).toEqual([{ kind: 'acquired' }]);
		expect((await subject.directory.lookupOwners([agent])).get(agent)).toEqual(claim(agent, gw1, 1));
	});

	test('a newer session takes over and learns from whom', async () => {
		const agent = newId<AgentId>();
		await subject.directory.claimAgents([claim(agent, gw1, 1)]);
		expect(await subject.directory.claimAgents([claim(agent, gw2, 2)])).toEqual([
			{ kind: 'stolen', from: claim(agent, gw1, 1) },
		]);
		expect((await subject.directory.lookupOwners([agent])).get(agent)?.gateway).toBe(gw2);
	});

	test('D1: an older session does not take over, and learns to whom it lost', async () => {
		const agent = newId<AgentId>();
		await subject.directory.claimAgents([claim(agent, gw2, 10)]);
		expect(await subject.directory.claimAgents([claim(agent, gw1, 9)])).toEqual([
			{ kind: 'lost', to: claim(agent, gw2, 10) },
		]);
		expect((await subject.directory.lookupOwners([agent])).get(agent)).toEqual(claim(agent, gw2, 10));
	});

	test('claiming again is harmless', async () => {
		const agent = newId<AgentId>();
		await subject.directory.claimAgents([claim(agent, gw1, 3)]);
		expect(await subject.directory.claimAgents([claim(agent, gw1, 3), claim(agent, gw1, 4)])).toEqual([
			{ kind: 'acquired' },
			{ kind: 'acquired' },
		]);
	});

	test('D4: a late release of an old session leaves the newer claim', async () => {
		const agent = newId<AgentId>();
		await subject.directory.claimAgents([claim(agent, gw1, 1)]);
		await subject.directory.claimAgents([claim(agent, gw2, 2)]);
		await subject.directory.releaseAgents([claim(agent, gw1, 1)]);
		expect((await subject.directory.lookupOwners([agent])).get(agent)).toEqual(claim(agent, gw2, 2));
		await subject.directory.releaseAgents([claim(agent, gw2, 2)]);
		expect((await subject.directory.lookupOwners([agent])).size).toBe(0);
	});

	test('outcomes keep the order of the claims, over more than one script call', async () => {
		const agents = Array.from({ length: 2_300 }, () => newId<AgentId>());
		const taken = agents.filter((_, index) => index % 7 === 0);
		await subject.directory.claimAgents(taken.map((agent) => claim(agent, gw2, 5)));
		const outcomes = await subject.directory.claimAgents(agents.map((agent) => claim(agent, gw1, 4)));
		expect(outcomes.map((outcome) => outcome.kind)).toEqual(
			agents.map((_, index) => (index % 7 === 0 ? 'lost' : 'acquired')),
		);
		expect((await subject.directory.lookupOwners(agents)).size).toBe(2_300);
	});

	test('D5: after a flush the sentinel is missing once, and unknown is all that is said of owners', async () => {
		const agent = newId<AgentId>();
		await subject.directory.checkSentinel(gw1);
		expect(await subject.directory.checkSentinel(gw1)).toBe(true);
		await subject.directory.claimAgents([claim(agent, gw1, 1)]);
		await subject.flush();
		expect(await subject.directory.checkSentinel(gw1)).toBe(false);
		expect(await subject.directory.checkSentinel(gw1)).toBe(true);
		expect((await subject.directory.lookupOwners([agent])).size).toBe(0);
	});
});

test('a Redis that is away is a DirectoryUnavailable, in bounded time', async () => {
	const directory = createRedisDirectory({ url: 'redis://127.0.0.1:1', prefix: uniquePrefix(), onError: () => {} });
	await expect(directory.lookupOwners([newId<AgentId>()])).rejects.toMatchObject({ name: 'DirectoryUnavailable' });
	await directory.close();
});
