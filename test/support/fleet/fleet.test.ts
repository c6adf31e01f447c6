import { agentCapabilitiesOf, encodeSharedSettings } from '@ampora/opamp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Cohort, Fleet, fleetUid, loopbackAddress } from './fleet.js';
import type { FleetEvent } from './ledger.js';
import { type BehaviourRule, behaviourOf } from './outcome.js';
import { SmallServer } from './small_server.js';

const seed = 7;
let server: SmallServer;
let url: string;
const fleets: Fleet[] = [];

beforeEach(async () => {
	server = new SmallServer();
	url = await server.start();
});

afterEach(async () => {
	await Promise.all(fleets.splice(0).map((fleet) => fleet.stop({ goodbye: false })));
	await server.stop();
});

function makeFleet(rules: readonly BehaviourRule[] = []): Fleet {
	const fleet = new Fleet({ url, seed, token: 'secret', reconnect: { baseMs: 20, maxMs: 200 } }, behaviourOf(rules));
	fleets.push(fleet);
	return fleet;
}

async function launched(cohort: Cohort, rules?: readonly BehaviourRule[]): Promise<Fleet> {
	const fleet = makeFleet(rules);
	fleet.add(cohort);
	await fleet.launch();
	await fleet.until(({ connected }) => connected === cohort.count);
	return fleet;
}

/** Statuses one agent answered, as `hash status`, with the first two letters of the names given to the hashes. */
function answers(events: readonly FleetEvent[], names: Readonly<Record<string, string>>): string[] {
	return events.flatMap((event) => (event.type === 'answered' ? [`${names[event.hash]} ${event.status}`] : []));
}

function recordEvents(fleet: Fleet): FleetEvent[] {
	const events: FleetEvent[] = [];
	fleet.ledger.onEvent((event) => events.push(event));
	return events;
}

const uid = (index: number) => fleetUid(seed, index);
const count = (fleet: Fleet, hash: string, status: 'applied' | 'failed' | 'applying'): number =>
	fleet.stats.reported[hash]?.[status] ?? 0;

describe('the protocol', () => {
	test('agents introduce themselves whole, once, each from its own address', async () => {
		const fleet = await launched({ count: 50, attributes: { region: ['eu', 'us'] } });
		const first = server.of(uid(3))[0];
		expect(first?.sequenceNum).toBe(0n);
		expect(first?.capabilities.has('AcceptsRemoteConfig')).toBe(true);
		expect(first?.report.remoteConfigStatus).toMatchObject({ status: 'unset' });
		expect(first?.report.health?.healthy).toBe(true);
		expect(first?.report.effectiveConfig?.files.size).toBe(1);
		expect(first?.report.agentDescription?.nonIdentifying).toContainEqual({
			key: 'region',
			value: { kind: 'string', value: 'us' },
		});
		expect(new Set(server.heard.map(({ remoteAddress }) => remoteAddress)).size).toBe(50);
		expect(fleet.stats).toMatchObject({ connects: 50, fullStateRequests: 0, violations: [], misrouted: 0 });
	});

	test('heartbeats carry no more than a number, and numbers follow each other', async () => {
		await launched({ count: 2, heartbeatMs: 60 });
		await server.until(() => server.of(uid(0)).length >= 4 && server.of(uid(1)).length >= 4);
		const later = server.of(uid(0)).slice(1);
		expect(later.map(({ report }) => report)).toEqual(later.map(() => ({})));
		expect(later.map(({ sequenceNum }) => sequenceNum)).toEqual(later.map((_, at) => BigInt(at + 1)));
	});

	test('after a lost connection numbers go on and nothing is told twice', async () => {
		const fleet = await launched({ count: 1 });
		server.sockets.get(uid(0))?.terminate();
		await fleet.until(({ connects, connected }) => connects === 2 && connected === 1);
		expect(server.of(uid(0))[1]).toMatchObject({ sequenceNum: 1n, report: {} });
		expect(fleet.stats.fullStateRequests).toBe(0);
	});

	test('a restarted process starts again at 0 and tells everything', async () => {
		const fleet = await launched({ count: 1 });
		fleet.restart('all');
		await fleet.until(({ connects, connected }) => connects === 2 && connected === 1);
		const again = server.of(uid(0))[1];
		expect(again?.sequenceNum).toBe(0n);
		expect(again?.report.agentDescription).toBeDefined();
	});

	test('full state is told when asked for', async () => {
		const fleet = await launched({ count: 1 });
		server.push(uid(0), { reportFullState: true });
		await server.until(() => server.of(uid(0)).length === 2);
		expect(Object.keys(server.of(uid(0))[1]?.report ?? {}).sort()).toEqual([
			'agentDescription',
			'effectiveConfig',
			'health',
			'remoteConfigStatus',
		]);
		expect(fleet.stats.fullStateRequests).toBe(1);
	});

	test('a new uid is used from the next message on, and messages to the old one still arrive', async () => {
		const fleet = await launched({ count: 1, requestsInstanceUid: true });
		expect(server.of(uid(0))[0]?.requestsInstanceUid).toBe(true);
		server.push(uid(0), { newInstanceUid: uid(99) });
		await fleet.until(({ renames }) => renames === 1);
		server.push(uid(0), { reportFullState: true });
		await server.until(() => server.of(uid(99)).length === 1);
		expect(server.of(uid(99))[0]).toMatchObject({ sequenceNum: 1n, requestsInstanceUid: false });
		expect(fleet.stats.misrouted).toBe(0);
	});

	test('an offered heartbeat interval is obeyed', async () => {
		await launched({ count: 1 });
		const settings = { hash: Buffer.of(1), destinationEndpoint: url, heartbeatIntervalSeconds: 1, headers: [] };
		server.push(uid(0), { shared: [encodeSharedSettings(settings)], reportFullState: true });
		await server.until(() => server.of(uid(0)).length >= 3);
		const [, second, third] = server.of(uid(0));
		expect((third?.atMs ?? 0) - (second?.atMs ?? 0)).toBeGreaterThan(900);
	});

	test('sleeping agents say goodbye, and are not there before they are woken', async () => {
		const fleet = makeFleet();
		fleet.add({ count: 2 });
		fleet.add({ count: 1, asleep: true });
		await fleet.launch();
		await fleet.until(({ connected }) => connected === 2);
		fleet.wake([2]);
		await fleet.until(({ connected }) => connected === 3);
		await fleet.sleep({ from: 0, to: 1 });
		expect(server.of(uid(0)).at(-1)?.disconnect).toBe(true);
		expect(fleet.stats.connected).toBe(2);
		fleet.wake([0]);
		await fleet.until(({ connected }) => connected === 3);
		expect(server.of(uid(0)).at(-1)).toMatchObject({ sequenceNum: 2n, disconnect: false });
	});

	test('a refusal at the upgrade is retried no sooner than it says', async () => {
		server.refusing = { status: 503, retryAfter: '1', left: 1 };
		const fleet = await launched({ count: 1 });
		const waitedMs = (server.of(uid(0))[0]?.atMs ?? 0) - (server.refusedAtMs[0] ?? 0);
		expect(waitedMs).toBeGreaterThan(950);
		expect(fleet.stats.refusals).toEqual({ 503: 1 });
	});

	test('many agents share a socket, each with its own numbers', async () => {
		const fleet = await launched({ count: 10, agentsPerSocket: 5 });
		const hash = server.offer('a: 1');
		await fleet.until(() => count(fleet, hash, 'applied') === 10);
		expect(fleet.stats).toMatchObject({ connects: 2, offers: 10, misrouted: 0, fullStateRequests: 0 });
	});

	test('a clone has the uid of another and its own host', async () => {
		const fleet = await launched({ count: 1 });
		fleet.add({ count: 1, clonesOf: 0 });
		await fleet.launch();
		await fleet.until(({ connected }) => connected === 2);
		const hosts = server.of(uid(0)).map(({ report }) => report.agentDescription?.nonIdentifying[0]?.value);
		expect(hosts).toEqual([
			{ kind: 'string', value: 'host-00000' },
			{ kind: 'string', value: 'host-00001' },
		]);
	});
});

describe('what agents do with a configuration', () => {
	const good = 'receivers: {nop: {}}';
	const bad = 'receivers: {broken: {}}';

	test('one share of them, always the same, rejects what it should', async () => {
		const rules: BehaviourRule[] = [
			{ contains: 'broken', share: 0.3, salt: 'x', outcome: { kind: 'failed', error: 'no such receiver' } },
		];
		const fleet = await launched({ count: 40 }, rules);
		const expected = fleet.agents.filter((agent) => agent.share('x') < 0.3).length;
		expect(expected).toBeGreaterThan(5);
		expect(expected).toBeLessThan(20);
		const goodHash = server.offer(good);
		await fleet.until(() => count(fleet, goodHash, 'applied') === 40);
		const badHash = server.offer(bad);
		await fleet.until(() => count(fleet, badHash, 'failed') + count(fleet, badHash, 'applied') === 40);
		expect(count(fleet, badHash, 'failed')).toBe(expected);
		const failed = fleet.agents.find((agent) => agent.share('x') < 0.3);
		expect(failed?.running?.hash).toBe(goodHash);
		await server.until(
			() => failed !== undefined && server.known.get(failed.instanceUid)?.remoteConfigStatus?.status === 'failed',
		);
		expect(failed && server.known.get(failed.instanceUid)?.remoteConfigStatus?.errorMessage).toBe('no such receiver');
		expect(fleet.ledger.offers).toHaveLength(80);
		expect(fleet.stats).toMatchObject({ repeatedOffers: 0, unwantedOffers: 0 });
	});

	test('an applied configuration is what they report as effective', async () => {
		const fleet = await launched({ count: 1 });
		const hash = server.offer(
			new Map([
				['b', { body: Buffer.from('x: {b: 2}'), contentType: '' }],
				['', { body: Buffer.from('x: {c: 3}'), contentType: '' }],
				['a', { body: Buffer.from('x: {b: 1, c: 1, a: 1}'), contentType: '' }],
			]),
		);
		await fleet.until(() => count(fleet, hash, 'applied') === 1);
		await server.until(() => server.known.get(uid(0))?.remoteConfigStatus?.status === 'applied');
		const effective = server.known.get(uid(0))?.effectiveConfig?.files.get('')?.body ?? new Uint8Array(0);
		expect(Buffer.from(effective).toString()).toBe('x:\n  b: 2\n  c: 3\n  a: 1\n');
	});

	test('slow ones say that they are at it', async () => {
		const fleet = await launched({ count: 1 }, [{ outcome: { kind: 'applied', afterMs: 30 } }]);
		const events = recordEvents(fleet);
		const hash = server.offer(good);
		await fleet.until(() => count(fleet, hash, 'applied') === 1);
		expect(answers(events, { [hash]: 'good' })).toEqual(['good applying', 'good applied']);
	});

	test('a reverting one ends where it was', async () => {
		const fleet = await launched({ count: 1 }, [
			{ contains: 'broken', outcome: { kind: 'reverting', error: 'rolled back' } },
		]);
		const events = recordEvents(fleet);
		const a = server.offer(good);
		await fleet.until(() => count(fleet, a, 'applied') === 1);
		const b = server.offer(bad);
		await server.until(() => server.of(uid(0)).length >= 5);
		expect(answers(events, { [a]: 'A', [b]: 'B' })).toEqual(['A applied', 'B applying', 'B failed', 'A applied']);
		expect(fleet.stats.offers).toBe(2);
	});

	test('an unhealthy one tells, and recovers with the next configuration', async () => {
		const fleet = await launched({ count: 1 }, [{ contains: 'broken', outcome: { kind: 'unhealthy', afterMs: 20 } }]);
		server.offer(bad);
		await server.until(() => server.known.get(uid(0))?.health?.healthy === false);
		expect(server.known.get(uid(0))?.remoteConfigStatus?.status).toBe('applied');
		expect(fleet.stats.unhealthy).toBe(1);
		server.offer(good);
		await server.until(() => server.known.get(uid(0))?.health?.healthy === true);
		expect(fleet.stats.unhealthy).toBe(0);
	});

	test('a flapping one changes again and again', async () => {
		await launched({ count: 1 }, [{ outcome: { kind: 'flapping', periodMs: 10 } }]);
		server.offer(good);
		await server.until(() => server.of(uid(0)).filter(({ report }) => report.health).length >= 5);
		const told = server.of(uid(0)).flatMap(({ report }) => (report.health ? [report.health.healthy] : []));
		expect(told.slice(0, 5)).toEqual([true, false, true, false, true]);
	});

	test('one whose connection flaps comes and goes', async () => {
		const fleet = await launched({ count: 1 }, [{ outcome: { kind: 'flapping', periodMs: 10, what: 'connection' } }]);
		const hash = server.offer(good);
		await fleet.until(({ connects }) => connects >= 4);
		await server.until(() => server.of(uid(0)).length >= 4);
		expect(fleet.stats).toMatchObject({ offers: 1, fullStateRequests: 0, reported: { [hash]: { applied: 1 } } });
	});

	test('a crash-looping one starts again and again', async () => {
		await launched({ count: 1 }, [{ outcome: { kind: 'crash-looping', times: 3, everyMs: 10 } }]);
		server.offer(good);
		await server.until(() => server.of(uid(0)).filter(({ report }) => report.health?.healthy).length >= 4);
		const starts = server.of(uid(0)).flatMap(({ report }) => (report.health ? [report.health.startTimeUnixNano] : []));
		expect(new Set(starts).size).toBe(4);
	});

	test('one that drops off comes back with its answer, or never', async () => {
		const fleet = await launched({ count: 2 }, [
			{ agents: [0, 1], outcome: { kind: 'disconnect', backAfterMs: 30, answer: 'failed' } },
			{ agents: [1, 2], outcome: { kind: 'disconnect' } },
		]);
		const hash = server.offer(good);
		await server.until(() => server.known.get(uid(0))?.remoteConfigStatus?.status === 'failed');
		expect(server.of(uid(0)).map(({ sequenceNum }) => sequenceNum)).toEqual([0n, 1n]);
		await fleet.until(({ connected }) => connected === 1);
		expect(fleet.stats).toMatchObject({ connects: 3, reported: { [hash]: { failed: 1 }, '': { unset: 1 } } });
		expect(server.of(uid(1)).at(-1)?.disconnect).toBe(false);
	});

	test('silent and stuck ones give no verdict', async () => {
		const fleet = await launched({ count: 3 }, [
			{ agents: [0, 1], outcome: { kind: 'silent' } },
			{ agents: [1, 2], outcome: { kind: 'stuck' } },
		]);
		const hash = server.offer(good);
		await fleet.until(() => count(fleet, hash, 'applied') === 1 && count(fleet, hash, 'applying') === 1);
		await fleet.until(({ offers }) => offers === 3);
		expect(server.of(uid(0))).toHaveLength(1);
	});

	test('without ReportsRemoteConfig no status is told, but the effective config is', async () => {
		const word = agentCapabilitiesOf('ReportsStatus', 'AcceptsRemoteConfig', 'ReportsEffectiveConfig').word;
		const fleet = await launched({ count: 1, capabilities: Number(word) });
		server.offer(good);
		await server.until(() => server.of(uid(0)).length === 2);
		expect(Object.keys(server.of(uid(0))[1]?.report ?? {})).toEqual(['effectiveConfig']);
		expect(fleet.agents[0]?.running?.text).toBe(good);
	});

	test('an agent that accepts none counts the offer as unwanted', async () => {
		const fleet = await launched({ count: 1, capabilities: 1 });
		server.offer(good);
		await fleet.until(({ unwantedOffers }) => unwantedOffers === 1);
		expect(fleet.agents[0]?.running).toBeUndefined();
	});

	test('a sick one stays so', async () => {
		const fleet = await launched({ count: 1, sick: true });
		const hash = server.offer(good);
		await fleet.until(() => count(fleet, hash, 'applied') === 1);
		await server.until(() => server.of(uid(0)).length === 2);
		expect(server.known.get(uid(0))?.health?.healthy).toBe(false);
		expect(fleet.stats.unhealthy).toBe(1);
	});

	test('a slow reader takes a large configuration later than others', async () => {
		const fleet = makeFleet();
		fleet.add({ count: 1 });
		fleet.add({ count: 1, readEveryMs: 100 });
		await fleet.launch();
		await fleet.until(({ connected }) => connected === 2);
		const hash = server.offer(`x: ${'y'.repeat(12_000_000)}`);
		await fleet.until(() => count(fleet, hash, 'applied') === 1);
		expect(server.sockets.get(uid(1))?.bufferedAmount).toBeGreaterThan(0);
		await fleet.until(() => count(fleet, hash, 'applied') === 2);
		expect(fleet.ledger.offers.map(({ agent }) => agent)).toEqual([0, 1]);
	});
});

describe('agents that poll', () => {
	test('say and get the same over plain HTTP', async () => {
		const fleet = await launched({ count: 3, transport: 'http', heartbeatMs: 50 });
		const hash = server.offer('a: 1');
		await fleet.until(() => count(fleet, hash, 'applied') === 3);
		await server.until(() => [0, 1, 2].every((index) => server.of(uid(index)).length >= 4));
		const numbers = server.of(uid(1)).map(({ sequenceNum }) => sequenceNum);
		expect(numbers).toEqual(numbers.map((_, at) => BigInt(at)));
		expect(fleet.stats).toMatchObject({ offers: 3, fullStateRequests: 0, violations: [] });
		expect(new Set(server.heard.map(({ remoteAddress }) => remoteAddress)).size).toBe(3);
	});

	test('repeat the very same bytes after 503', async () => {
		server.refusing = { status: 503, left: 2 };
		await launched({ count: 1, transport: 'http' });
		expect(server.pollBodies).toHaveLength(3);
		expect(server.pollBodies[1]).toEqual(server.pollBodies[0]);
		expect(server.pollBodies[2]).toEqual(server.pollBodies[0]);
	});

	test('drop what was answered with another status, which leaves a gap', async () => {
		server.refusing = { status: 500, left: 1 };
		const fleet = await launched({ count: 1, transport: 'http', heartbeatMs: 50 });
		await server.until(() => server.of(uid(0)).length >= 2);
		expect(server.of(uid(0))[0]).toMatchObject({ sequenceNum: 1n });
		expect(fleet.stats.fullStateRequests).toBe(1);
		expect(server.of(uid(0))[1]?.report.agentDescription).toBeDefined();
	});

	test('say goodbye', async () => {
		const fleet = await launched({ count: 1, transport: 'http' });
		await fleet.sleep('all');
		expect(server.of(uid(0)).at(-1)?.disconnect).toBe(true);
		expect(fleet.stats.connected).toBe(0);
	});
});

test('every agent has an address of its own', () => {
	expect([0, 253, 254, 254 * 256].map(loopbackAddress)).toEqual([
		'127.16.0.1',
		'127.16.0.254',
		'127.16.1.1',
		'127.17.0.1',
	]);
	expect(new Set(Array.from({ length: 20_000 }, (_, index) => loopbackAddress(index))).size).toBe(20_000);
});
