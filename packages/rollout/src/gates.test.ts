import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fires, firingGates, gateMessage, gateVerdicts } from './gates.js';
import type { GateName, GateTally, Rollout, Step } from './model.js';
import { byGate, gateNames } from './names.js';
import { resolveSpec } from './spec.js';
import { emptyCounters, emptyGateTally } from './tally.js';
import { RolloutWorld } from './testing/world.js';

const stepWith = (gate: GateName, tally: Partial<GateTally>, change: Partial<Step> = {}): Step => ({
	index: 0,
	name: null,
	quota: tally.n ?? 0,
	exhausted: true,
	phase: 'dwelling',
	dwellMs: 0,
	dweltMs: 0,
	extendedMs: 0,
	extendedForCoverage: false,
	unprovenAccepted: false,
	counters: {
		...emptyCounters,
		gates: byGate((name) => (name === gate ? { ...emptyGateTally, ...tally } : emptyGateTally)),
	},
	startedAtMs: 0,
	endedAtMs: null,
	...change,
});
const spec = resolveSpec({ seed: 's' });
const rollout: Rollout = new RolloutWorld().rollout;
const verdictOf = (gate: GateName, step: Step) =>
	gateVerdicts(step, [step], rollout).find((view) => view.gate === gate);

describe('a gate', () => {
	it('fires above its threshold, never at it', () => {
		expect(fires('apply-failed-ratio', { k: 50, n: 250, cohort: 250 }, 20)).toBe(false);
		expect(fires('apply-failed-ratio', { k: 51, n: 250, cohort: 250 }, 20)).toBe(true);
		expect(fires('apply-failed-ratio', { k: 0, n: 0, cohort: 0 }, 0)).toBe(false);
		expect(fires('apply-failed-ratio', { k: 1, n: 1_000_000, cohort: 1_000_000 }, 0)).toBe(true);
	});

	it.each<[GateName, boolean]>([
		['apply-failed-ratio', true],
		['effective-mismatch-ratio', true],
		['apply-timeout-ratio', false],
		['disconnect-ratio', false],
		['unhealthy-ratio', false],
	])('%s in a cohort under five fires at the first: %s', (gate, first) => {
		expect(fires(gate, { k: 1, n: 4, cohort: 4 }, 20)).toBe(first);
		expect(fires(gate, { k: 2, n: 4, cohort: 4 }, 20)).toBe(true);
		expect(fires(gate, { k: 1, n: 1, cohort: 5 }, 20)).toBe(true);
	});

	it('says its figures with one decimal only where it is not whole', () => {
		expect(gateMessage('apply-failed-ratio', { k: 51, n: 250 }, 20)).toBe(
			'apply-failed-ratio: 20.4 % > 20 % (51 of 250)',
		);
		expect(gateMessage('unhealthy-ratio', { k: 3, n: 10 }, 10)).toBe('unhealthy-ratio: 30 % > 10 % (3 of 10)');
		expect(gateMessage('unhealthy-ratio', { k: 1, n: 3 }, 40)).toBe('unhealthy-ratio: 33.3 % ≤ 40 % (1 of 3)');
	});

	it('once it fired, one more failure never makes it pass', () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...gateNames),
				fc.integer({ min: 1, max: 500 }).chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 0, max: n - 1 }))),
				fc.integer({ min: 0, max: 100 }),
				(gate, [n, k], threshold) => {
					const now = fires(gate, { k, n, cohort: n }, threshold);
					const worse = fires(gate, { k: k + 1, n, cohort: n }, threshold);
					expect(now && !worse).toBe(false);
				},
			),
		);
	});

	it('counts places still to be filled, until the step ran out of candidates', () => {
		const tally = { n: 10, k: 3, pushed: 10, judged: 3, capable: 10 };
		const members = { ...stepWith('apply-failed-ratio', tally).counters.states, Failed: 3, Applying: 7 };
		const open = stepWith('apply-failed-ratio', tally, { quota: 100, exhausted: false });
		const step = { ...open, counters: { ...open.counters, states: members } };
		expect(firingGates(step, [step], spec)).toEqual([]);
		const shut = { ...step, exhausted: true };
		expect(firingGates(shut, [shut], spec)[0]?.message).toBe('apply-failed-ratio: 30 % > 20 % (3 of 10)');
	});

	it('judges all agents of the rollout too', () => {
		const first = stepWith('disconnect-ratio', { n: 100, k: 19, capable: 100 });
		const second = { ...stepWith('disconnect-ratio', { n: 10, k: 1, capable: 10 }), index: 1 };
		expect(firingGates(second, [first, second], spec)).toEqual([]);
		const worse = { ...stepWith('disconnect-ratio', { n: 100, k: 22, capable: 100 }), index: 0 };
		expect(firingGates(second, [worse, second], spec)[0]).toMatchObject({ cohort: 'rollout', k: 23, n: 110 });
	});
});

describe('a verdict', () => {
	it.each<[string, Partial<GateTally>, string]>([
		['nobody has the capability', {}, 'not-applicable'],
		['0 of 0 with the capability', { capable: 3 }, 'inconclusive'],
		['too few judged', { n: 10, pushed: 10, judged: 7, capable: 10 }, 'inconclusive'],
		['enough judged', { n: 10, pushed: 10, judged: 8, capable: 10 }, 'pass'],
		['everything accepted', { accepted: 3, capable: 3 }, 'pass'],
		['above the threshold', { n: 10, k: 3, pushed: 10, judged: 10, capable: 10 }, 'fire'],
	])('of %s', (_what, tally, verdict) => {
		expect(verdictOf('effective-mismatch-ratio', stepWith('effective-mismatch-ratio', tally))?.verdict).toBe(verdict);
	});
});
