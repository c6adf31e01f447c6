// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
import { describe, expect, it } from 'vitest';
import { semanticHash } from './canonical.js';
import { componentCatalogue } from './compatibility.js';
import { endpointEdits, managementPathEdits, removedPipelines } from './concerns.js';
import { diffConfigs, showEdit } from './diff.js';
import type { ConfigDocument } from './document.js';
import { parseConfig, validateConfig } from './parse.js';

const yaml = (exporter: string, rest = ''): string => `receivers:
  otlp:
    protocols:
      grpc:
exporters:
  otlphttp:
    ${exporter}
extensions:
  opamp:
    server: {ws: {endpoint: "wss://fleet.example.com/v1/opamp"}}
service:
  extensions: [opamp]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlphttp]
${rest}`;

const documentOf = (body: string): ConfigDocument => {
	const parsed = parseConfig([{ name: '', body }]);
	if (!parsed.ok) throw new Error('does not parse');
	return parsed.document;
};
const before = documentOf(yaml('endpoint: https://a.example.com'));
const diffTo = (body: string) => diffConfigs(before, documentOf(body));

describe('what agents have', () => {
	const files = [{ name: 'edge.yaml', body: yaml('endpoint: https://a.example.com') }];
	const opamp = ['opamp'];

	it('is not asked where nobody says', () => {
		expect(validateConfig(files)).toEqual([]);
	});

	it('is a warning where nobody knows', () => {
		expect(validateConfig(files, { catalogue: null })).toMatchObject([
			{ code: 'catalogue-unknown', severity: 'warning' },
		]);
	});

	it('is a warning where a component is missing: other agents may have it', () => {
		const catalogue = componentCatalogue({ receivers: ['otlp'], exporters: ['debug'], extensions: opamp });
		expect(validateConfig(files, { catalogue })).toMatchObject([
			{ code: 'unknown-component-type', severity: 'warning', path: 'exporters.otlphttp', line: 6, column: 3 },
		]);
	});
});

describe('what a diff means', () => {
	it('another endpoint is data sent elsewhere, and nothing else', () => {
		const after = documentOf(yaml('endpoint: https://b.example.com'));
		const edits = diffConfigs(before, after);
		expect(edits.map(showEdit)).toEqual([
			{
				op: 'change',
				path: 'exporters.otlphttp.endpoint',
				before: 'https://a.example.com',
				after: 'https://b.example.com',
				kind: 'exporter',
				pipelines: ['traces'],
			},
		]);
		expect(endpointEdits(edits, { before, after })).toEqual(edits);
		expect(managementPathEdits(edits, { before, after })).toEqual([]);
		expect(removedPipelines(edits)).toEqual([]);
	});

	it.each([
		['the opamp extension', (text: string) => text.replace('wss://fleet', 'wss://other')],
		['which extensions run', (text: string) => text.replace('  extensions: [opamp]\n', '')],
		[
			'a proxy',
			(text: string) => text.replace('    endpoint: https', '    proxy_url: http://proxy:3128\n    endpoint: https'),
		],
	])('%s is the management path', (_, change) => {
		const body = change(yaml('endpoint: https://a.example.com'));
		expect(managementPathEdits(diffTo(body), { before, after: documentOf(body) })).toHaveLength(1);
		const findings = validateConfig([{ name: '', body }], { previous: before });
		expect(findings.map(({ code }) => code)).toContain('management-path-changed');
	});

	it('a pipeline that goes is named', () => {
		const more = documentOf(
			yaml('endpoint: https://a.example.com', '    logs: {receivers: [otlp], exporters: [otlphttp]}\n'),
		);
		expect(removedPipelines(diffConfigs(more, before))).toEqual(['logs']);
		expect(removedPipelines(diffConfigs(before, more))).toEqual([]);
	});

	it('a secret that changed is shown as changed, and never printed', () => {
		const secret = (value: string) => yaml(`endpoint: https://a.example.com\n    headers: {authorization: "${value}"}`);
		const edits = diffConfigs(documentOf(secret('Bearer one')), documentOf(secret('Bearer two')));
		expect(edits.map(showEdit)).toMatchObject([{ op: 'change', before: '(hidden)', after: '(hidden)' }]);
		const whole = diffTo(secret('Bearer one').replaceAll('otlphttp', 'otlphttp/token'));
		expect(JSON.stringify(whole.map(showEdit))).not.toContain('one');
		expect(JSON.stringify(whole.map(showEdit))).toContain('https://a.example.com');
		expect(showEditOf(secret('${env:TOKEN}'))).toContain('${env:TOKEN}');
	});

	const showEditOf = (body: string): string => JSON.stringify(diffTo(body).map(showEdit));

	it('lists that are sets are told item by item, others by place or order', () => {
		const list = (text: string) =>
			documentOf(`a: {list: [${text}]}\nservice: {pipelines: {logs: {receivers: [${text}]}}}`);
		const told = diffConfigs(list('x, y, z'), list('z, x, y')).map(({ op, keys }) => [op, keys.join('.')]);
		expect(told).toEqual([['reorder', 'a.list']]);
		const gone = diffConfigs(list('x, y, z'), list('x, z')).map(({ op, keys }) => [op, keys.join('.')]);
		expect(gone).toEqual([
			['remove', 'a.list.1'],
			['remove', 'service.pipelines.logs.receivers.y'],
		]);
	});
});

describe('a secret that comes with a whole component', () => {
	it.each(['password', 'pwd', 'api_key', 'instrumentation_key', 'x-honeycomb-team', 'signing_key', 'bearer_token'])(
		'is hidden under %s, whether it comes or goes',
		(key) => {
			const more = documentOf(
				`${yaml('endpoint: https://a.example.com')}processors: {x: {deep: [{${key}: open-sesame}]}}`,
			);
			for (const edits of [diffConfigs(before, more), diffConfigs(more, before)]) {
				expect(edits).toHaveLength(1);
				const shown = JSON.stringify(edits.map(showEdit));
				expect(shown).toContain('(hidden)');
				expect(shown).not.toContain('open-sesame');
			}
		},
	);
});

describe('a secret', () => {
	const exporter = (settings: string) => yaml(`endpoint: https://a.example.com\n    ${settings}`);
	const telemetry = (value: string) =>
		exporter('timeout: 1s').replace(
			'  pipelines:',
			`  telemetry: {metrics: {readers: [{periodic: {exporter: {otlp: {headers: [{name: api-key, value: ${value}}]}}}}]}}\n  pipelines:`,
		);
	const settings: readonly [string, (secret: string) => string][] = [
		['behind a name', (secret) => exporter(`headers: [{name: Authorization, value: "Bearer ${secret}"}]`)],
		['behind a key', (secret) => exporter(`actions: [{action: insert, key: api_key, value: ${secret}}]`)],
		['in the telemetry of the collector', telemetry],
		['that is the default of a reference', (secret) => exporter(`token: "\${env:TOKEN:-${secret}}"`)],
		['as YAML within a reference', (secret) => exporter(`token: "\${yaml:${secret}}"`)],
		['before a reference', (secret) => exporter(`password: "${secret}\${env:X}"`)],
		['beside an escaped reference', (secret) => exporter(`password: "$\${x}${secret}"`)],
		['in a URL without a user', (secret) => exporter(`server: redis://:${secret}@h:6379`)],
		['in a URL, with an @', (secret) => exporter(`server: https://u:p@${secret}@h`)],
		['in a URL, with a /', (secret) => exporter(`server: https://u:p/${secret}@h/path`)],
		['in the query of a URL', (secret) => exporter(`server: https://h/?a=b&api_key=${secret}`)],
		['in a data source', (secret) => exporter(`datasource: "host=h user=u password=${secret}"`)],
		['in a signed URL', (secret) => exporter(`sas_url: https://h/?sig=${secret}`)],
		['that is called an id', (secret) => exporter(`secret_id: ${secret}`)],
	];

	it.each(settings)('%s is found, and printed in no edit', (_, body) => {
		const files = [{ name: '', body: body('open-1') }];
		expect(validateConfig(files).map(({ code }) => code)).toEqual(['literal-secret']);
		const changed = diffConfigs(documentOf(body('open-1')), documentOf(body('open-2')));
		expect(changed).toHaveLength(1);
		for (const edits of [changed, diffTo(body('open-1'))]) {
			const shown = JSON.stringify(edits.map(showEdit));
			expect(shown).toContain('(hidden)');
			expect(shown).not.toContain('open-');
		}
	});

	it('is hidden also where an item of a list was not one before', () => {
		const list = (name: string, value: string) => documentOf(exporter(`headers: [{name: ${name}, value: ${value}}]`));
		const edits = diffConfigs(list('Authorization', 'open-sesame'), list('x-version', '1.2'));
		expect(JSON.stringify(edits.map(showEdit))).not.toContain('open-sesame');
	});

	it.each([
		'token: ${env:TOKEN}',
		'token: "${TOKEN}"',
		'token: ${file:/run/secrets/token}',
		'headers: [{name: Authorization, value: "Bearer ${env:TOKEN}"}]',
		'headers: [{name: x-version, value: v1.2}]',
		'authorization: "Basic ${env:USER}:${env:PASSWORD}"',
		'server: "https://u:${env:PASSWORD}@h"',
		'server: https://h:8080/a@b',
		'server: "https://${env:HOST}:${env:PORT}/a@b"',
		'server: https://h/?token=${env:TOKEN}&page=2',
		'regex: password=\\S+',
	])('is none: %s', (setting) => {
		const body = exporter(setting);
		expect(validateConfig([{ name: '', body }])).toEqual([]);
		expect(showEditOf(body)).not.toContain('(hidden)');
	});

	const showEditOf = (body: string): string => JSON.stringify(diffTo(body).map(showEdit));
});

describe('a version beside the one before', () => {
	const files = (body: string) => [{ name: 'edge.yaml', body }];

	it('is said to have no effect when only its text differs', () => {
		const body = `# another text\n${yaml('endpoint: "https://a.example.com"')}`;
		expect(validateConfig(files(body), { previous: before })).toMatchObject([
			{ code: 'no-effect', severity: 'warning', file: 'edge.yaml', line: 2 },
		]);
	});

	it('has one when a value differs', () => {
		expect(validateConfig(files(yaml('endpoint: https://b.example.com')), { previous: before })).toEqual([]);
	});
});

describe('a moment', () => {
	const hashOf = (value: string) => semanticHash(documentOf(`a: ${value}`));

	it('is one however it is written, and not its text', () => {
		expect(hashOf('2024-01-01')).toBe(hashOf('2024-01-01T01:00:00.0+01:00'));
		expect(hashOf('2024-01-01')).not.toBe(hashOf('"2024-01-01"'));
		expect(hashOf('2024-01-01')).not.toBe(hashOf('"2024-01-01T00:00:00Z"'));
	});

	it('that became text is a change', () => {
		const header = (value: string) => documentOf(`exporters: {otlphttp: {headers: {x-version: ${value}}}}`);
		const edits = diffConfigs(header('2024-01-01'), header('"2024-01-01"'));
		expect(edits.map(showEdit)).toMatchObject([{ before: '2024-01-01T00:00:00Z', after: '2024-01-01' }]);
	});
});

describe('very much', () => {
	const many = Array.from({ length: 600 }, (_, index) => `nop/${index}: `).join(', ');

	it('is told in part, and what blocks publishing first', () => {
		const body = `${yaml('endpoint: https://a.example.com')}processors: {${many}}\nconnectors: {forward: }\n`;
		const findings = validateConfig([{ name: '', body: body.replace('[otlphttp]', '[otlphttp, forward]') }]);
		expect(findings).toHaveLength(500);
		expect(findings.filter(({ severity }) => severity === 'error')).toHaveLength(1);
		expect(findings[0]).toMatchObject({ code: 'connector-one-sided' });
	});

	it('in lists in lists is one change where the innermost differ', () => {
		const deep = (value: number) =>
			documentOf(`a: ${'['.repeat(60)}${Array.from({ length: 1_000 }, () => 1)},${value}${']'.repeat(60)}`);
		const edits = diffConfigs(deep(1), deep(2));
		expect(edits).toHaveLength(1);
		expect(edits[0]?.keys).toEqual(['a', ...Array.from({ length: 59 }, () => 0), 1_000]);
	});
});
