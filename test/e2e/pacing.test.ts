// A group that stands in failure domains, and agents that never answer, with all services.
import type { RolloutRequest } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, useStage } from './stage.js';

/** Zone after zone in the order of hostnames; the last agents are for the deadline. */
const zones = ['a', 'b', 'c', 'd'].flatMap((zone) => Array<string>(10).fill(zone));
const silent = { from: zones.length, to: zones.length + 4 };
const waiting = { from: silent.to, to: silent.to + 4 };
const stage = useStage({
	...{ agents: waiting.to, gateways: 2, engines: 2, seed: 53 },
	attributes: { zone: [...zones, ...Array<string>(8).fill('none')] },
});

const dwell = '1s';
const how = {
	strategy: { kind: 'canary', steps: ['10 %', '50 %', '100 %'].map((size) => ({ size, dwell })) },
	...{ order: 'hostname', maxInFlight: 'unlimited', bake: dwell },
} satisfies Partial<RolloutRequest>;

/** A group of these agents, all of which have proved v1 of their configuration; answers v2. */
async function prepare(name: string, { from, to }: { from: number; to: number }): Promise<string> {
	const { campaign, uids } = stage();
	await campaign.group(name, await uids(from, to));
	await campaign.baseline(name, await campaign.publish(name, collectorConfig(`${name}-v1`)));
	return campaign.publish(name, collectorConfig(`${name}-v2`));
}

/** How many agents of each zone the first and the second step had together, per step, after a rollout that reached everybody. */
async function zonesOfSteps(request: Partial<RolloutRequest> & { version: string }): Promise<number[][]> {
	const { campaign } = stage();
	const id = await campaign.start({ group: 'spread', ...how, gates: shortWindows(dwell), ...request });
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done, await campaign.story(id)).toMatchObject({ state: 'Completed', states: { Applied: zones.length } });
	const targets = await campaign.targets(id);
	const zoneOf = (hostname: string | null) => zones[Number(/\d+/.exec(hostname ?? '')?.[0])];
	return [1, 2, 3].map((last) => {
		const reached = targets.filter(({ step }) => step !== null && step <= last);
		return ['a', 'b', 'c', 'd'].map((zone) => reached.filter(({ hostname }) => zoneOf(hostname) === zone).length);
	});
}

test('every step of a rollout that is spread holds the share of each zone, and not so without', async () => {
	const version = await prepare('spread', { from: 0, to: zones.length });
	expect(await zonesOfSteps({ version, spreadBy: 'zone' })).toEqual([
		[1, 1, 1, 1],
		[5, 5, 5, 5],
		[10, 10, 10, 10],
	]);
	const next = await stage().campaign.publish('spread', collectorConfig('spread-v3'));
	expect((await zonesOfSteps({ version: next }))[0]).toEqual([4, 0, 0, 0]);
});

test('nobody answers: it pauses at the deadline, and goes on when told to; one whose deadline is late still waits', async () => {
	const { campaign, fleet } = stage();
	const gates = shortWindows(dwell, '1h');
	const versions = [await prepare('silent', silent), await prepare('waiting', waiting)] as const;
	await fleet.rules([
		{ contains: 'debug/silent-v2', outcome: { kind: 'silent' } },
		{ contains: 'debug/waiting-v2', outcome: { kind: 'silent' } },
	]);
	const late = await campaign.start({ group: 'waiting', version: versions[1], ...how, gates, progressDeadline: '1h' });
	const id = await campaign.start({ group: 'silent', version: versions[0], ...how, gates, progressDeadline: '1m' });
	const paused = await campaign.until(id, ({ state }) => state === 'Paused', 120_000);
	expect(paused).toMatchObject({ pauseReasons: ['deadline'], evidence: [], states: { Pending: 3 } });
	expect(await campaign.get(late)).toMatchObject({ state: 'InProgress', pauseReasons: [] });
	await fleet.rules([]);
	await campaign.call('resumeRollout', { params: { rollout: id }, body: {} });
	await fleet.kill(silent, 0);
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done, await campaign.story(id)).toMatchObject({ state: 'Completed', states: { Applied: 4 } });
});
