import { semanticHash } from './canonical.js';
import { type ComponentContext, componentFindings } from './component_findings.js';
import { managementPathEdits } from './concerns.js';
import { diffConfigs } from './diff.js';
import { type ConfigDocument, type ConfigFile, type ConfigLimits, defaultLimits } from './document.js';
import { type Finding, finding, formatPath, startOf } from './findings.js';
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

/** What else is known of where a configuration goes. */
export interface ValidationContext extends ComponentContext {
	readonly limits?: ConfigLimits;
	/** What the agents run now, where they run one: its diff is looked at. */
	readonly previous?: ConfigDocument;
}

/** What is wrong with a configuration, for the person about to publish it; any `error` blocks publishing. */
export function validateConfig(files: readonly ConfigFile[], context: ValidationContext = {}): readonly Finding[] {
	const parsed = parseConfig(files, context.limits);
	if (!parsed.ok) return parsed.findings;
	const { document } = parsed;
	return [...parsed.findings, ...componentFindings(document, context), ...findingsSince(document, context)];
}

function findingsSince(document: ConfigDocument, { previous }: ValidationContext): readonly Finding[] {
	if (previous === undefined) return [];
	if (semanticHash(previous) === semanticHash(document)) {
		const message = 'this means the same as the version published before: only its text differs, if anything';
		return [finding('no-effect', document.root.at, message)];
	}
	const change = { before: previous, after: document };
	return managementPathEdits(diffConfigs(previous, document), change).map(({ op, keys, after }) => {
		const message = `${formatPath(keys)}: ${op} can cut an agent off from its server`;
		return finding('management-path-changed', (after ?? document.root).at, message, keys);
	});
}
