import { type ConfigDocument, type ConfigFile, type ConfigLimits, defaultLimits } from './document.js';
import { type Finding, finding, startOf } from './findings.js';
import { mergeFiles } from './merge.js';
import { parseFile } from './parse_file.js';

/** `findings` beside a document are warnings; without one, at least one of them is an error. */
export type ParsedConfig =
	| { readonly ok: true; readonly document: ConfigDocument; readonly findings: readonly Finding[] }
	| { readonly ok: false; readonly findings: readonly Finding[] };

/** Parses every file and merges them as the collector does. Never throws on bad input. */
export function parseConfig(files: readonly ConfigFile[], limits: ConfigLimits = defaultLimits): ParsedConfig {
	const bytes = files.reduce((sum, file) => sum + file.body.length, 0);
	if (bytes > limits.bytesMax) {
		const message = `the configuration has ${bytes} bytes, more than the ${limits.bytesMax} allowed`;
		return { ok: false, findings: [finding('too-large', startOf(files[0]?.name ?? ''), message)] };
	}
	const parsed = files.map((file) => parseFile(file, limits));
	const findings = parsed.flatMap((file) => file.findings);
	if (findings.some(({ severity }) => severity === 'error')) return { ok: false, findings };
	const root = mergeFiles(parsed.flatMap(({ name, root }) => (root === undefined ? [] : [{ name, root }])));
	if (root === undefined) {
		const empty = finding('empty-config', startOf(files[0]?.name ?? ''), 'the configuration has no settings');
		return { ok: false, findings: [empty] };
	}
	return { ok: true, document: { root }, findings };
}

/** What is wrong with a configuration, for the person about to publish it; any `error` blocks publishing. */
export function validateConfig(files: readonly ConfigFile[], limits: ConfigLimits = defaultLimits): readonly Finding[] {
	return parseConfig(files, limits).findings;
}
