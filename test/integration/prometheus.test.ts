// A real Prometheus over the own metrics of simulated agents: what tests of metric gates stand on.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startPrometheus } from '../../deploy/local/servers/prometheus.mjs';
import { sentPoints } from '../support/fleet/exporter.js';
import { FleetProcess } from '../support/fleet/process.js';
import { SmallServer } from '../support/fleet/small_server.js';

const agents = 20;
const patience = { timeout: 25_000, interval: 200 };
let server: SmallServer;
let fleet: FleetProcess;
let prometheus: Awaited<ReturnType<typeof startPrometheus>>;

beforeEach(async () => {
	server = new SmallServer();
	fleet = await FleetProcess.start({ url: await server.start(), seed: 23 });
	await fleet.add({ count: agents });
	const { url } = await fleet.telemetry();
	prometheus = await startPrometheus([{ job: 'agents', url }]);
	await fleet.launch();
	await fleet.until(({ connected }) => connected === agents);
});

afterEach(async () => {
	await fleet.terminate();
	await Promise.all([prometheus.stop(), server.stop()]);
});

interface Vector {
	readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** The values of an instant query's samples. */
async function ask(query: string): Promise<readonly number[]> {
	const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(query)}`);
	const { data } = (await response.json()) as Vector;
	return data.result.map(({ value: [, figure] }) => Number(figure));
}

const rounded = async (query: string): Promise<readonly number[]> =>
	(await ask(query)).map((value) => Math.round(100 * value) / 100);

test('agents that drop points, or say nothing any more, are seen as such', { timeout: 90_000 }, async () => {
	const [kept, changed] = await fleet.agents([0, 1]);
	const pace = (uid = '') => `rate(${sentPoints}{service_instance_id="${uid}"}[4s])`;
	const ratio = `${pace(changed?.instanceUid)} / ignoring (service_instance_id) ${pace(kept?.instanceUid)}`;
	await expect.poll(() => ask(`count(${sentPoints})`), patience).toEqual([agents]);
	await expect.poll(() => rounded(ratio), patience).toEqual([1]);

	await fleet.telemetry([
		{ contains: 'lossy', pointsPerSecond: 70 },
		{ contains: 'mute', pointsPerSecond: null },
	]);
	await fleet.rules([{ agents: [0, 1], outcome: { kind: 'failed', error: 'keeps what it runs' } }]);
	const lossy = server.offer('lossy: 1');
	await fleet.until(({ reported }) => reported[lossy]?.applied === agents - 1);
	await expect.poll(() => rounded(ratio), patience).toEqual([0.7]);

	const mute = server.offer('mute: 1');
	await fleet.until(({ reported }) => reported[mute]?.applied === agents - 1);
	await expect.poll(() => ask(`count(${sentPoints})`), patience).toEqual([1]);
	expect(await ask(`count(${sentPoints}{service_instance_id="${kept?.instanceUid}"})`)).toEqual([1]);
});

test('a Prometheus that was killed does not answer, and does again on the same address', {
	timeout: 90_000,
}, async () => {
	await expect.poll(() => ask(`count(${sentPoints})`), patience).toEqual([agents]);
	await prometheus.kill();
	await expect(ask('1')).rejects.toThrow('fetch failed');
	await prometheus.restart();
	await expect.poll(() => ask(`count(${sentPoints})`), patience).toEqual([agents]);
});
