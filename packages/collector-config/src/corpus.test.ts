import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { FindingCode } from './findings.js';
import { validateConfig } from './parse.js';

/** Configurations as people write them; the first line of each says the codes of what is wrong with it. */
const folder = new URL('fixtures/corpus/', import.meta.url);
const corpus = readdirSync(folder)
	.filter((name) => name.endsWith('.yaml'))
	.map((name) => {
		const body = readFileSync(new URL(name, folder), 'utf8');
		const [, expected = ''] = /^# expects: (.*)$/m.exec(body) ?? [];
		return { name, body, expected: expected === 'none' ? [] : expected.split(' ').sort() };
	});

const findingsOf = (name: string, body: string) => validateConfig([{ name, body }]);

describe('configurations as people write them', () => {
	it('are many', () => {
		expect(corpus.length).toBeGreaterThanOrEqual(60);
	});

	it.each(corpus)('$name', ({ name, body, expected }) => {
		const findings = findingsOf(name, body);
		expect(findings.map(({ code }) => code).sort()).toEqual(expected);
		const lines = body.split('\n');
		for (const { file, line, column, message, fix } of findings) {
			expect(file).toBe(name);
			expect(line).toBeLessThanOrEqual(lines.length);
			expect(column).toBeGreaterThanOrEqual(1);
			expect(message.length * fix.length).toBeGreaterThan(0);
		}
	});

	it('show every finding that a configuration alone can have', () => {
		const codes: FindingCode[] = [
			...(['yaml-syntax', 'duplicate-key', 'undefined-component', 'unused-component', 'bad-component-id'] as const),
			...(['connector-one-sided', 'connector-signal-mismatch', 'pipeline-without-receiver'] as const),
			...(['pipeline-without-exporter', 'unknown-signal', 'extension-not-enabled', 'empty-config'] as const),
			'literal-secret',
		];
		const found = new Set(corpus.flatMap(({ name, body }) => findingsOf(name, body).map(({ code }) => code)));
		expect(codes.filter((code) => !found.has(code))).toEqual([]);
	});
});
