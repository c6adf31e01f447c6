import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ConfigFile, type ConfigFiles, configHash, offeredHash } from './config_hash.js';

const file = (body: string, contentType = ''): ConfigFile => ({ body: Buffer.from(body), contentType });
const files = (entries: Record<string, ConfigFile>): ConfigFiles => new Map(Object.entries(entries));
const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');

const anyFiles = fc
	.uniqueArray(fc.tuple(fc.string(), fc.uint8Array(), fc.string()), { selector: ([name]) => name, maxLength: 4 })
	.map((list) => list.map(([name, body, contentType]) => [name, { body, contentType }] as const));

describe('the hash of a configuration', () => {
	test('does not depend on the order of the map', () => {
		fc.assert(
			fc.property(anyFiles, (entries) => {
				expect(hex(configHash(new Map(entries)))).toBe(hex(configHash(new Map([...entries].reverse()))));
			}),
		);
	});

	test('differs whenever two configurations do', () => {
		fc.assert(
			fc.property(anyFiles, anyFiles, (a, b) => {
				const sorted = (entries: typeof a) =>
					JSON.stringify(
						[...entries]
							.sort(([x], [y]) => (x < y ? -1 : 1))
							.map(([name, value]) => [name, value.contentType, [...value.body]]),
					);
				expect(hex(configHash(new Map(a))) === hex(configHash(new Map(b)))).toBe(sorted(a) === sorted(b));
			}),
		);
	});

	test.each([
		['a byte moved from one body to the next', { a: file('xy'), b: file('z') }, { a: file('x'), b: file('yz') }],
		['a byte moved from the name to the body', { ab: file('c') }, { a: file('bc') }],
		['a content type', { a: file('x') }, { a: file('x', 'text/yaml') }],
		['a content type moved into the body', { a: file('x', 'y') }, { a: file('yx') }],
		['an empty file', { a: file('x') }, { a: file('x'), b: file('') }],
	] satisfies [string, Record<string, ConfigFile>, Record<string, ConfigFile>][])('%s changes it', (_, a, b) => {
		expect(hex(configHash(files(a)))).not.toBe(hex(configHash(files(b))));
	});

	test('stays what it is: agents and databases remember it', () => {
		expect(hex(configHash(files({ '': file('receivers: {}', 'text/yaml') })))).toMatchInlineSnapshot(
			`"235997fa07dff839d8ea938d8eb44d8eaff2d54689216de4ef984739a712a3b5"`,
		);
	});

	test('a further attempt is another offer', () => {
		const content = configHash(files({ '': file('x') }));
		const offers = [0, 1, 2, 2 ** 32 - 1].map((attempt) => hex(offeredHash(content, attempt)));
		expect(new Set(offers).size).toBe(4);
		expect(offers.every((offer) => offer.length === 64)).toBe(true);
	});
});
