import { describe, expect, it } from 'vitest';
import { describeMetrics, metricsReference, metricTable } from './metric_table.js';
import { createMetrics, createMetricsRegistry, labelLimiter } from './metrics.js';
import { metricValue } from './testing/index.js';

/** Written out by hand: dashboards and alerts depend on every one of these names and labels. */
const published: Record<string, string[]> = {
	ampora_dispatch_local_total: [],
	ampora_dispatch_forwarded_total: ['target_instance'],
	ampora_dispatch_no_session_total: ['reason'],
	ampora_dispatch_envelope_age_seconds: [],
	ampora_session_ownership_acquires_total: ['outcome'],
	ampora_opamp_active_sessions: ['transport'],
	ampora_opamp_frames_received_total: ['kind'],
	ampora_opamp_frames_rejected_total: ['reason'],
	ampora_opamp_apply_duration_seconds: ['agent_type'],
	ampora_rollout_state_transitions_total: ['from', 'to'],
	ampora_rollout_gate_fired_total: ['gate'],
	ampora_rollouts: ['state'],
	ampora_rollout_agents: ['state'],
	ampora_agents: ['connected', 'healthy'],
	ampora_rollout_paused_seconds: [],
	ampora_rollout_oldest_unanswered_seconds: [],
	ampora_rollout_engine_last_tick_timestamp_seconds: [],
	ampora_leader_lease_held: ['name'],
	ampora_leader_lease_expires_timestamp_seconds: ['name'],
	ampora_gateway_dirty_agents: [],
	ampora_group_moves_total: [],
	ampora_enrolments_total: [],
	ampora_enrolment_gate_fired_total: [],
	ampora_enrolment_stopped_groups: [],
	ampora_selector_evaluations_total: ['cause'],
};

describe('the table of metrics', () => {
	it('has exactly the published names and labels', () => {
		const described = Object.fromEntries(describeMetrics().map(({ name, labels }) => [name, labels]));
		expect(described).toEqual(published);
	});

	it('follows the conventions of Prometheus', () => {
		for (const { name, type } of describeMetrics()) expect(name.endsWith('_total'), name).toBe(type === 'counter');
	});

	it('makes a reference with a row for each', () => {
		const rows = metricsReference().trim().split('\n');
		expect(rows).toHaveLength(Object.keys(published).length + 2);
		expect(rows).toContain(
			'| `ampora_rollout_state_transitions_total` | counter | `from`, `to` | Changes of rollout state |',
		);
	});
});

describe('createMetrics', () => {
	it('registers one concern under the names of the table', async () => {
		const registry = createMetricsRegistry();
		createMetrics(registry, 'dispatch');
		expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(Object.keys(metricTable.dispatch));
	});

	it('counts, sets and observes', async () => {
		const registry = createMetricsRegistry();
		const dispatch = createMetrics(registry, 'dispatch');
		dispatch.ampora_dispatch_local_total.inc();
		dispatch.ampora_dispatch_local_total.inc(2);
		dispatch.ampora_dispatch_no_session_total.inc({ reason: 'offline' }, 3);
		dispatch.ampora_dispatch_envelope_age_seconds.observe(0.003);
		const rollout = createMetrics(registry, 'rollout');
		rollout.ampora_agents.set({ connected: 'true', healthy: 'false' }, 7);
		expect(await metricValue(registry, 'ampora_dispatch_local_total')).toBe(3);
		expect(await metricValue(registry, 'ampora_dispatch_no_session_total', { reason: 'offline' })).toBe(3);
		expect(await metricValue(registry, 'ampora_dispatch_envelope_age_seconds')).toBe(1);
		expect(await metricValue(registry, 'ampora_agents', { connected: 'true', healthy: 'false' })).toBe(7);
		expect(await metricValue(registry, 'ampora_agents', { connected: 'true', healthy: 'true' })).toBeUndefined();
		rollout.ampora_agents.reset();
		expect(await metricValue(registry, 'ampora_agents', { connected: 'true', healthy: 'false' })).toBeUndefined();
		const text = await registry.metrics();
		expect(text).toContain('ampora_dispatch_envelope_age_seconds_bucket{le="0.0025"} 0');
		expect(text).toContain('ampora_dispatch_envelope_age_seconds_bucket{le="0.005"} 1');
	});

	it('gives two services of one process the same metric', async () => {
		const registry = createMetricsRegistry();
		createMetrics(registry, 'dispatch').ampora_dispatch_local_total.inc();
		createMetrics(registry, 'dispatch').ampora_dispatch_local_total.inc();
		expect(await metricValue(registry, 'ampora_dispatch_local_total')).toBe(2);
	});

	it('keeps registries apart', async () => {
		const [one, other] = [createMetricsRegistry(), createMetricsRegistry()];
		createMetrics(one, 'dispatch').ampora_dispatch_local_total.inc();
		createMetrics(other, 'dispatch');
		expect(await metricValue(other, 'ampora_dispatch_local_total')).toBe(0);
	});

	it('knows its labels at compile time', () => {
		const dispatch = createMetrics(createMetricsRegistry(), 'dispatch');
		// @ts-expect-error this metric has a label
		expect(() => dispatch.ampora_dispatch_no_session_total.inc()).not.toThrow();
		// @ts-expect-error no such reason
		dispatch.ampora_dispatch_no_session_total.inc({ reason: 'asleep' });
		// @ts-expect-error no such label
		expect(() => dispatch.ampora_dispatch_local_total.inc({ gateway: 'gw-1' })).toThrow();
	});
});

describe('labelLimiter', () => {
	it('lets the first values pass, then says other', () => {
		const limited = labelLimiter();
		const types = Array.from({ length: 60 }, (_, i) => `type-${i}`);
		expect(types.map((type) => limited(type))).toEqual([...types.slice(0, 50), ...Array(10).fill('other')]);
		expect(types.map((type) => limited(type)).filter((type) => type === 'other')).toHaveLength(10);
	});

	it('has a name for none, which takes no place, and none for the endless', () => {
		const limited = labelLimiter(1);
		expect(limited(undefined)).toBe('unknown');
		expect(limited('')).toBe('unknown');
		expect(limited('x'.repeat(1000))).toBe('other');
		expect(limited('collector')).toBe('collector');
	});
});
