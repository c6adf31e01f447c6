import { describe, expect, it } from 'vitest';
import type { ConfigFile } from './document.js';
import { type ConfigNode, defaultLimits, type ScalarValue } from './document.js';
import { type ParsedConfig, parseConfig } from './parse.js';
import { Timestamp } from './timestamp.js';

type Plain = ScalarValue | Plain[] | { [key: string]: Plain };

function plain(node: ConfigNode): Plain {
	if (node.kind === 'scalar') return node.value;
	if (node.kind === 'list') return node.items.map(plain);
	return Object.fromEntries([...node.entries].map(([key, value]) => [key, plain(value)]));
}

const findingsOf = (files: readonly ConfigFile[]) => parseConfig(files).findings;
const one = (body: string | Uint8Array) => [{ name: 'config.yaml', body }];

function parsed(result: ParsedConfig): Plain {
	if (!result.ok) throw new Error(result.findings.map(({ message }) => message).join('; '));
	return plain(result.document.root);
}

describe('values as the collector reads them', () => {
	it.each<[string, ScalarValue]>([
		['', null],
		['~', null],
		['true', true],
		['FALSE', false],
		['yes', 'yes'],
		['off', 'off'],
		['"true"', 'true'],
		['512', 512n],
		['1_000', 1000n],
		['-0x1F', -31n],
		['0b101', 5n],
		['0o17', 15n],
		['017', 15n],
		['089', 89],
		['9223372036854775807', 9223372036854775807n],
		['1.0', 1],
		['1e3', 1000],
		['.inf', Number.POSITIVE_INFINITY],
		['60s', '60s'],
		['2026-01-02', new Timestamp('2026-01-02T00:00:00Z')],
		['2026-1-2', new Timestamp('2026-01-02T00:00:00Z')],
		['"2026-01-02"', '2026-01-02'],
		['!!timestamp "2026-01-02"', new Timestamp('2026-01-02T00:00:00Z')],
		['!!str 2026-01-02', '2026-01-02'],
		['2026-01-02T03:04:05Z', new Timestamp('2026-01-02T03:04:05Z')],
		['2026-1-2t3:4:5.10,', '2026-1-2t3:4:5.10,'],
		['2026-1-2t3:4:5.120+01:30', new Timestamp('2026-01-02T01:34:05.12Z')],
		['2026-01-02  03:04:05,0123456789', new Timestamp('2026-01-02T03:04:05.012345678Z')],
		['2026-01-02T03:04:05', '2026-01-02T03:04:05'],
		['2026-01-02 03:04:05Z', '2026-01-02 03:04:05Z'],
		['2026-01-02 03:04', '2026-01-02 03:04'],
		['2026-02-29', '2026-02-29'],
		['2024-02-29', new Timestamp('2024-02-29T00:00:00Z')],
		['2026-00-10', '2026-00-10'],
		['2026-01-02 24:00:00', '2026-01-02 24:00:00'],
		['0001-01-01', new Timestamp('0001-01-01T00:00:00Z')],
		['20260-01-02', '20260-01-02'],
		['localhost:4317', 'localhost:4317'],
		['1.2.3.4', '1.2.3.4'],
		['!!str 12', '12'],
		['!!int "12"', 12n],
	])('%s is %s', (text, value) => {
		expect(parsed(parseConfig(one(`a: ${text}\n`)))).toEqual({ a: value });
	});

	it('follows anchors and merge keys, own keys first', () => {
		const body = 'base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nsame: *b\n';
		expect(parsed(parseConfig(one(body)))).toEqual({
			base: { x: 1n, y: 2n },
			use: { x: 1n, y: 3n },
			same: { x: 1n, y: 2n },
		});
	});
});

describe('findings', () => {
	const first = (body: string | Uint8Array) => findingsOf(one(body))[0];

	it('names line and column of what does not parse', () => {
		expect(first('receivers:\n  otlp: {\nservice: 1\n')).toMatchObject({
			code: 'yaml-syntax',
			severity: 'error',
			file: 'config.yaml',
			line: 3,
			column: 1,
		});
		expect(first('a:\n\t- b\n')).toMatchObject({ code: 'yaml-syntax', line: 2, column: 1 });
	});

	it('names the path and both places of a key set twice', () => {
		expect(first('exporters:\n  otlp/eu:\n    endpoint: a\n    endpoint: b\n')).toMatchObject({
			code: 'duplicate-key',
			line: 4,
			column: 5,
			path: 'exporters.otlp/eu.endpoint',
			message: '"endpoint" is already set on line 3',
		});
	});

	it.each([
		['', 'empty-config'],
		['# only a comment\n', 'empty-config'],
		['{}', 'empty-config'],
		['~', 'empty-config'],
		['- a\n', 'not-a-mapping'],
		['just text', 'not-a-mapping'],
		['a: *nope\n', 'unknown-alias'],
		['a: &a {b: *a}\n', 'unknown-alias'],
		['? [x]\n: y\n', 'bad-key'],
		['<<: 3\n', 'yaml-syntax'],
		['a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n', 'duplicate-key'],
		['%YAML 1.2\n---\na: 1\n', 'yaml-syntax'],
		['{a:[b]}\n', 'yaml-syntax'],
		['{a :[b]}\n', 'yaml-syntax'],
		['a: [b:{c: d}]\n', 'yaml-syntax'],
		['{a:}\n', 'yaml-syntax'],
		['a: {b: http://c/?d}\n', 'yaml-syntax'],
		['a: {b?: c}\n', 'yaml-syntax'],
	])('%j is %s', (body, code) => {
		const findings = findingsOf(one(body));
		expect(findings.map((finding) => [finding.code, finding.severity])).toEqual([[code, 'error']]);
		expect(findings[0]?.fix).not.toBe('');
	});

	it.each([
		'{"a":[b]}',
		"{'a?':'?'}",
		'{a:\n  [b]}',
		'%YAML 1.1\n---\na: 1',
		'a: http://b/?c',
		'a: {b: http://c:1}',
		'{a:: b}',
	])('has none for %j', (body) => {
		expect(findingsOf(one(body))).toEqual([]);
	});

	it('refuses bytes that are not UTF-8', () => {
		expect(first(Uint8Array.of(0x61, 0x3a, 0x20, 0xff))).toMatchObject({ code: 'not-utf8' });
	});

	it('refuses no files at all', () => {
		expect(findingsOf([])).toMatchObject([{ code: 'empty-config' }]);
	});

	it('only warns of a second document, and reads the first', () => {
		const result = parseConfig(one('a: 1\n---\nb: 2\n'));
		expect(result.findings).toMatchObject([{ code: 'several-documents', severity: 'warning', line: 2, column: 1 }]);
		expect(parsed(result)).toEqual({ a: 1n });
		expect(findingsOf(one('---\n---\na: 1\n')).map(({ code }) => code)).toContain('empty-config');
	});

	it('only warns of an empty file beside one with settings', () => {
		const files = [...one('a: 1'), { name: 'rest.yaml', body: '# later\n' }];
		expect(findingsOf(files)).toMatchObject([{ code: 'empty-file', severity: 'warning', file: 'rest.yaml' }]);
		expect(parseConfig(files).ok).toBe(true);
	});
});

describe('limits', () => {
	it('refuses more bytes than allowed, all files together', () => {
		const files = ['a', 'b'].map((name) => ({ name, body: `${name}: ${'x'.repeat(600_000)}` }));
		expect(findingsOf(files)).toMatchObject([{ code: 'too-large' }]);
	});

	it.each([
		['brackets', '['.repeat(500_000)],
		['brackets, closed', `a: ${'['.repeat(200)}${']'.repeat(200)}`],
		['block lists', `${'- '.repeat(5000)}a`],
		['keys', Array.from({ length: 100 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')],
	])('refuses nesting made of %s before it costs anything', (_name, body) => {
		expect(findingsOf(one(body))).toMatchObject([{ code: 'too-deep' }]);
	});

	it('accepts what is just within the depth', () => {
		const depth = defaultLimits.depthMax - 2;
		expect(parseConfig(one(`a: ${'['.repeat(depth)}1${']'.repeat(depth)}`)).ok).toBe(true);
	});

	it('refuses aliases that multiply', () => {
		const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
		for (let i = 1; i < 9; i += 1)
			lines.push(
				`a${i}: &a${i} [${Array(10)
					.fill(`*a${i - 1}`)
					.join(', ')}]`,
			);
		const findings = findingsOf(one(lines.join('\n')));
		expect(findings).toMatchObject([{ code: 'too-many-values', line: 5 }]);
	});
});

describe('merging files', () => {
	it('goes by name with "" last, merges maps deeply and replaces the rest', () => {
		const files = [
			{ name: '', body: 'exporters: {otlp: {endpoint: last}}' },
			{ name: 'b', body: 'exporters: {otlp: {endpoint: b, headers: {x: y}}}\nlist: [3]' },
			{ name: 'a', body: 'exporters: {otlp: {endpoint: a}, debug: {}}\nlist: [1, 2]' },
		];
		const merged = { exporters: { otlp: { endpoint: 'last', headers: { x: 'y' } }, debug: {} }, list: [3n] };
		expect(parsed(parseConfig(files))).toEqual(merged);
		expect(parsed(parseConfig([...files].reverse()))).toEqual(merged);
	});

	it('replaces by a key without a value, and keeps the key', () => {
		const files = [
			{ name: 'a', body: 'processors: {batch: {timeout: 1s}, filter: {}}' },
			{ name: 'b', body: 'processors:\n  batch:\n' },
		];
		expect(parsed(parseConfig(files))).toEqual({ processors: { batch: null, filter: {} } });
	});

	it('keeps the place of each setting in its own file', () => {
		const result = parseConfig([
			{ name: 'a', body: 'x:\n  one: 1\n' },
			{ name: 'b', body: 'x:\n\n  two: 2\n' },
		]);
		const x = result.ok ? result.document.root.entries.get('x') : undefined;
		const two = x?.kind === 'map' ? x.entries.get('two') : undefined;
		expect(two?.at).toEqual({ file: 'b', line: 3, column: 3 });
	});
});
