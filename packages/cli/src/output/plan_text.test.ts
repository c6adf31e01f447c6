import type { RolloutPlan } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { planText } from './plan_text.js';

const metricGate = { gate: 'metric:points', rule: '>= 0.9 × control' };
const step = { name: null, agents: 4, deferred: 0, dwell: '5m', dwellMs: 300_000, gates: [] };
const plan = {
	...{ id: 'p1', digest: '', createdBy: 'ann', createdAt: '2026-01-01T00:00:00Z', expiresAt: '2026-01-02T00:00:00Z' },
	...{
		group: 'edge',
		version: 'edge@2',
		spec: { bake: '10m', acceptNoWayBack: false, acceptProtected: false },
		eligible: 8,
		alreadyApplied: 0,
		skipped: {},
	},
	...{ sickBefore: 0, noWayBack: 0, incompatible: 0, unknown: 0, advancedByHand: false, waitsForAgents: false },
	...{ comparison: null, findings: [], duration: { least: '20m', leastMs: 0, most: '2h', mostMs: 0 } },
	steps: [
		{
			...{ ...step, number: 1 },
			metricGates: [{ ...metricGate, kind: 'armed', failures: 1, first: '2m', every: '1m', why: null }],
		},
		{
			...{ ...step, number: 2 },
			metricGates: [
				{ ...metricGate, kind: 'not-applicable', failures: null, first: null, every: null, why: 'nobody waits' },
			],
		},
	],
	risks: [{ risk: 'protected-group', message: 'the group is protected', action: 'Say that it is meant.' }],
} as unknown as RolloutPlan;

test('a plan says what to do about each risk, and of each metric gate what it asks, when, and what stops', () => {
	const lines = planText(plan).split('\n');
	expect(lines).toContain('! protected-group: the group is protected');
	expect(lines[lines.indexOf('! protected-group: the group is protected') + 1]).toBe('    Say that it is meant.');
	const rows = lines.filter((line) => line.includes('metric:points')).map((line) => line.trim().split(/ {2,}/));
	expect(rows).toEqual([
		['1', 'metric:points', '>= 0.9 × control', 'after 2m, every 1m', 'a failure'],
		['2', 'metric:points', '>= 0.9 × control', 'nobody waits', '-'],
	]);
});

test('a plan offers its start only when it can start, and does not advise again what was accepted', () => {
	const start = 'Start it: ampora rollouts create edge edge@2 --plan p1';
	expect(planText(plan)).not.toContain(start);
	expect(planText(plan)).toContain('Plan again with --accept-protected');
	const accepted = planText({ ...plan, spec: { ...plan.spec, acceptProtected: true } });
	expect(accepted).toContain(start);
	expect(accepted).toContain('    Accepted.');
	expect(accepted).not.toContain('Say that it is meant.');
	const nobody = planText({ ...plan, risks: [], eligible: 0 });
	expect(nobody).not.toContain(start);
	expect(nobody).not.toContain('No risks.');
	expect(nobody).toContain('Nobody would be pushed');
});

test('a plan says how long it bakes', () => {
	expect(planText(plan)).toMatch(/^bake: +10m \(at least the longest window\)$/m);
});
