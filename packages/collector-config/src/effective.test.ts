// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
import { describe, expect, it } from 'vitest';
import { effectiveMatches } from './effective.js';

const config = (body: string) => [{ name: '', body }];
const compare = (assigned: string, effective: string) => effectiveMatches(config(assigned), config(effective));

const assigned = `
receivers:
  otlp:
    protocols:
      grpc:
processors:
  batch:
    timeout: 60s
    send_batch_size: 1000
exporters:
  otlp_http:
    endpoint: https://collect.example:4318
    headers:
      authorization: Bearer abc
    tls:
      insecure: false
    retry_on_failure: {enabled: false, max_elapsed_time: 10s}
  debug:
    verbosity: detailed
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlp_http, debug]
`;

/** Printed the way a collector does it: typed, defaults filled in, durations and levels rewritten, secrets hidden. */
const effective = `
exporters:
  debug:
    sampling_initial: 2
    verbosity: Detailed
  otlp_http:
    compression: gzip
    endpoint: https://collect.example:4318
    headers:
      - name: authorization
        value: '[REDACTED]'
    retry_on_failure: {}
extensions:
  opamp: {server: {ws: {endpoint: ws://127.0.0.1:1}}}
processors:
  batch:
    metadata_keys: []
    send_batch_size: 1000
    timeout: 1m0s
receivers:
  otlp:
    protocols:
      grpc: {endpoint: localhost:4317}
      http: null
service:
  extensions: [opamp]
  pipelines:
    traces:
      exporters: [otlp_http, debug]
      processors: [batch]
      receivers: [otlp]
`;

describe('a configuration printed back by a collector', () => {
	it('matches', () => {
		expect(compare(assigned, effective)).toEqual({ outcome: 'match' });
	});

	it.each([
		['another value', 'send_batch_size: 1000', 'send_batch_size: 999', 'processors.batch.send_batch_size', 'differs'],
		['another duration', 'timeout: 1m0s', 'timeout: 61s', 'processors.batch.timeout', 'differs'],
		['a missing setting', '    send_batch_size: 1000\n', '', 'processors.batch.send_batch_size', 'missing'],
		['a missing list item', '[otlp_http, debug]', '[otlp_http]', 'service.pipelines.traces.exporters[1]', 'missing'],
		['a missing protocol', '      grpc: {endpoint: localhost:4317}\n', '', 'receivers.otlp.protocols.grpc', 'missing'],
		[
			'a header not there',
			'name: authorization',
			'name: other',
			'exporters.otlp_http.headers.authorization',
			'missing',
		],
		[
			'a section that is a value',
			'retry_on_failure: {}',
			'retry_on_failure: 1',
			'exporters.otlp_http.retry_on_failure',
			'differs',
		],
	])('does not with %s', (_name, from, to, path, what) => {
		const changed = effective.replace(from, to);
		expect(changed).not.toBe(effective);
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
		['[a, "${env:B}"]', '[a]'],
		['[{k: 1}, {k: 2}]', '[{k: 2, more: 1}, {k: 1}]'],
		['null', '{a: 1}'],
		['{}', 'null'],
		['"yes"', 'yes'],
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
		['a.example', 'A.example'],
		['a', '[a]'],
		['[a]', 'a'],
		['[a, b]', '[a]'],
		['[{k: 1, l: 2}]', '[{k: 1}, {l: 2}]'],
		['{a: 1}', '[{name: b, value: 1}]'],
		['1', 'null'],
		['{a: 1}', 'null'],
		['[1]', 'null'],
	])('%s is not %s', (a, b) => {
		expect(compare(`s: {c: {v: ${a}, w: 1}}`, `s: {c: {v: ${b}, w: 1}}`)).toMatchObject({ outcome: 'mismatch' });
	});
});

describe('what may be absent', () => {
	it.each(['false', '0', '0s', '""', '[]', '"${env:X}"', '{a: false, b: {c: 0}}'])(
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
