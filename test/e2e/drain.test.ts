import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, repeatsIn, useStage } from './stage.js';

const agents = 300;
const stage = useStage({
	agents,
	gateways: 3,
	engines: 1,
	seed: 88,
	gatewayEnvironment: { AMPORA_DRAIN_PERIOD: '2s' },
});

test('a gateway that is stopped in order hands its agents on: the rollout goes on and nobody is blamed', async () => {
	const { stack, fleet, campaign, uids } = stage();
	const [gateway] = stack.gateways;
	if (!gateway) throw new Error('there is no gateway');
	await campaign.group('drained', await uids());
	await campaign.baseline('drained', await campaign.publish('drained', collectorConfig('v1')));
	const version = await campaign.publish('drained', collectorConfig('v2'));
	await fleet.rules([{ contains: 'debug/v2', outcome: { kind: 'applied', afterMs: 1_000 } }]);
	const rollout = await campaign.start({
		group: 'drained',
		version,
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '10 %', dwell: '2s' },
				{ size: '100 %', dwell: '2s' },
			],
		},
		maxInFlight: 30,
		gates: shortWindows('2s'),
		bake: '2s',
	});
	await campaign.until(rollout, ({ step, states }) => step?.number === 2 && (states.Applied ?? 0) >= 60);
	const held = stack.proxy.connections()[gateway.name] ?? 0;
	expect(held).toBeGreaterThan(agents / 5);
	const { connects } = fleet.stats;
	// Rejects unless the process ends by itself, and with success.
	await gateway.stop();
	await fleet.until((now) => now.connected === agents && now.connects >= connects + held);
	expect((await campaign.get(rollout)).states.Pending).toBeGreaterThan(0);

	const done = await campaign.until(rollout, ({ endedAt }) => endedAt !== null, 120_000);
	const story = await campaign.story(rollout);
	expect(done.state, story).toBe('Completed');
	expect(done.states, story).toMatchObject({ Applied: agents, Disconnected: 0, TimedOut: 0 });
	const events = await campaign.events(rollout);
	expect(events.filter(({ kind }) => kind === 'paused' || kind === 'gate-fired')).toEqual([]);
	expect(repeatsIn(await fleet.offers())).toEqual([]);
	expect(fleet.stats.violations).toEqual([]);
});
