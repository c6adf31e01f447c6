import { createMemoryMetrics } from '@ampora/control/testing';
import { dueMetricGates, resolveSpec, type Snapshot } from '@ampora/rollout';
import { RolloutWorld } from '@ampora/rollout/testing';
import type { RolloutId } from '@ampora/runtime';
import { expect, test, vi } from 'vitest';
import { MetricKeeper } from './metric_keeper.js';

/** A rollout whose one metric gate is due. */
function due(): { world: RolloutWorld; snapshot: Snapshot } {
	const strategy = {
		kind: 'canary',
		steps: [
			{ size: { kind: 'percent', value: 50 }, dwellMs: 0 },
			{ size: { kind: 'percent', value: 100 }, dwellMs: 0 },
		],
	} as const;
	const { metricGates = [] } = resolveSpec({
		seed: 's',
		metricGates: [{ name: 'points', query: 'avg(p * $changed)', op: '>=', value: 0.9, compare: 'control' }],
	});
	const world = new RolloutWorld({ strategy, metricGates });
	world.addAgents(10);
	world.start();
	world.passUntil(({ rollout }) => dueMetricGates(rollout).length > 0);
	return { world, snapshot: world.snapshot() };
}

test('a due gate is asked once, about the instant before the lag, and its verdict is handed out', async () => {
	const { world, snapshot } = due();
	const metrics = createMemoryMetrics();
	metrics.answer((query) => (query.startsWith('count') ? 5 : query.includes('control') ? 100 : 70));
	const keeper = new MetricKeeper({ metrics });
	expect(keeper.resultsFor(snapshot)).toEqual([]);
	const results = await vi.waitUntil(() => {
		const known = keeper.resultsFor(snapshot);
		return known.length > 0 ? known : undefined;
	});
	expect(results).toMatchObject([{ verdict: 'fail', text: '70 is not >= 0.9 × 100 of the control agents' }]);
	expect(metrics.asked.map(({ atMs }) => atMs)).toEqual([0, 0, 0].map(() => snapshot.nowMs - 60_000));
	world.metricResults = results;
	world.pass(1);
	expect(world.rollout.evidence).toMatchObject([{ gate: 'metric:points', verdict: 'fire' }]);
	expect(keeper.resultsFor(world.snapshot())).toEqual([]);
});

test('a server that is away is an error, and one that never answers holds nobody up', async () => {
	const { snapshot } = due();
	const metrics = createMemoryMetrics();
	metrics.answer(() => {
		throw new Error('gone');
	});
	const keeper = new MetricKeeper({ metrics });
	const [result] = await vi.waitUntil(() => {
		const known = keeper.resultsFor(snapshot);
		return known.length > 0 ? known : undefined;
	});
	expect(result).toMatchObject({ verdict: 'error', text: expect.stringContaining('does not answer') });
	const stuck = new MetricKeeper({ metrics: { query: () => new Promise(() => {}) } });
	expect([stuck.resultsFor(snapshot), stuck.resultsFor(snapshot)]).toEqual([[], []]);
});

test('what a rollout that ended was waiting for is forgotten when others are looked at', async () => {
	const { snapshot } = due();
	const metrics = createMemoryMetrics();
	metrics.answer(() => 5);
	const keeper = new MetricKeeper({ metrics });
	const lookAtAnother = (afterMs: number) =>
		keeper.resultsFor({
			...snapshot,
			rollout: { ...new RolloutWorld({}).rollout, id: 'another' as RolloutId },
			nowMs: snapshot.nowMs + afterMs,
		});
	await vi.waitUntil(() => keeper.resultsFor(snapshot).length > 0);
	lookAtAnother(60_000);
	expect(keeper.resultsFor(snapshot)).toHaveLength(1);
	const asked = metrics.asked.length;
	lookAtAnother(60_001);
	expect(keeper.resultsFor(snapshot)).toEqual([]);
	expect(metrics.asked.length).toBeGreaterThan(asked);
});
