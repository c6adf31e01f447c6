import { expect, test } from 'vitest';
import { failuresOf } from './batch.js';
import kept from './seeds.json' with { type: 'json' };
import { runSeed } from './world/run.js';

test('seeds that once failed hold now', async () => {
	expect(kept.kept.length).toBeGreaterThan(0);
	expect(await failuresOf(kept.kept)).toEqual([]);
});

test.each([2, 10, 16, 68])('R3: seed %i happens in the same way every time', async (seed) => {
	const first = await runSeed(seed);
	const again = await runSeed(seed);
	expect(again.digest).toBe(first.digest);
	expect(again.events).toBe(first.events);
});

test('the seed of the environment', async () => {
	const seed = Number(process.env.SEED ?? 1);
	expect(await failuresOf([seed])).toEqual([]);
});
