// A rollout on a group that has one already, and agents that were away to the end of theirs; with all services. Each story is told once
// more without its feature, and has to fail then.
import type { RolloutRequest } from '@ampora/api-contract';
import { describe, expect, test } from 'vitest';
import type { FleetEvent } from '../support/fleet/ledger.js';
import { hostMonotonicMs } from '../support/fleet/ledger.js';
import { always, crowds, expectNothing, handedWhileClosed, leftOut } from '../support/judgements.js';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, hashesOf, offersOf, onMonotonicClock, useStage } from './stage.js';

type Feature = Partial<Omit<RolloutRequest, 'group' | 'version'>>;

const size = 24;
const stage = useStage({ agents: 6 * size, gateways: 2, engines: 2, seed: 61 });
const agentsOf = (place: number) => ({ from: place * size, to: (place + 1) * size });

/** Until a tick decided, and a gateway lets nothing of it out any more (R1), on a busy machine. */
const graceMs = 4_000;
const dwell = '500ms';
/** One after the other: under way for about ten seconds. */
const how = {
	strategy: { kind: 'canary', steps: [{ size: '100 %', dwell }] },
	...{ order: 'hostname', maxInFlight: 1, gates: shortWindows(dwell), bake: dwell },
} satisfies Feature;

/** A group with a rollout of v2 that takes its time and has begun; answers it, and how to publish the next versions. */
async function underWay(group: string, place: number) {
	const { campaign, fleet, prepare } = stage();
	const version = await prepare(group, agentsOf(place));
	await fleet.rules([{ contains: '-v', outcome: { kind: 'applied', afterMs: 400 } }]);
	const first = await campaign.start({ group, version, ...how });
	await campaign.until(first, ({ states }) => (states.Applied ?? 0) >= 3);
	return { first, publish: (name: string) => campaign.publish(group, collectorConfig(`${group}-${name}`)) };
}

/** Two are to follow: the newer one does, when the first has ended. */
async function takesItsTurn(group: string, place: number, feature: Feature): Promise<void> {
	const { campaign, fleet } = stage();
	const { first, publish } = await underWay(group, place);
	const [v3, v4] = [await publish('v3'), await publish('v4')];
	const second = await campaign.start({ group, version: v3, ...how, maxInFlight: 'unlimited', ...feature });
	const third = await campaign.start({ group, version: v4, ...how, maxInFlight: 'unlimited', ...feature });
	expect(await campaign.get(second)).toMatchObject({ state: 'Cancelled' });
	const done = await campaign.until(third, ({ endedAt }) => endedAt !== null);
	expect(done, await campaign.story(third)).toMatchObject({ state: 'Completed', states: { Applied: size } });
	const before = await campaign.get(first);
	expect(before).toMatchObject({ state: 'Completed', states: { Applied: size } });
	const untilMs = onMonotonicClock(before.endedAt ?? '');
	expectNothing(handedWhileClosed(await offersOf(fleet, `${group}-v4`), [{ ...always, untilMs }]));
	expectNothing(handedWhileClosed(await offersOf(fleet, `${group}-v3`), [always]));
}

describe('a queued rollout starts by itself when the one before has ended, and a newer one replaces it', () => {
	test('holds', () => takesItsTurn('queued', 0, { queue: true }));
	test('does not without it', () => expect(takesItsTurn('busy', 1, {})).rejects.toThrow(/createRollout: 409 .*"busy"/));
});

/** Another one instead: v2 reaches nobody more, and undone it leaves whoever proved v2 on that, and everybody else on v1. */
async function makesWay(group: string, place: number, feature: Feature): Promise<void> {
	const { campaign, fleet } = stage();
	const { first, publish } = await underWay(group, place);
	const version = await publish('v3');
	const second = await campaign.start({ group, version, ...how, ...feature });
	const fromMs = hostMonotonicMs() + graceMs;
	await campaign.until(second, ({ states }) => (states.Applied ?? 0) >= size / 2);
	expectNothing(handedWhileClosed(await offersOf(fleet, `${group}-v2`), [{ ...always, fromMs }]));
	expect(await campaign.get(first)).toMatchObject({ state: 'Superseded' });
	const proved = new Set((await offersOf(fleet, `${group}-v2`)).map(({ agent }) => agent));
	await campaign.call('rollbackRollout', { params: { rollout: second }, body: {} });
	const done = await campaign.until(second, ({ endedAt }) => endedAt !== null);
	expect(done.state, await campaign.story(second)).toBe('RolledBack');
	const [v1, v2] = [await hashesOf(fleet, `${group}-v1`), await hashesOf(fleet, `${group}-v2`)];
	for (const { index, running } of await fleet.agents(agentsOf(place)))
		expect((proved.has(index) ? v2 : v1).has(running ?? ''), `agent ${index} is back where it was`).toBe(true);
}

describe('a superseded rollout hands its version to nobody else, and agents go back to what they proved', () => {
	test('holds', () => makesWay('superseded', 2, { supersede: true }));
	test('does not without it', () =>
		expect(makesWay('waiting', 3, { queue: true })).rejects.toThrow(/handed it while closed/));
});

/** Four come back after the end. */
async function comesLate(group: string, place: number, feature: Feature) {
	const { campaign, fleet, prepare } = stage();
	const version = await prepare(group, agentsOf(place));
	await fleet.rules([{ contains: '-v', outcome: { kind: 'applied', afterMs: 400 } }]);
	const { from, to } = agentsOf(place);
	const away = [from, from + 7, from + 14, to - 1];
	const { connected } = fleet.stats;
	await fleet.sleep(away);
	await fleet.until((now) => now.connected === connected - away.length);
	const id = await campaign.start({
		group,
		version,
		...how,
		maxInFlight: 'unlimited',
		maxDeferred: '100 %',
		...feature,
	});
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done).toMatchObject({ state: 'Completed', states: { Deferred: away.length } });
	return {
		id,
		async comeBack() {
			const back = away.map((agent) => ({ agent, atMs: hostMonotonicMs() }));
			const { connected: others } = fleet.stats;
			await fleet.wake(away);
			await fleet.until((now) => now.connected === others + away.length);
			return back;
		},
	};
}

test('agents that were deferred are handed the version when they return, one after the other; without a tail they are not', async () => {
	const { campaign, fleet } = stage();
	const events: FleetEvent[] = [];
	await fleet.onEvent((event) => events.push(event));
	const without = await comesLate('without', 5, { deferFor: '0s' });
	const late = await comesLate('late', 4, { maxInFlight: 1 });
	const [lost, back] = [await without.comeBack(), await late.comeBack()];
	await expect
		.poll(() => campaign.get(late.id), { timeout: 30_000 })
		.toMatchObject({ state: 'Completed', states: { Applied: size, Deferred: 0 } });

	expectNothing(leftOut(back, await offersOf(fleet, 'late-v2')));
	expect(leftOut(lost, await offersOf(fleet, 'without-v2'))).toHaveLength(lost.length);
	const hashes = await hashesOf(fleet, 'late-v2');
	const heard = events.filter((event) => 'hash' in event && hashes.has(event.hash));
	expect(heard).not.toEqual([]);
	expectNothing(crowds(heard, () => 'the group', 1));
});
