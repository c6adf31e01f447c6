import { createHash } from 'node:crypto';
import { StoreUnavailable } from '@ampora/store';
import { expect, test } from 'vitest';
import { createGatewayWorld, enrollmentToken, skewedClock } from '../testing/index.js';
import { Enrollment } from './enrollment.js';

function enrollment(rememberedMax = 10) {
	const world = createGatewayWorld();
	const clock = skewedClock();
	let asked = 0;
	world.onStore = () => {
		asked += 1;
	};
	const deps = { store: world.store.gateway, clock, rememberedMax, mode: 'token' as const, storeAway: () => {} };
	return { world, clock, asked: () => asked, enrollment: new Enrollment(deps) };
}
const good = `Bearer ${enrollmentToken}`;

test('a verdict is believed for a few seconds, and asked for once at a time', async () => {
	const { enrollment: desk, asked, clock } = enrollment();
	const verdicts = await Promise.all(Array.from({ length: 20 }, () => desk.check(good)));
	expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(['accepted']));
	expect(asked()).toBe(1);
	await desk.check(good);
	expect(asked()).toBe(1);
	clock.advance(6_000);
	await desk.check(good);
	expect(asked()).toBe(2);
});

test('a revoked token is refused as soon as it is looked at again', async () => {
	const { enrollment: desk, world, clock } = enrollment();
	await desk.check(good);
	world.store.state.enrollmentTokens.delete(createHash('sha256').update(enrollmentToken).digest('hex'));
	clock.advance(6_000);
	expect((await desk.check(good)).kind).toBe('refused');
});

test('what is no bearer token never reaches the database', async () => {
	const { enrollment: desk, asked } = enrollment();
	for (const header of [undefined, '', 'Bearer', 'Basic YTpi', enrollmentToken])
		expect((await desk.check(header)).kind).toBe('refused');
	expect(asked()).toBe(0);
});

test('while the database is away known agents keep being heard, and nobody can be told of others', async () => {
	const { enrollment: desk, world, clock } = enrollment();
	await desk.check(good);
	clock.advance(6_000);
	world.fail = () => new StoreUnavailable('away', 'gone for a test');
	expect((await desk.check(good)).kind).toBe('accepted');
	expect((await desk.check('Bearer unheard-of')).kind).toBe('unknown');
});

test('tokens somebody makes up do not fill the memory', async () => {
	const { enrollment: desk, asked } = enrollment(2);
	for (let made = 0; made < 10; made++) await desk.check(`Bearer made-up-${made}`);
	await desk.check('Bearer made-up-0');
	expect(asked()).toBe(11);
});
