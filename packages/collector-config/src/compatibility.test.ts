import { describe, expect, test } from 'vitest';
import { compatibility, componentCatalogue, neededComponents } from './compatibility.js';
import { parseConfig } from './parse.js';

function documentOf(text: string) {
	const parsed = parseConfig([{ name: '', body: text }]);
	if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
	return parsed.document;
}

const document = documentOf(`
receivers: { otlp: , otlp/second: { protocols: { grpc: } }, kafka: { brokers: [b] } }
processors: { batch: }
exporters: { debug: , otlphttp/backend: { endpoint: "https://x" } }
extensions:
service: { pipelines: { traces: { receivers: [otlp], exporters: [debug] } } }
`);

const full = {
	receivers: ['otlp', 'kafka', 'nop'],
	processors: ['batch'],
	exporters: ['debug', 'otlphttp'],
	connectors: [],
	extensions: ['opamp'],
};

describe('what a configuration needs', () => {
	test('is the type of every component it configures, used or not, each once', () => {
		expect(neededComponents(document)).toEqual([
			'receivers/otlp',
			'receivers/kafka',
			'processors/batch',
			'exporters/debug',
			'exporters/otlphttp',
		]);
	});
	test('is nothing where it configures no component', () => {
		expect(neededComponents(documentOf('service: { telemetry: { logs: { level: info } } }'))).toEqual([]);
	});
});

describe('compatibility', () => {
	test('an agent that has all of it', () => {
		expect(compatibility(document, componentCatalogue(full))).toEqual({ kind: 'has' });
	});
	test('an agent that lacks some of it, named in order', () => {
		const lean = componentCatalogue({ ...full, receivers: ['otlp'], processors: [] });
		expect(compatibility(document, lean)).toEqual({
			kind: 'lacks',
			components: ['receivers/kafka', 'processors/batch'],
		});
	});
	test('a type counts in its own section only', () => {
		const wrong = componentCatalogue({ ...full, exporters: ['debug'], receivers: ['otlp', 'kafka', 'otlphttp'] });
		expect(compatibility(document, wrong)).toEqual({ kind: 'lacks', components: ['exporters/otlphttp'] });
	});
	test('unknown without a catalogue, and with one that lists no types', () => {
		expect(compatibility(document, null)).toEqual({ kind: 'unknown' });
		expect(componentCatalogue({})).toBeNull();
		expect(componentCatalogue({ receivers: [], exporters: [] })).toBeNull();
		expect(componentCatalogue({ packages: ['otlp'] })).toBeNull();
	});
});
