// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
import { describe, expect, it } from 'vitest';
import { textDiff } from './text_diff.js';

const diff = (before: string, after: string): string => textDiff(new Map([['', before]]), new Map([['', after]]));
const exporter = (settings: string): string =>
	`exporters:\n  otlphttp:\n    endpoint: https://a.example.com\n${settings}`;

/** The lines that went and came. */
const changes = (text: string): string[] => text.split('\n').filter((line) => /^[+-](?![+-]{2} )/.test(line));

describe('the text diff of two versions', () => {
	it('shows what is no secret as it is', () => {
		const text = diff(exporter('    timeout: 1s # soon\n'), exporter('    timeout: 2s\n'));
		expect(text).toMatch(/^--- config\n\+\+\+ config\n@@ -1,4 \+1,4 @@\n exporters:\n/);
		expect(changes(text)).toEqual(['-    timeout: 1s # soon', '+    timeout: 2s']);
		expect(diff(exporter('    headers: {token: a}'), exporter('    headers: {token: a}'))).toBe('');
	});

	it.each([
		['a key', '    password: hunter1\n', '    password: hunter2\n', '    password: '],
		[
			'a name',
			'    headers: [{name: api-key, value: "hunter1"}]\n',
			'    headers: [{name: api-key, value: "hunter2"}]\n',
			'    headers: [{name: api-key, value: ',
		],
		['a URL', '    proxy: "redis://:hunter1@h"\n', '    proxy: "redis://:hunter2@h"\n', '    proxy: "redis://:'],
		[
			'a query',
			'    proxy: https://h/?token=hunter1\n',
			'    proxy: https://h/?token=hunter2\n',
			'    proxy: https://h/?token=',
		],
		['a default', '    token: ${env:T:-hunter1}\n', '    token: ${env:T:-hunter2}\n', '    token: '],
	])('says that a secret under %s changed, and prints neither', (_, before, after, start) => {
		const text = diff(exporter(before), exporter(after));
		expect(text).not.toContain('hunter');
		const [went, came, ...rest] = changes(text);
		expect(went?.startsWith(`-${start}(hidden)`)).toBe(true);
		expect(came?.startsWith(`+${start}(hidden, changed)`)).toBe(true);
		expect(rest).toEqual([]);
	});

	it('keeps the lines of a secret over several', () => {
		const key = (text: string) => exporter(`    key_pem: |\n      ${text}\n      ${text}2\n    timeout: 1s\n`);
		const text = diff(key('hunter1'), key('hunter2'));
		expect(text).not.toContain('hunter');
		expect(text).toContain('@@ -1,7 +1,7 @@');
		expect(changes(text)).toHaveLength(6);
	});

	it('does not say changed of a secret that stayed or is new', () => {
		const stayed = diff(exporter('    h: {token: hunter1, x: 1}\n'), exporter('    h: {token: hunter1, x: 2}\n'));
		expect(changes(stayed)).toEqual(['-    h: {token: (hidden), x: 1}', '+    h: {token: (hidden), x: 2}']);
		expect(changes(diff(exporter(''), exporter('    token: hunter1\n')))).toEqual(['+    token: (hidden)']);
	});

	it('tells apart secrets that moved together with what they are for', () => {
		const two = (a: string, b: string) =>
			`exporters:\n  otlp/${a}:\n    token: ${a}secret\n  otlp/${b}:\n    token: ${b}secret\n`;
		expect(changes(diff(two('a', 'b'), two('b', 'c')))).toHaveLength(4);
	});

	it('hides a secret that went into a comment, and one behind an anchor', () => {
		const text = diff(exporter('    token: correcthorse\n'), exporter('    # token: correcthorse\n'));
		expect(changes(text)).toEqual(['-    token: (hidden)', '+    # token: (hidden)']);
		const anchored = (secret: string) => exporter(`    timeout: &t ${secret}\n    token: *t\n`);
		expect(diff(anchored('hunter1'), anchored('hunter2'))).not.toContain('hunter');
	});

	it('shows nothing of a document that no agent reads, but that it changed', () => {
		const text = diff(exporter('---\ntoken: hunter1\n'), exporter('---\ntoken: hunter2\n'));
		expect(changes(text)).toEqual(['-(hidden)', '+(hidden, changed)']);
	});
});
