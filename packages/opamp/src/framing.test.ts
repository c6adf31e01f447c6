import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { messageOf, unframe } from './framing.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.of(...values);

describe('the WebSocket header', () => {
	test.each([1, 2, 5, 10])('zero spelled with %i bytes is a header', (length) => {
		const header = [...Array<number>(length - 1).fill(0x80), 0];
		expect(unframe(bytes(...header, 1, 2, 3))).toEqual({ ok: true, value: bytes(1, 2, 3) });
	});

	test('no data after it is legal', () => {
		expect(unframe(bytes(0))).toEqual({ ok: true, value: bytes() });
	});

	test.each([
		['no byte at all', bytes()],
		['a value that is not zero', bytes(1, 0x0a, 0x10)],
		['a value that is not zero, long form', bytes(0x80, 0x01, 0)],
		['ten bytes that promise an eleventh', bytes(...Array<number>(10).fill(0x80))],
		['eleven bytes', bytes(...Array<number>(10).fill(0x80), 0)],
		['an end inside the header', bytes(0x80, 0x80)],
	])('%s is malformed', (_, frame) => {
		expect(unframe(frame)).toMatchObject({ ok: false, error: { code: 'malformed-header' } });
	});

	test('a message that starts with its uid needs no header', () => {
		const message = bytes(0x0a, 2, 7, 7);
		expect(unframe(message)).toEqual({ ok: true, value: message });
	});

	test('what is framed comes out again', () => {
		fc.assert(
			fc.property(fc.uint8Array(), (data) => {
				const frame = bytes(0, ...data);
				expect(unframe(frame)).toEqual({ ok: true, value: data });
				expect(messageOf(frame)).toEqual(data);
			}),
		);
	});
});
