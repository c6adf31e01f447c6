// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { effectiveMatches } from './effective.js';

const config = (body: string) => [{ name: '', body }];
const compare = (assigned: string, effective: string) => effectiveMatches(config(assigned), config(effective));

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const assigned = fixture('assigned.yaml');
const printed = fixture('printed.yaml');

describe('a configuration printed back by a real collector', () => {
	it('matches', () => {
		expect(compare(assigned, printed)).toEqual({ outcome: 'match' });
	});

	it.each([
		[
			'another value',
			'send_batch_max_size: 1000',
			'send_batch_max_size: 999',
			'processors.batch.send_batch_max_size',
			'differs',
		],
		['another duration', 'timeout: 1m30s\nreceivers', 'timeout: 91s\nreceivers', 'processors.batch.timeout', 'differs'],
		[
			'a zero that is none',
			'send_batch_size: 0',
			'send_batch_size: 8192',
			'processors.batch.send_batch_size',
			'differs',
		],
		[
			'a missing setting',
			'      num_consumers: 3\n',
			'',
			'exporters.otlp_http/b.sending_queue.num_consumers',
			'missing',
		],
		['a missing component', '  nop: {}\n', '', 'exporters.nop', 'missing'],
		['a missing list item', '        - debug\n', '', 'service.pipelines.traces.exporters[2]', 'missing'],
		['a header not there', 'name: x-tenant', 'name: other', 'exporters.otlp_http.headers.x-tenant', 'missing'],
		[
			'a section switched on',
			'sending_queue: null\n    timeout: 1.5s',
			'sending_queue: {enabled: true}\n    timeout: 1.5s',
			'exporters.otlp_http.sending_queue.enabled',
			'differs',
		],
		['a section that is a value', 'tls:\n      insecure: true', 'tls: 1', 'exporters.otlp_http/b.tls', 'differs'],
		['another protocol', '      http:\n', '      quic:\n', 'receivers.otlp.protocols.http', 'missing'],
	])('does not with %s', (_name, from, to, path, what) => {
		const changed = printed.replace(from, to);
		expect(changed).not.toBe(printed);
		const result = compare(assigned, changed);
		expect(result).toMatchObject({ outcome: 'mismatch', differences: [{ path, what }], more: false });
	});
});

describe('values', () => {
	it.each([
		['1', '1.0'],
		['1000', '1e3'],
		['5s', '5000ms'],
		['1.5h', '1h30m0s'],
		['5000000000', '5s'],
		['0', '0s'],
		['normal', 'Normal'],
		['"$${x}"', '"${x}"'],
		['"a$$b"', '"a$b"'],
		['"${env:HOST}:4317"', 'gateway:4317'],
		['"${file:part.yaml}"', '{a: 1}'],
		['gateway:4317', '"${env:HOST}:4317"'],
		['secret', '"[REDACTED]"'],
		['secret', '"<redacted>"'],
		['secret', '"****"'],
		['"http://u:pw@h/"', '"http://u:xxxxx@h/"'],
		['{token: abc}', '"[REDACTED]"'],
		['[b, a]', '[a, c, b]'],
		['[]', 'null'],
		['{enabled: false, size: 9}', 'null'],
		['{enabled: false, size: 9}', '{}'],
		['items', '{}'],
		['[a, "${env:B}"]', '[a]'],
		['[{k: 1}, {k: 2}]', '[{k: 2, more: 1}, {k: 1}]'],
		['null', '{a: 1}'],
		['{}', 'null'],
		['"yes"', 'yes'],
		['2024-01-01', '2024-01-01T00:00:00Z'],
		['2024-01-01', '"2024-01-01T00:00:00Z"'],
		['.nan', '.NaN'],
	])('%s is the same as %s', (a, b) => {
		expect(compare(`s: {c: {v: ${a}, w: 1}}`, `s: {c: {v: ${b}, w: 1}}`)).toEqual({ outcome: 'match' });
	});

	it.each([
		['1', '2'],
		['9223372036854775807', '9223372036854775806'],
		['"10"', '10'],
		['true', '"true"'],
		['true', 'yes'],
		['5s', '6s'],
		['2024-01-01', '2024-01-02'],
		['a.example', 'A.example'],
		['a', '[a]'],
		['a', '{b: 1}'],
		['[a]', 'a'],
		['[a, b]', '[a]'],
		['[{k: 1, l: 2}]', '[{k: 1}, {l: 2}]'],
		['{a: 1}', '[{name: b, value: 1}]'],
		['1', 'null'],
		['{enabled: false, size: 9}', '{enabled: false}'],
		['{enabled: true, size: 9}', '{}'],
		['{a: 1}', 'null'],
		['[1]', 'null'],
	])('%s is not %s', (a, b) => {
		expect(compare(`s: {c: {v: ${a}, w: 1}}`, `s: {c: {v: ${b}, w: 1}}`)).toMatchObject({ outcome: 'mismatch' });
	});
});

describe('what may be absent', () => {
	it.each(['false', '0', '0s', '""', '[]', '"${env:X}"', '{a: false, b: {c: 0}}', '{enabled: false, size: 9}'])(
		'%s in a section that is there',
		(value) => {
			expect(compare(`exporters: {otlp: {v: ${value}}}`, 'exporters: {otlp: {}}')).toEqual({ outcome: 'match' });
		},
	);

	it.each(['true', '1', 'x', '[a]', '{}', 'null', '{a: false, b: 1}'])('not %s', (value) => {
		const result = compare(`exporters: {otlp: {v: ${value}}}`, 'exporters: {otlp: {}}');
		expect(result).toMatchObject({ outcome: 'mismatch', differences: [{ path: 'exporters.otlp.v', what: 'missing' }] });
	});

	it.each(['{tls: {insecure: false}}', '{}', '{endpoint: "${env:E}"}'])('not a component with %s', (value) => {
		const result = compare(`exporters: {otlp: ${value}, debug: {}}`, 'exporters: {debug: {}}');
		expect(result).toMatchObject({ outcome: 'mismatch', differences: [{ path: 'exporters.otlp' }] });
	});

	it('a false is not met by a true', () => {
		expect(compare('a: {b: {c: false}}', 'a: {b: {c: true}}')).toMatchObject({ outcome: 'mismatch' });
	});
});

describe('the result', () => {
	it('says where the assigned configuration asks for it, in its own file', () => {
		const files = [
			{ name: 'a.yaml', body: 'service:\n  telemetry:\n    logs: {level: info}\n' },
			{ name: 'b.yaml', body: 'exporters:\n\n  debug:\n    sampling_initial: 5\n' },
		];
		expect(effectiveMatches(files, config('service: {telemetry: {logs: {level: debug}}}\n'))).toEqual({
			outcome: 'mismatch',
			differences: [
				{ path: 'service.telemetry.logs.level', what: 'differs', assigned: { file: 'a.yaml', line: 3, column: 12 } },
				{ path: 'exporters', what: 'missing', assigned: { file: 'b.yaml', line: 1, column: 1 } },
			],
			more: false,
		});
	});

	it('is bounded', () => {
		const many = Array.from({ length: 30 }, (_, i) => `k${i}: ${i + 1}`).join('\n');
		const result = compare(many, 'other: 1');
		expect(result).toMatchObject({ outcome: 'mismatch', more: true });
		expect(result.outcome === 'mismatch' && result.differences.length).toBe(20);
		const twenty = Array.from({ length: 20 }, (_, i) => `k${i}: ${i + 1}`).join('\n');
		expect(compare(twenty, 'other: 1')).toMatchObject({ more: false });
	});

	it('merges several effective files', () => {
		const files = [
			{ name: 'one', body: 'a: {b: 1, c: 0}' },
			{ name: '', body: 'a: {c: 2}' },
		];
		expect(effectiveMatches(config('a: {b: 1, c: 2}'), files)).toEqual({ outcome: 'match' });
	});

	it.each([
		['a: [', 'yaml-syntax'],
		['', 'empty-config'],
		['- a', 'not-a-mapping'],
	])('is unreadable for %j', (body, code) => {
		expect(compare('a: 1', body)).toMatchObject({ outcome: 'unreadable', which: 'effective', findings: [{ code }] });
	});

	it('gives up on lists that would take too long', () => {
		const list = (key: string) => `l: [${Array.from({ length: 8_000 }, (_, i) => `{${key}: ${i + 1}}`).join(', ')}]`;
		const result = compare(list('a'), list('b'));
		expect(result).toMatchObject({ outcome: 'unreadable', findings: [{ code: 'too-many-values' }] });
	});
});
