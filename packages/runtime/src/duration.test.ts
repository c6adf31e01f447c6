import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { durationMsMax, formatDuration, parseDuration } from './duration.js';

describe('durations', () => {
	test.each([
		['90s', 90_000],
		['5m', 300_000],
		['1h30m', 5_400_000],
		['7d', 604_800_000],
		['1h 30m', 5_400_000],
		['250ms', 250],
		['0', 0],
	])('%s', (text, ms) => expect(parseDuration(text)).toEqual({ ok: true, value: ms }));

	test.each(['', '5', 'm', '-5m', '5 minutes', '1.5h', '5m!', '99999d'])('"%s" is refused', (text) => {
		expect(parseDuration(text)).toMatchObject({ ok: false, error: expect.stringContaining(`"${text}"`) });
	});

	test('what is written is read back', () => {
		fc.assert(
			fc.property(fc.nat(durationMsMax), (ms) => {
				expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
			}),
		);
	});
});
