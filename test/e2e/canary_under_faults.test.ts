import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, hashesOf, repeatsIn, useStage } from './stage.js';

const agents = 1_000;
const stage = useStage({ agents, gateways: 3, engines: 2, seed: 20_26 });

const applyMs = 1_500;
const dwell = '3s';

test('a canary over 1,000 agents survives the loss of a gateway, of the leading engine, of Redis and of NATS', async () => {
	const { stack, servers, fleet, campaign, uids } = stage();
	const [firstGateway] = stack.gateways;
	if (!firstGateway) throw new Error('there is no gateway');
	await campaign.group('edge', await uids());
	await campaign.baseline('edge', await campaign.publish('edge', collectorConfig('v1')));
	const version = await campaign.publish('edge', collectorConfig('v2'));
	await fleet.rules([{ contains: 'debug/v2', outcome: { kind: 'applied', afterMs: applyMs } }]);
	for (const gateway of stack.gateways) {
		const held = (await gateway.metrics()).sum('ampora_opamp_active_sessions', { transport: 'websocket' });
		expect(held, `sessions of ${gateway.name}`).toBeGreaterThanOrEqual(agents / 5);
	}

	const rollout = await campaign.start({
		group: 'edge',
		version,
		strategy: {
			kind: 'canary',
			steps: ['5 %', '25 %', '50 %', '100 %'].map((size) => ({ size, dwell })),
		},
		maxInFlight: 40,
		gates: shortWindows(dwell),
		bake: dwell,
	});
	const inLastStep = (applied: number) =>
		campaign.until(rollout, ({ step, states }) => step?.number === 4 && (states.Applied ?? 0) >= applied, 120_000);
	/** Each fault meets a step that is running: agents without an answer, and agents not pushed yet. */
	const expectRunning = async () => {
		const { state, step, states } = await campaign.get(rollout);
		expect({ state, step: step?.number }).toEqual({ state: 'InProgress', step: 4 });
		expect(states.Pending).toBeGreaterThan(0);
	};

	await inLastStep(550);
	let forwarded = 0;
	for (const engine of stack.engines) forwarded += (await engine.metrics()).sum('ampora_dispatch_forwarded_total');
	expect(forwarded).toBeGreaterThan(0);

	await expectRunning();
	const heldByFirst = stack.proxy.connections()[firstGateway.name] ?? 0;
	await firstGateway.kill();
	await fleet.until(({ connected, connects }) => connected === agents && connects >= agents + heldByFirst);

	await expectRunning();
	const leader = await stack.leader();
	await leader?.kill();
	await expect.poll(async () => (await stack.leader())?.name, { timeout: 15_000 }).not.toBe(undefined);
	const successor = await stack.leader();
	expect([leader?.name, successor?.name].sort()).toEqual(['engine-1', 'engine-2']);

	await expectRunning();
	expect(await servers.flushRedis()).toBeGreaterThan(0);
	await inLastStep(700);

	await expectRunning();
	await servers.nats.restart();

	const done = await campaign.until(rollout, ({ endedAt }) => endedAt !== null, 180_000);
	const story = await campaign.story(rollout);
	expect(done.state, story).toBe('Completed');
	expect(done.states, story).toMatchObject({ Applied: agents });
	const blame = (await campaign.events(rollout)).filter(({ kind }) => kind === 'gate-fired' || kind === 'paused');
	expect(blame).toEqual([]);
	const running = new Set((await fleet.agents()).map((agent) => agent.running));
	expect(running).toEqual(await hashesOf(fleet, 'v2'));
	expect(repeatsIn(await fleet.offers())).toEqual([]);
	expect(fleet.stats).toMatchObject({ violations: [], errors: {}, misrouted: 0 });
	expect((await successor?.metrics())?.sum('ampora_dispatch_forwarded_total')).toBeGreaterThan(0);
});
