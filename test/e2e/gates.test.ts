import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { hashesOf, offersOf, onMonotonicClock, reconnectUntil, useStage } from './stage.js';

// Three groups, so that no rollout meets what another left.
const rejecting = { from: 0, to: 250 };
const sickening = { from: 250, to: 350 };
const returning = { from: 350, to: 450 };
const stage = useStage({ agents: returning.to, gateways: 2, engines: 2, seed: 31 });

test('a step of 250 stops at the 51st rejection, and the agents not yet pushed never get the version', async () => {
	const { fleet, campaign } = stage();
	const version = await stage().prepare('rejecting', rejecting);
	const maxInFlight = 20;
	const rejects = { kind: 'failed', error: 'unknown exporter "debug/rejecting-v2"', afterMs: 150 } as const;
	await fleet.rules([
		{ contains: 'debug/rejecting-v2', agents: [0, 75], outcome: rejects },
		{ contains: 'debug/rejecting-v2', outcome: { kind: 'applied', afterMs: 150 } },
	]);
	const rollout = await campaign.start({
		group: 'rejecting',
		version,
		strategy: { kind: 'canary', steps: [{ size: '100 %', dwell: '5s' }] },
		maxInFlight,
		gates: shortWindows('5s'),
		bake: '5s',
		seed: 'thirty percent of them',
	});
	const paused = await campaign.until(rollout, ({ state }) => state === 'Paused');
	expect(paused.pauseReasons).toEqual(['gate']);
	expect(paused.evidence.map(({ message }) => message)).toEqual(['apply-failed-ratio: 20.4 % > 20 % (51 of 250)']);
	const event = (await campaign.events(rollout)).find(({ kind }) => kind === 'paused');
	const pausedAtMs = onMonotonicClock(event?.at ?? '');

	const settled = await campaign.until(rollout, ({ states }) => states.Applying === 0);
	await reconnectUntil(fleet, rejecting, pausedAtMs + 8_000);

	const offers = await offersOf(fleet, 'rejecting-v2');
	const late = offers.filter(({ atMs }) => atMs > pausedAtMs);
	expect(late.length).toBeLessThanOrEqual(maxInFlight);
	expect(late.filter(({ atMs }) => atMs > pausedAtMs + 1_000)).toEqual([]);
	const handed = new Set(offers.map(({ agent }) => agent));
	expect(handed.size).toBe(250 - (settled.states.Pending ?? 0));
	expect(handed.size).toBeLessThanOrEqual(220);
	expect((await campaign.get(rollout)).states.Pending).toBe(settled.states.Pending);
	expect(settled.errors[0]).toMatchObject({ error: 'unknown exporter "debug/rejecting-v2"' });
});

test('a version that is applied and unhealthy one fifth into the first dwell is stopped in the first step', async () => {
	const { fleet, campaign } = stage();
	const version = await stage().prepare('sickening', sickening);
	await fleet.rules([{ contains: 'debug/sickening-v2', outcome: { kind: 'unhealthy', afterMs: 2_000 } }]);
	const rollout = await campaign.start({
		group: 'sickening',
		version,
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '10 %', dwell: '10s' },
				{ size: '50 %', dwell: '10s' },
				{ size: '100 %', dwell: '10s' },
			],
		},
		gates: shortWindows('2s'),
	});
	const paused = await campaign.until(rollout, ({ state }) => state === 'Paused');
	expect(paused).toMatchObject({ pauseReasons: ['gate'], step: { number: 1 } });
	expect(paused.evidence).toMatchObject([{ gate: 'unhealthy-ratio', step: 1, n: 10 }]);
	expect(paused.steps[0]?.dweltMs).toBeLessThan(10_000);
	const handed = new Set((await offersOf(fleet, 'sickening-v2')).map(({ agent }) => agent));
	expect(handed.size).toBe(10);
});

test('onGate rollback: every touched agent ends on its previous version, those offline at the time included', async () => {
	const { fleet, campaign, uids } = stage();
	const version = await stage().prepare('returning', returning);
	const before = await hashesOf(fleet, 'returning-v1');
	const after = await hashesOf(fleet, 'returning-v2');
	expect(after.size).toBe(0);
	await fleet.rules([{ contains: 'debug/returning-v2', outcome: { kind: 'unhealthy', afterMs: 6_000 } }]);
	const rollout = await campaign.start({
		group: 'returning',
		version,
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '20 %', dwell: '20s' },
				{ size: '100 %', dwell: '20s' },
			],
		},
		maxInFlight: 'unlimited',
		gates: shortWindows('2s'),
		onGate: 'rollback',
	});
	await campaign.until(rollout, ({ states }) => states.Applied === 20);
	const touched = [...new Set((await offersOf(fleet, 'returning-v2')).map(({ agent }) => agent))];
	expect(touched).toHaveLength(20);
	const [goodbye, lost] = [touched.slice(0, 2), touched.slice(2, 4)];
	await fleet.sleep(goodbye);
	await fleet.kill(lost);

	const done = await campaign.until(rollout, ({ endedAt }) => endedAt !== null);
	expect(done.state, await campaign.story(rollout)).toBe('RolledBack');
	const offline = (await fleet.agents([...goodbye, ...lost])).map(({ connected }) => connected);
	expect(offline).toEqual([false, false, false, false]);
	const listed = (await campaign.targets(rollout)).filter(({ back }) => back !== null && back !== 'confirmed');
	const gone = new Set(await Promise.all([...goodbye, ...lost].map(async (at) => (await uids(at, at + 1))[0])));
	expect(new Set(listed.map(({ instanceUid }) => instanceUid))).toEqual(gone);

	await fleet.wake([...goodbye, ...lost]);
	await fleet.until(({ connected }) => connected === returning.to);
	await expect
		.poll(async () => new Set((await fleet.agents(touched)).map(({ running }) => running)), { timeout: 15_000 })
		.toEqual(before);
	await expect
		.poll(async () => (await campaign.get(rollout)).states, { timeout: 15_000 })
		.toMatchObject({ RolledBack: 20, Applied: 0 });
	const handed = new Set((await offersOf(fleet, 'returning-v2')).map(({ agent }) => agent));
	expect(handed.size).toBe(20);
});
