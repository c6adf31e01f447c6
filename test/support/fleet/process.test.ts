import { afterEach, beforeEach, expect, test } from 'vitest';
import { fleetUid } from './fleet.js';
import type { FleetEvent } from './ledger.js';
import { FleetProcess } from './process.js';
import { SmallServer } from './small_server.js';

const seed = 11;
let server: SmallServer;
let fleet: FleetProcess;

beforeEach(async () => {
	server = new SmallServer();
	fleet = await FleetProcess.start({ url: await server.start(), seed });
});

afterEach(async () => {
	await fleet.terminate();
	await server.stop();
});

test('a fleet in its own process does as it is told', async () => {
	expect(await fleet.add({ count: 20 })).toEqual({ from: 0, to: 20 });
	await fleet.add({ count: 1, asleep: true });
	await fleet.rules([{ agents: [0, 5], contains: 'broken', outcome: { kind: 'failed', error: 'no' } }]);
	const events: FleetEvent[] = [];
	await fleet.onEvent((event) => events.push(event));
	await fleet.launch(1000);
	await fleet.until(({ connected }) => connected === 20);

	const hash = server.offer('broken: 1');
	await fleet.until(({ reported }) => reported[hash]?.failed === 5 && reported[hash]?.applied === 15);
	const offers = await fleet.offers();
	expect(offers.map(({ agent }) => agent).sort((a, b) => a - b)).toEqual(
		Array.from({ length: 20 }, (_, index) => index),
	);
	expect(await fleet.offers(18)).toEqual(offers.slice(18));
	expect(await fleet.configs()).toEqual([{ hash, text: 'broken: 1' }]);
	expect(events.filter(({ type }) => type === 'offered')).toHaveLength(20);

	await fleet.wake([20]);
	await fleet.until(({ connected }) => connected === 21);
	await fleet.kill({ from: 0, to: 2 });
	await fleet.sleep([2]);
	await fleet.until(({ connected }) => connected === 18);
	await fleet.restart([3], 10);
	await fleet.until(({ connects, connected }) => connects === 22 && connected === 18);
	expect(
		(await fleet.agents([1, 4])).map(({ instanceUid, connected, running }) => ({ instanceUid, connected, running })),
	).toEqual([
		{ instanceUid: fleetUid(seed, 1), connected: false, running: null },
		{ instanceUid: fleetUid(seed, 4), connected: true, running: null },
	]);
	expect((await fleet.usage()).rssBytes).toBeGreaterThan(10_000_000);
	await fleet.stop();
	expect(server.of(fleetUid(seed, 20)).at(-1)?.disconnect).toBe(true);
});

test('what it is asked wrongly is an error here, and its end ends all waiting', async () => {
	await expect(fleet.call('open', { url: 'ws://127.0.0.1:1', seed: 1 })).rejects.toThrow('open already');
	const waiting = fleet.until(({ connected }) => connected === 1);
	const ended = expect(waiting).rejects.toThrow('the fleet process ended: SIGKILL');
	await fleet.usage();
	await fleet.terminate();
	await ended;
	await expect(fleet.offers()).rejects.toThrow('the fleet process ended');
});

test('offers carry a time that other processes of the host can compare', async () => {
	await fleet.add({ count: 1 });
	await fleet.launch();
	await fleet.until(({ connected }) => connected === 1);
	const beforeMs = Number(process.hrtime.bigint()) / 1e6;
	server.offer('a: 1');
	await fleet.until(({ offers }) => offers === 1);
	const afterMs = Number(process.hrtime.bigint()) / 1e6;
	const [offer] = await fleet.offers();
	expect(offer?.atMs).toBeGreaterThan(beforeMs - 1);
	expect(offer?.atMs).toBeLessThan(afterMs + 1);
});
