import type { VersionId } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { hashOf } from '../testing/a_session.js';
import { createGatewayWorld, yamlFile } from '../testing/index.js';
import { VersionCache } from './versions.js';

test('a version is read once, also by many at a time, and the least recently used leave first', async () => {
	const world = createGatewayWorld();
	let reads = 0;
	world.onStore = () => {
		reads += 1;
	};
	const ids = ['a', 'b', 'c'] as VersionId[];
	const file = yamlFile('x'.repeat(100));
	for (const id of ids) world.store.state.versions.set(id, { files: [file], contentHash: hashOf(id) });
	const [a, b, c] = ids as [VersionId, VersionId, VersionId];
	// Room for two: each counts twice, for its files and for its encoded offer.
	const cache = new VersionCache(world.store.gateway, 400);
	await Promise.all([cache.get(a), cache.get(a), cache.get(b)]);
	expect(reads).toBe(2);
	await cache.get(a);
	await cache.get(c);
	await cache.get(a);
	expect(reads).toBe(3);
	await cache.get(b);
	expect(reads).toBe(4);
	expect(await cache.get('nobody' as VersionId)).toBe(null);
});

test('an offer is encoded once per hash', async () => {
	const world = createGatewayWorld();
	const id = 'a' as VersionId;
	world.store.state.versions.set(id, { files: [yamlFile('a: 1')], contentHash: hashOf('a') });
	const version = await new VersionCache(world.store.gateway, 1_000).get(id);
	expect(version?.offerOf(hashOf('1'))).toBe(version?.offerOf(hashOf('1')));
	expect(version?.offerOf(hashOf('2'))).not.toEqual(version?.offerOf(hashOf('1')));
});
