import type { AgentId } from '@ampora/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	cumulativeSize,
	inFlightCap,
	nextStep,
	orderMembers,
	rankHash,
	spread,
	stepCount,
	stepsAhead,
} from './cohorts.js';
import type { Member, Strategy } from './model.js';
import { defaultSpec } from './spec.js';

const percentage = (...percentages: number[]): Strategy => ({
	kind: 'percentage',
	percentages,
	advance: 'auto',
	dwellMs: 0,
});
const batch = (batchSize: number): Strategy => ({ kind: 'batch', batchSize, advance: 'auto', dwellMs: 0 });

const member = (key: string, hostname = key, lastSeenMs = 0): Member => ({
	key,
	hostname,
	lastSeenMs,
	facts: {
		agentId: key as AgentId,
		inGroup: true,
		session: 'live',
		sessionEpoch: 1,
		reports: { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true },
		healthy: true,
		healthFlips: 0,
		restarts: 0,
		provenVersion: null,
		quarantined: false,
		assignment: null,
	},
});

describe('sizes', () => {
	const sizes = (strategy: Strategy, eligible: number): number[] =>
		Array.from({ length: stepCount(strategy, eligible) }, (_, index) =>
			cumulativeSize(strategy, index, { eligible, planned: eligible }),
		);

	it.each([
		[100, [7, 93, 100], [7, 93, 100]],
		[101, [7, 50, 100], [8, 51, 101]],
		[3, [5, 25, 50, 100], [1, 1, 2, 3]],
		[1, [5, 25, 50, 100], [1, 0, 1, 1]],
		[20, [1, 100], [1, 20]],
	])('of %i agents in %j %% are %j: first up, later half up, last all', (eligible, percentages, expected) => {
		expect(sizes(percentage(...percentages), eligible)).toEqual(expected);
	});

	it('of batches reach everybody', () => {
		expect(sizes(batch(4), 10)).toEqual([4, 8, 10]);
		expect(sizes(batch(4), 1)).toEqual([1]);
	});

	it('drop the steps that add nobody', () => {
		const steps = stepsAhead(percentage(5, 25, 50, 100), null, { eligible: 3, planned: 3, placed: 0 });
		expect(steps.map(({ index, quota }) => [index, quota])).toEqual([
			[0, 1],
			[2, 1],
			[3, 1],
		]);
		expect(nextStep(percentage(5, 100), null, { eligible: 0, planned: 0, placed: 0 })).toBeNull();
	});

	it('partition the group, whatever the strategy', () => {
		const strategies = fc.oneof(
			fc.integer({ min: 1, max: 50 }).map(batch),
			fc
				.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 6 })
				.map((values) => percentage(...values.toSorted((a, b) => a - b), 100)),
		);
		fc.assert(
			fc.property(strategies, fc.integer({ min: 1, max: 3_000 }), (strategy, eligible) => {
				const steps = stepsAhead(strategy, null, { eligible, planned: eligible, placed: 0 });
				expect(steps.reduce((sum, { quota }) => sum + quota, 0)).toBe(eligible);
				expect(steps.every(({ quota }) => quota > 0)).toBe(true);
			}),
		);
	});
});

describe('order', () => {
	const members = Array.from({ length: 50 }, (_, index) => member(`agent-${index}`));
	const keys = (ordered: readonly Member[]): string[] => ordered.map(({ key }) => key);

	it('at random depends on the seed and the keys alone', () => {
		const once = keys(orderMembers(members, 'random', 'seed'));
		expect(keys(orderMembers(members.toReversed(), 'random', 'seed'))).toEqual(once);
		expect(keys(orderMembers(members, 'random', 'other'))).not.toEqual(once);
		// A smaller group keeps its order: the same canaries on every installation.
		const few = orderMembers(members.slice(0, 10), 'random', 'seed');
		expect(keys(few)).toEqual(once.filter((key) => keys(few).includes(key)));
	});

	it('is HMAC-SHA256 of the key under the seed', () => {
		expect(rankHash('seed', 'agent-0')).toMatch(/^[0-9a-f]{64}$/);
		expect(rankHash('key', 'The quick brown fox jumps over the lazy dog')).toBe(
			'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8',
		);
	});

	it('by hostname and by last seen breaks ties by id', () => {
		const trio = [member('b', 'host'), member('a', 'host'), member('c', 'abc', 5)];
		expect(keys(orderMembers(trio, 'hostname', ''))).toEqual(['c', 'a', 'b']);
		expect(keys(orderMembers(trio, 'last-seen', ''))).toEqual(['c', 'a', 'b']);
	});
});

it.each([
	[1, 1],
	[19, 1],
	[40, 2],
	[100_000, 1_000],
])('of %i agents at most %i are in flight by default', (eligible, cap) => {
	expect(inFlightCap(defaultSpec('s'), eligible)).toBe(cap);
});

describe('failure domains', () => {
	const inDomains = (sizes: readonly number[]): readonly Member[] =>
		orderMembers(
			sizes.flatMap((size, domain) =>
				Array.from({ length: size }, (_, index) => ({
					...member(`${domain}-${index}`),
					domain: domain === 0 ? null : `zone-${domain}`,
				})),
			),
			'random',
			'seed',
		);

	it('are each in every prefix with their share, rounded down or up, in their own order', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }), (sizes) => {
				const members = inDomains(sizes);
				const mixed = spread(members);
				expect(new Set(mixed)).toEqual(new Set(members));
				const taken = new Map<string | null, number>();
				for (const [index, { domain = null }] of mixed.entries()) {
					taken.set(domain, (taken.get(domain) ?? 0) + 1);
					for (const [number, size] of sizes.entries()) {
						const share = ((index + 1) * size) / members.length;
						const count = taken.get(number === 0 ? null : `zone-${number}`) ?? 0;
						expect(count).toBeGreaterThanOrEqual(Math.floor(share));
						expect(count).toBeLessThanOrEqual(Math.ceil(share));
					}
				}
				for (const number of sizes.keys()) {
					const domain = number === 0 ? null : `zone-${number}`;
					const own = (list: readonly Member[]) => list.filter((each) => each.domain === domain);
					expect(own(mixed)).toEqual(own(members));
				}
			}),
		);
	});

	it('of one agent each change nothing', () => {
		const members = inDomains([1, 1, 1, 1, 1]);
		expect(spread(members)).toEqual(members);
	});
});
