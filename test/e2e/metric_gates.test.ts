import type { RolloutRequest } from '@ampora/api-contract';
import { afterAll, expect, test } from 'vitest';
import { startPrometheus } from '../../deploy/local/servers/prometheus.mjs';
import { sentPoints } from '../support/fleet/exporter.js';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, useStage } from './stage.js';

type Prometheus = Awaited<ReturnType<typeof startPrometheus>>;

// A group for each story, side by side; what becomes of one changes nothing about the others.
const good = { from: 0, to: 50 };
const dropping = { from: 50, to: 100 };
const silent = { from: 100, to: 150 };
const blind = { from: 150, to: 200 };

let prometheus: Prometheus | undefined;
const stage = useStage(async () => {
	prometheus = await startPrometheus();
	return { agents: blind.to, engines: 2, seed: 61, metricsUrl: prometheus.url };
});
afterAll(async () => {
	await prometheus?.stop();
});

const query = `avg(rate(${sentPoints}[8s]) * on (service_instance_id) group_left () $changed)`;
const gate = { name: 'points', query, compare: 'control', op: '>=', value: 0.9, interval: '30s' } as const;
const soon = { initialDelay: '12s', ingestionLag: '2s', errorLimit: 1 } as const;

/** A group of these agents that have all proved a version, and the request for the next one. */
async function prepare(name: string, { from, to }: { from: number; to: number }): Promise<RolloutRequest> {
	const { campaign, uids } = stage();
	await campaign.group(name, await uids(from, to));
	await campaign.baseline(name, await campaign.publish(name, collectorConfig(`${name}-v1`)));
	return {
		group: name,
		version: await campaign.publish(name, collectorConfig(`${name}-v2`)),
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '50 %', dwell: '2s' },
				{ size: '100 %', dwell: '2s' },
			],
		},
		maxInFlight: 'unlimited',
		gates: shortWindows('2s'),
		bake: '2s',
		onGate: 'rollback',
		metricGates: [{ ...gate, ...soon }],
	};
}

test('a real Prometheus that scrapes the engines and 200 agents', async () => {
	const { stack, fleet, campaign } = stage();
	const agents = await fleet.telemetry([
		{ contains: 'debug/dropping-v2', pointsPerSecond: 70 },
		{ contains: 'debug/silent-v2', pointsPerSecond: null },
	]);
	const engines = stack.engines.map(({ operationsUrl }) => ({ job: 'engines', url: `${operationsUrl}/metrics` }));
	prometheus?.scrape([...engines, { job: 'agents', ...agents }]);
	const [fine, drops, goesSilent, unseen] = await Promise.all([
		prepare('good', good),
		prepare('dropping', dropping),
		prepare('silent', silent),
		prepare('blind', blind),
	]);

	const stories = [
		async () => {
			const rollout = await campaign.start(fine);
			const done = await campaign.until(rollout, ({ state }) => state === 'Completed', 120_000);
			expect(done.metricGates).toMatchObject([{ name: 'points', verdict: 'not-applicable' }]);
		},
		async () => {
			const rollout = await campaign.start(drops);
			const back = await campaign.until(rollout, ({ state }) => state === 'RolledBack', 120_000);
			const [evidence] = back.evidence;
			expect(evidence?.gate).toBe('metric:points');
			expect(evidence?.message).toMatch(/^points: [67]\d(\.\d+)? is not >= 0\.9 × [\d.]+ of the control agents$/);
			expect(back.states.RolledBack).toBe(25);
			expect(back.states.Pending).toBe(25);
		},
		async () => {
			const rollout = await campaign.start(goesSilent);
			const back = await campaign.until(rollout, ({ state }) => state === 'RolledBack', 120_000);
			expect(back.evidence.map(({ message }) => message)).toEqual([
				expect.stringMatching(/^points: the changed agents went silent, the control agents report [\d.]+$/),
			]);
			expect(back.states.Pending).toBe(25);
		},
		async () => {
			const wrong = { ...unseen, metricGates: [{ ...gate, query: `avg(${sentPoints} * $changed` }] };
			await expect(campaign.start(wrong)).rejects.toThrow(/400.*parse error: unclosed left parenthesis/);
		},
	];
	await Promise.all(stories.map((story) => story()));

	const rollout = await campaign.start(unseen);
	await prometheus?.kill();
	const paused = await campaign.until(rollout, ({ state }) => state === 'Paused', 120_000);
	expect(paused.pauseReasons).toEqual(['inconclusive']);
	expect(paused.evidence.map(({ message }) => message)).toEqual([
		expect.stringMatching(/^points: inconclusive, 2 in a row: the metrics server http:\S+ does not answer: /),
	]);
	expect(paused.states).toMatchObject({ Applied: 25, Pending: 25 });
	await campaign.call('abortRollout', { params: { rollout }, body: {} });
	await expect(campaign.start(unseen)).rejects.toThrow(/503.*metrics server.*does not answer/);
});
