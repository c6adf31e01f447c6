import { describe, expect, it } from 'vitest';
import type { RolloutSpec } from './model.js';
import { defaultSpec, presets, resolveSpec, validateSpec } from './spec.js';

const minute = 60_000;

describe('defaults', () => {
	it('are a canary of 5, 25, 50 and 100 % with their dwells', () => {
		const { strategy, order, bakeMs, gates } = defaultSpec('s');
		expect(
			strategy.kind === 'canary' && strategy.steps.map(({ size, dwellMs }) => [size.value, dwellMs / minute]),
		).toEqual([
			[5, 5],
			[25, 10],
			[50, 30],
			[100, 0],
		]);
		expect(order).toBe('random');
		expect(bakeMs).toBe(10 * minute);
		expect(gates['unhealthy-ratio']).toEqual({ thresholdPercent: 10, windowMs: minute });
	});

	it('bake at least as long as the longest window', () => {
		const spec = resolveSpec({ seed: 's', bakeMs: 0, gates: { 'disconnect-ratio': { windowMs: 20 * minute } } });
		expect(spec.bakeMs).toBe(20 * minute);
	});

	it('keep the rest of a gate of which one thing was said', () => {
		const spec = resolveSpec({ seed: 's', gates: { 'apply-failed-ratio': { thresholdPercent: 3 } } });
		expect(spec.gates['apply-failed-ratio']).toEqual({ thresholdPercent: 3, windowMs: 0 });
	});

	it('are valid, and so are the presets', () => {
		expect(validateSpec(defaultSpec('s'))).toEqual([]);
		for (const preset of Object.values(presets))
			expect(validateSpec(resolveSpec({ seed: 's', ...preset }))).toEqual([]);
	});
});

describe('a spec is refused for', () => {
	const spec = defaultSpec('s');
	const percentages = (...values: number[]): RolloutSpec => ({
		...spec,
		strategy: { kind: 'percentage', percentages: values, advance: 'manual', dwellMs: 0 },
	});
	const threshold = (thresholdPercent: number): RolloutSpec => ({
		...spec,
		gates: { ...spec.gates, 'apply-failed-ratio': { thresholdPercent, windowMs: 0 } },
	});

	it.each<[string, RolloutSpec, string, RegExp]>([
		['a last percentage below 100', percentages(5, 50), 'strategy.percentages[1]', /reaches 50 %, not 100 %/],
		['descending percentages', percentages(50, 5, 100), 'strategy.percentages[1]', /not above the step before/],
		['the same percentage twice', percentages(5, 5, 100), 'strategy.percentages[1]', /not above/],
		['a percentage of 0', percentages(0, 100), 'strategy.percentages[0]', /outside 1 to 100/],
		['a percentage above 100', percentages(5, 101), 'strategy.percentages[1]', /outside 1 to 100/],
		['a broken percentage', percentages(2.5, 100), 'strategy.percentages[0]', /not a whole number/],
		['no step', percentages(), 'strategy.percentages', /no step/],
		['too many steps', percentages(...Array.from({ length: 101 }, () => 1)), 'strategy.percentages', /101 steps/],
		['a threshold above 100', threshold(101), 'gates.apply-failed-ratio.thresholdPercent', /outside 0 to 100/],
		['a threshold below 0', threshold(-1), 'gates.apply-failed-ratio.thresholdPercent', /outside 0 to 100/],
		['a broken threshold', threshold(0.5), 'gates.apply-failed-ratio.thresholdPercent', /not a whole number/],
		[
			'an unreadable threshold',
			threshold(Number.NaN),
			'gates.apply-failed-ratio.thresholdPercent',
			/cannot be read: NaN/,
		],
		[
			'a batch of nobody',
			{ ...spec, strategy: { kind: 'batch', batchSize: 0, advance: 'manual', dwellMs: 0 } },
			'strategy.batchSize',
			/is 0/,
		],
		[
			'a negative dwell',
			{ ...spec, strategy: { kind: 'canary', steps: [{ size: { kind: 'percent', value: 100 }, dwellMs: -1 }] } },
			'strategy.steps[0].dwellMs',
			/is -1/,
		],
		[
			'a canary that ends with a count',
			{ ...spec, strategy: { kind: 'canary', steps: [{ size: { kind: 'count', value: 7 }, dwellMs: 0 }] } },
			'strategy.steps[0].size',
			/reaches 7 agents/,
		],
		['no agent in flight', { ...spec, maxInFlight: 0 }, 'maxInFlight', /is 0/],
		['an empty seed', { ...spec, seed: '' }, 'seed', /empty/],
	])('%s', (_what, bad, path, message) => {
		const [problem] = validateSpec(bad);
		expect(problem?.path).toBe(path);
		expect(problem?.message).toMatch(message);
		expect(problem?.fix).not.toBe('');
	});
});
