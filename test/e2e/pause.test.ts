import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { appliedOf, collectorConfig, hashesOf, offersOf, onMonotonicClock, reconnectUntil, useStage } from './stage.js';

const agents = 1_000;
const stage = useStage({ agents, gateways: 3, engines: 2, seed: 7_001 });

/** Within it every gateway has looked by itself for assignments that changed. */
const pausedForMs = 8_000;
const graceMs = 1_000;

test('from one second after a pause no frame with the version leaves any gateway, reconnecting agents included', async () => {
	const { fleet, campaign, uids } = stage();
	await campaign.group('edge', await uids());
	await campaign.baseline('edge', await campaign.publish('edge', collectorConfig('v1')));
	const version = await campaign.publish('edge', collectorConfig('v2'));
	const slow = { contains: 'debug/v2', outcome: { kind: 'applied', afterMs: 1_000 } } as const;
	// Some never answer, so that agents which were handed the version reconnect without having it.
	await fleet.rules([{ contains: 'debug/v2', share: 0.05, salt: 'silent', outcome: { kind: 'silent' } }, slow]);

	const rollout = await campaign.start({
		group: 'edge',
		version,
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '80 %', dwell: '2s' },
				{ size: '100 %', dwell: '2s' },
			],
		},
		maxInFlight: 100,
		gates: shortWindows('2s'),
		bake: '2s',
		seed: 'the first ones answer',
	});
	await campaign.until(rollout, ({ states }) => (states.Applied ?? 0) >= 200);
	const { rollout: paused } = await campaign.call('pauseRollout', { params: { rollout }, body: { reason: 'a look' } });
	expect(paused).toMatchObject({ state: 'Paused', pauseReasons: ['manual'], step: { number: 1 } });
	const pausedAtMs = onMonotonicClock(await atOf(rollout, 'paused'));

	const handed = new Set((await offersOf(fleet, 'v2')).map(({ agent }) => agent));
	const unanswered = (await campaign.targets(rollout)).filter(({ state }) => state === 'Applying');
	expect(handed.size).toBeLessThan(800);
	expect(unanswered.length).toBeGreaterThan(0);
	await reconnectUntil(fleet, { from: 0, to: agents }, pausedAtMs + pausedForMs);
	expect((await campaign.get(rollout)).states.Pending).toBeGreaterThan(0);

	await fleet.rules([slow]);
	const resumed = await campaign.call('resumeRollout', { params: { rollout }, body: { reason: 'looked' } });
	expect(resumed.decided).toBe(true);
	const resumedAtMs = onMonotonicClock(await atOf(rollout, 'resumed'));
	const done = await campaign.until(rollout, ({ endedAt }) => endedAt !== null, 120_000);
	expect(done.state, await campaign.story(rollout)).toBe('Completed');
	await fleet.until((stats) => stats.connected === agents);

	const offers = await offersOf(fleet, 'v2');
	const whilePaused = offers.filter(({ atMs }) => atMs > pausedAtMs + graceMs && atMs < resumedAtMs);
	expect(whilePaused.map(({ agent, atMs }) => ({ agent, afterMs: atMs - pausedAtMs }))).toEqual([]);
	expect(offers.filter(({ atMs }) => atMs >= resumedAtMs).length).toBeGreaterThan(200);
	expect(appliedOf(fleet.stats, await hashesOf(fleet, 'v2'))).toBe(agents);
});

async function atOf(rollout: string, kind: 'paused' | 'resumed'): Promise<string> {
	const found = (await stage().campaign.events(rollout)).find((event) => event.kind === kind);
	if (!found) throw new Error(`the rollout was not ${kind}`);
	return found.at;
}
