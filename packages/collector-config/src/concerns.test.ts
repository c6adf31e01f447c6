import { describe, expect, it } from 'vitest';
import { endpointEdits, managementPathEdits } from './concerns.js';
import { diffConfigs } from './diff.js';
import type { ConfigDocument } from './document.js';
import { formatPath } from './findings.js';
import { parseConfig } from './parse.js';

const documentOf = (body: string): ConfigDocument => {
	const parsed = parseConfig([{ name: '', body }]);
	if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
	return parsed.document;
};

type Concern = typeof endpointEdits;

/** Paths of the edits between two texts that are of a concern. */
function pathsOf(concern: Concern, from: string, to: string): readonly string[] {
	const change = { before: documentOf(from), after: documentOf(to) };
	const edits = diffConfigs(change.before, change.after);
	expect(edits.length).toBeGreaterThan(0);
	return concern(edits, change).map(({ keys }) => formatPath(keys));
}

describe('the management path', () => {
	const management = (from: string, to: string) => pathsOf(managementPathEdits, from, to);
	const opamp = (auth: string, token: string) =>
		`extensions: {opamp/fleet: {server: {ws: {endpoint: "wss://a", ${auth}}}}, bearertokenauth: {token: ${token}}, other: {token: ${token}}}`;

	it.each(['auth: bearertokenauth', 'auth: {authenticator: bearertokenauth}', 'auth: " bearertokenauth "'])(
		'is also what the server asks for, named by %s',
		(auth) => {
			expect(management(opamp(auth, 'a'), opamp(auth, 'b'))).toEqual(['extensions.bearertokenauth.token']);
		},
	);

	it('is what was asked for before, too', () => {
		const before = opamp('auth: bearertokenauth', 'a');
		expect(management(before, 'extensions: {opamp/fleet: {server: {ws: {endpoint: "wss://a"}}}}')).toEqual([
			'extensions.bearertokenauth',
			'extensions.opamp/fleet.server.ws.auth',
		]);
	});

	it('is a proxy that is set', () => {
		const exporter = (settings: string) => `exporters: {otlphttp: {timeout: 1s, ${settings}}}`;
		const path = 'exporters.otlphttp.proxy_url';
		expect(management(exporter(''), exporter('proxy_url: http://p'))).toEqual([path]);
		expect(management('receivers: {nop: }', `receivers: {nop: }\n${exporter('proxy_url: http://p')}`)).toEqual([
			'exporters',
		]);
	});

	it.each([
		['receivers: {haproxy: {endpoint: a}}', 'receivers: {haproxy: {endpoint: b}}'],
		['receivers: {nop: }', 'receivers: {nop: }\nexporters: {otlp/proxy: {timeout: 1s}}'],
		['exporters: {otlp/proxy: {timeout: 1s}}', 'exporters: {otlp/proxy: {timeout: 2s}}'],
		['service: {pipelines: {logs: {exporters: [a]}}}', 'service: {pipelines: {logs: {exporters: [otlp/proxy]}}}'],
		['service: {pipelines: {logs/proxy: {exporters: [a]}}}', 'service: {pipelines: {logs/proxy: {exporters: [b]}}}'],
	])('is not what people call a component or a pipeline: %s', (from, to) => {
		expect(management(from, to)).toEqual([]);
	});
});

describe('data that goes elsewhere', () => {
	const endpoints = (from: string, to: string) => pathsOf(endpointEdits, from, to);
	const pipelines = (service: string) => `
exporters:
  otlp/a: {endpoint: "a:4317", timeout: 1s}
  otlp/a2: {endpoint: "a:4317", timeout: 2s}
  otlp/b: {endpoint: "b:4317"}
  zipkin: {endpoint: "http://a:9411"}
  debug:
connectors: {forward: }
service:
  pipelines: ${service}
`;
	const traces = (exporters: string) => pipelines(`{traces: {receivers: [nop], exporters: [${exporters}]}}`);
	const path = 'service.pipelines.traces.exporters';

	it.each([
		['otlp/a', 'otlp/b', [`${path}.otlp/b`]],
		['otlp/a', 'otlp/a, " otlp/b "', [`${path}[" otlp/b "]`]],
		['otlp/a', 'zipkin', [`${path}.zipkin`]],
		['otlp/a', 'otlp/a2', []],
		['otlp/a', 'otlp/a, debug, forward', []],
		['otlp/a, otlp/b', 'otlp/b', []],
	])('is a pipeline that sends to %s and then to %s', (from, to, paths) => {
		expect(endpoints(traces(from), traces(to))).toEqual(paths);
	});

	it('is a pipeline that comes, or is first given its exporters', () => {
		expect(endpoints(pipelines('{}'), traces('otlp/a'))).toEqual(['service.pipelines.traces']);
		expect(endpoints(pipelines('{traces: }'), traces('otlp/a'))).toEqual(['service.pipelines.traces']);
		expect(endpoints(pipelines('{}'), traces('debug'))).toEqual([]);
		expect(endpoints(traces('otlp/a'), pipelines('{}'))).toEqual([]);
	});

	const telemetry = (metrics: string) => `service: {telemetry: {metrics: ${metrics}, resource: {url: x}}}`;
	const reader = (kind: string, settings: string) =>
		telemetry(`{readers: [{${kind}: {exporter: {otlp: ${settings}}}}]}`);

	it('is the telemetry of the collector', () => {
		const at = 'service.telemetry.metrics.readers';
		const before = reader('periodic', '{endpoint: "https://a"}');
		expect(endpoints(before, reader('periodic', '{endpoint: "https://b"}'))).toEqual([
			`${at}[0].periodic.exporter.otlp.endpoint`,
		]);
		expect(endpoints(telemetry('{level: basic}'), before)).toEqual([at]);
		expect(endpoints('a: 1', `a: 1\n${before}`)).toEqual(['service']);
	});

	it('is not what is pulled from it, nor what it says of itself', () => {
		expect(endpoints(reader('pull', '{host: a}'), reader('pull', '{host: b}'))).toEqual([]);
		expect(endpoints(telemetry('{}'), telemetry('{}').replace('url: x', 'url: y'))).toEqual([]);
	});
});
