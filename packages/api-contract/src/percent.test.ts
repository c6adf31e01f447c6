import { describe, expect, test } from 'vitest';
import { parsePercent, parseStepSize } from './percent.js';

describe('percentages and step sizes', () => {
	test.each([
		[20, 20],
		['20', 20],
		['20 %', 20],
		['0%', 0],
		[100, 100],
	])('%s', (given, value) => expect(parsePercent(given)).toEqual({ ok: true, value }));
	test.each([101, -1, 12.5, 'ten', '', '5 %%'])('%s is refused', (given) => expect(parsePercent(given).ok).toBe(false));

	test('a share has its sign, a number of agents has none', () => {
		expect(parseStepSize('5 %')).toEqual({ ok: true, value: { kind: 'percent', value: 5 } });
		expect(parseStepSize(10)).toEqual({ ok: true, value: { kind: 'count', value: 10 } });
		for (const wrong of ['0 %', 0, 'half', '101 %', -3]) expect(parseStepSize(wrong).ok).toBe(false);
	});
});
