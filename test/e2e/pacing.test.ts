// A group that stands in failure domains, and agents that never answer, with all services. Each story is told once more without its
// feature, and has to fail then.
import type { RolloutRequest } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import type { FleetEvent } from '../support/fleet/ledger.js';
import { crowds, expectNothing, uneven } from '../support/judgements.js';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, hashesOf, useStage } from './stage.js';

type Feature = Partial<Omit<RolloutRequest, 'group' | 'version'>>;

/** Zone after zone in the order of hostnames; then a zone of eight among eighty; the last agents never answer. */
const zones = ['a', 'b', 'c', 'd'].flatMap((zone) => Array<string>(10).fill(zone));
const spread = { from: 0, to: zones.length };
const crowded = { from: spread.to, to: spread.to + 80 };
const isSlow = (index: number): boolean => index >= crowded.from && index < crowded.to && index % 10 === 0;
const silent = { from: crowded.to, to: crowded.to + 4 };
const waiting = { from: silent.to, to: silent.to + 4 };
const zoneOf = (index: number): string => zones[index] ?? (isSlow(index) ? 'slow' : 'quick');
const stage = useStage({
	...{ agents: waiting.to, gateways: 2, engines: 2, seed: 53 },
	attributes: { zone: Array.from({ length: waiting.to }, (_, index) => zoneOf(index)) },
});

const dwell = '1s';
const how = {
	strategy: { kind: 'canary', steps: ['10 %', '50 %', '100 %'].map((size) => ({ size, dwell })) },
	...{ order: 'hostname', maxInFlight: 'unlimited', bake: dwell },
} satisfies Feature;

/** A rollout that reaches all of so many agents. */
async function reachesAll(count: number, request: Feature & { group: string; version: string }): Promise<string> {
	const { campaign } = stage();
	const id = await campaign.start({ ...how, gates: shortWindows(dwell), ...request });
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null, 120_000);
	expect(done, await campaign.story(id)).toMatchObject({ state: 'Completed', states: { Applied: count } });
	return id;
}

test('every step of a rollout that is spread holds the share of each zone, and not so without', async () => {
	const { campaign, prepare } = stage();
	const unevenness = async (version: string, feature: Feature) => {
		const targets = await campaign.targets(await reachesAll(zones.length, { group: 'spread', version, ...feature }));
		const agents = targets.map(({ hostname, step }) => ({
			domain: zoneOf(Number(/\d+/.exec(hostname ?? '')?.[0])),
			step: (step ?? Number.NaN) - 1,
		}));
		return uneven(agents, 3);
	};
	expectNothing(await unevenness(await prepare('spread', spread), { spreadBy: 'zone' }));
	const next = await campaign.publish('spread', collectorConfig('spread-v3'));
	expect(await unevenness(next, {})).toContain('4 agents of a up to step 0, their share is 1');
});

test('a quarter of a zone at most is in flight where nobody says how many, and more where somebody does', async () => {
	const { campaign, fleet, prepare } = stage();
	const events: FleetEvent[] = [];
	await fleet.onEvent((event) => events.push(event));
	const version = await prepare('crowded', crowded);
	const next = await campaign.publish('crowded', collectorConfig('crowded-v3'));
	await fleet.rules(
		Array.from({ length: waiting.to }, (_, index) => index)
			.filter(isSlow)
			.map((index) => ({ agents: [index, index + 1], outcome: { kind: 'applied', afterMs: 2_000 } }) as const),
	);
	const crowding = async (name: string, version: string, feature: Feature) => {
		await reachesAll(80, { group: 'crowded', version, spreadBy: 'zone', ...feature });
		const hashes = await hashesOf(fleet, name);
		const heard = events.filter((event) => 'hash' in event && hashes.has(event.hash));
		return crowds(heard, (index) => (isSlow(index) ? 'slow' : undefined), 2);
	};
	expectNothing(await crowding('crowded-v2', version, { maxInFlight: undefined }));
	expect(await crowding('crowded-v3', next, { maxInFlight: 4 })).not.toEqual([]);
	await fleet.rules([]);
});

/** Nobody answers: it pauses, and goes on when told to. */
async function asksSomebody(group: string, agents: typeof silent, feature: Feature): Promise<void> {
	const { campaign, fleet, prepare } = stage();
	const version = await prepare(group, agents);
	const id = await campaign.start({ group, version, ...how, gates: shortWindows(dwell, '1h'), ...feature });
	const paused = await campaign.until(id, ({ state }) => state === 'Paused', 90_000);
	expect(paused).toMatchObject({ pauseReasons: ['deadline'], evidence: [], states: { Pending: 3 } });
	await fleet.rules([]);
	await campaign.call('resumeRollout', { params: { rollout: id }, body: {} });
	await fleet.kill(agents, 0);
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done, await campaign.story(id)).toMatchObject({ state: 'Completed', states: { Applied: 4 } });
}

test('nobody answers before the deadline: somebody is asked; and nobody is where the deadline is far', async () => {
	const rules = ['silent-v2', 'waiting-v2'].map((name) => ({
		contains: `debug/${name}`,
		outcome: { kind: 'silent' } as const,
	}));
	await stage().fleet.rules(rules);
	const far = expect(asksSomebody('waiting', waiting, { progressDeadline: '1h' })).rejects.toThrow(
		/not as wanted within 90000 ms/,
	);
	await asksSomebody('silent', silent, { progressDeadline: '1m' });
	await far;
});
