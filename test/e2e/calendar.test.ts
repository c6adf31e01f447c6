// Change windows and a freeze, with all services: what a group without them gets meanwhile is what its neighbour must not get.
import type { RolloutRequest } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { always, expectNothing, handedWhileClosed } from '../support/judgements.js';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, offersOf, onMonotonicClock, useStage } from './stage.js';

const kept = { from: 0, to: 30 };
const free = { from: 30, to: 60 };
const stage = useStage({ agents: free.to, gateways: 2, engines: 2, seed: 59 });

/** Until a tick saw that it is closed, and a gateway that it is paused (R1), on a busy machine. */
const graceMs = 4_000;
const minuteMs = 60_000;
const timeZone = 'Asia/Kathmandu';
const clock = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' });
const everyDay = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

const dwell = '500ms';
/** One after the other: under way for about ten seconds. */
const how = {
	strategy: { kind: 'canary', steps: [{ size: '100 %', dwell }] },
	...{ maxInFlight: 1, gates: shortWindows(dwell), bake: dwell },
} satisfies Partial<RolloutRequest>;

test('nobody is handed a version before the window opens or in a freeze; a group without them is', async () => {
	const { campaign, fleet, prepare } = stage();
	const versions = { kept: await prepare('kept', kept), free: await prepare('free', free) };
	await fleet.rules([{ contains: '-v', outcome: { kind: 'applied', afterMs: 250 } }]);
	const next = await campaign.publish('free', collectorConfig('free-v3'));

	const opensMs = Math.ceil((Date.now() + 10_000) / minuteMs) * minuteMs;
	const [from, to] = [opensMs, opensMs + 60 * minuteMs].map((at) => clock.format(at));
	const frozen = { from: opensMs + 4_000, until: opensMs + 20_000 };
	const [opens, freezes, thaws] = [opensMs, frozen.from, frozen.until].map((at) => new Date(at).toISOString());
	if (!from || !to || !opens || !freezes || !thaws) throw new Error('these are times');
	const groups = ['kept'];
	await campaign.call('createChangeWindow', {
		body: { name: 'hour', days: [...everyDay], from, to, timeZone, groups },
	});
	await campaign.call('createFreeze', {
		body: { name: 'launch', reason: 'a launch', from: freezes, until: thaws, groups },
	});

	const id = await campaign.start({ group: 'kept', version: versions.kept, ...how });
	const early = await campaign.start({ group: 'free', version: versions.free, ...how, maxInFlight: 'unlimited' });
	const waiting = await campaign.until(id, ({ state }) => state === 'Paused');
	expect(waiting).toMatchObject({ pauseReasons: ['window'], closed: { until: opens }, started: 0, waitsFor: null });
	await campaign.until(early, ({ endedAt }) => endedAt !== null);
	const stopped = await campaign.until(id, ({ pauseReasons }) => pauseReasons.includes('freeze'), 90_000);
	expect(stopped).toMatchObject({ state: 'Paused', closed: { why: 'freeze "launch": a launch', until: thaws } });
	const late = await campaign.start({ group: 'free', version: next, ...how });
	for (const rollout of [id, late]) {
		const done = await campaign.until(rollout, ({ endedAt }) => endedAt !== null);
		expect(done, await campaign.story(rollout)).toMatchObject({ state: 'Completed', states: { Applied: 30 } });
	}

	const unopened = { ...always, untilMs: onMonotonicClock(opens) };
	const freeze = { fromMs: onMonotonicClock(freezes) + graceMs, untilMs: onMonotonicClock(thaws) };
	expectNothing(handedWhileClosed(await offersOf(fleet, 'kept-v2'), [unopened, freeze]));
	expect(handedWhileClosed(await offersOf(fleet, 'free-v2'), [unopened])).not.toEqual([]);
	expect(handedWhileClosed(await offersOf(fleet, 'free-v3'), [freeze])).not.toEqual([]);
});
