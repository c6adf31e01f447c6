import { afterAll, expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { OtlpSink, type ReceivedSpan } from '../support/stack/otlp_sink.js';
import { collectorConfig, useStage } from './stage.js';

const agents = 30;
const sink = new OtlpSink();
const stage = useStage(async () => ({
	agents,
	gateways: 2,
	engines: 2,
	seed: 5,
	otlpEndpoint: await sink.start(),
}));
afterAll(() => sink.stop());

/** What a caller with a trace of its own sends. */
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callerSpan = '00f067aa0ba902b7';

test('one trace leads from the API call through engine and gateway to the agents’ APPLIED', async () => {
	const { stack, fleet, campaign, uids } = stage();
	await campaign.group('traced', await uids());
	await campaign.baseline('traced', await campaign.publish('traced', collectorConfig('v1')));
	const version = await campaign.publish('traced', collectorConfig('v2'));
	await fleet.rules([{ contains: 'debug/v2', agents: [0, 3], outcome: { kind: 'failed', error: 'no such exporter' } }]);
	const response = await fetch(`${stack.apiUrl}/api/v1/rollouts`, {
		method: 'POST',
		headers: {
			authorization: `Bearer ${stack.tokens.admin}`,
			'content-type': 'application/json',
			traceparent: `00-${traceId}-${callerSpan}-01`,
		},
		body: JSON.stringify({
			group: 'traced',
			version,
			strategy: { kind: 'canary', steps: [{ size: '100 %', dwell: '1s' }] },
			maxInFlight: 'unlimited',
			gates: shortWindows('1s'),
			bake: '1s',
		}),
	});
	expect(response.status).toBe(202);
	const { id } = (await response.json()) as { id: string };
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done.states).toMatchObject({ Applied: agents - 3, Failed: 3 });

	const applied = (span: ReceivedSpan) =>
		span.name === 'agent.apply' && span.attributes['ampora.outcome'] === 'applied' && span.traceId === traceId;
	const mine = await sink.until((spans) => {
		const found = spans.filter((span) => span.traceId === traceId);
		const failures = found.filter((span) => span.name === 'agent.apply' && span.failed);
		const ofEngine = found.some(({ service }) => service === 'ampora-rollout-engine');
		return found.some(applied) && failures.length === 3 && ofEngine ? found : undefined;
	});
	expect(new Set(mine.map(({ service }) => service))).toEqual(
		new Set(['ampora-api', 'ampora-rollout-engine', 'ampora-gateway']),
	);
	expect(mine.filter(({ name, service }) => name === 'api.request' && service === 'ampora-api')).toMatchObject([
		{ parentSpanId: callerSpan },
	]);
	const envelopes = new Set(mine.filter(({ name }) => name === 'dispatch.envelope').map(({ spanId }) => spanId));
	const consumed = mine.filter(({ name }) => name === 'dispatch.consume');
	expect(consumed.length).toBeGreaterThan(1);
	expect(consumed.filter(({ parentSpanId }) => !envelopes.has(parentSpanId))).toEqual([]);
	const known = new Set([callerSpan, ...mine.map(({ spanId }) => spanId)]);
	expect(mine.filter(({ parentSpanId }) => !known.has(parentSpanId))).toEqual([]);
	const uidsOf = (spans: readonly ReceivedSpan[]) => new Set(spans.map((one) => one.attributes['ampora.instance_uid']));
	expect(uidsOf(mine.filter(({ name, failed }) => name === 'agent.apply' && failed))).toEqual(
		new Set(await uids(0, 3)),
	);
	const others = new Set<string | undefined>(await uids(3));
	expect([...uidsOf(mine.filter(applied))].filter((uid) => others.has(uid))).not.toEqual([]);
});

const everywhere = ['process_cpu_user_seconds_total'];
const metricsOf = {
	gw: [
		'ampora_opamp_active_sessions',
		'ampora_opamp_frames_received_total',
		'ampora_session_ownership_acquires_total',
		'ampora_dispatch_envelope_age_seconds_count',
		'ampora_opamp_apply_duration_seconds_count',
		'ampora_gateway_dirty_agents',
	],
	engine: [
		'ampora_rollouts',
		'ampora_agents',
		'ampora_rollout_paused_seconds',
		'ampora_rollout_oldest_unanswered_seconds',
		'ampora_leader_lease_held',
	],
	api: [],
} as const;

test('every service shows its metrics, and says that it is alive and ready', async () => {
	const { stack } = stage();
	for (const service of stack.all()) {
		expect(await service.health('live')).toMatchObject({ status: 200, body: { status: 'live' } });
		expect(await service.health('ready')).toMatchObject({ status: 200, body: { status: 'ready', failing: [] } });
		const { names } = await service.metrics();
		const kind = service.name.split('-')[0] as keyof typeof metricsOf;
		expect(
			[...metricsOf[kind], ...everywhere].filter((name) => !names.has(name)),
			service.name,
		).toEqual([]);
	}
	const leader = await stack.leader();
	const figures = await leader?.metrics();
	expect(figures?.sum('ampora_leader_lease_held', { name: 'rollout-engine' })).toBe(1);
	expect(figures?.sum('ampora_rollout_state_transitions_total', { from: 'InProgress', to: 'Completed' })).toBe(2);
	expect(figures?.sum('ampora_rollout_engine_last_tick_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000 - 60);
	let sessions = 0;
	for (const gateway of stack.gateways) sessions += (await gateway.metrics()).sum('ampora_opamp_active_sessions');
	expect(sessions).toBe(agents);
});
