/** One code per thing that can be wrong with a configuration; stable, because people filter and script on them. */
export type FindingCode =
	| 'yaml-syntax'
	| 'not-utf8'
	| 'several-documents'
	| 'duplicate-key'
	| 'bad-key'
	| 'unknown-alias'
	| 'not-a-mapping'
	| 'empty-file'
	| 'empty-config'
	| 'too-large'
	| 'too-deep'
	| 'too-many-values';

/** `error` blocks publishing; `warning` is shown and does not. */
export type Severity = 'error' | 'warning';

/** Where something stands in a file. Lines and columns count from 1; columns are UTF-16 units. */
export interface Position {
	readonly file: string;
	readonly line: number;
	readonly column: number;
}

export interface Finding extends Position {
	readonly code: FindingCode;
	readonly severity: Severity;
	/** The setting concerned, as `formatPath` writes it; '' when the finding is about the file. */
	readonly path: string;
	readonly message: string;
	/** What a person can do about it. */
	readonly fix: string;
}

/** Steps from the root of a configuration: keys of maps and indexes of lists. */
export type Path = readonly (string | number)[];

/** `service.pipelines.traces.receivers[0]`; a key that would be ambiguous is quoted: `headers["a.b"]`. */
export function formatPath(path: Path): string {
	let text = '';
	for (const step of path) {
		if (typeof step === 'number') text += `[${step}]`;
		else if (!/^[^\s.[\]"]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
		else text += text === '' ? step : `.${step}`;
	}
	return text;
}

const severities: Partial<Record<FindingCode, Severity>> = { 'empty-file': 'warning' };

const fixes: Record<FindingCode, string> = {
	'yaml-syntax': 'Correct the YAML at this place.',
	'not-utf8': 'Save the file as UTF-8.',
	'several-documents':
		'Keep one document per file: a collector reads only the first. Put the others in files of their own.',
	'duplicate-key': 'Remove or rename one of the two.',
	'bad-key': 'Use plain text as the key.',
	'unknown-alias': 'Define the anchor above its use, and not around it.',
	'not-a-mapping': 'Start the file with keys such as receivers:, exporters: and service:.',
	'empty-file': 'Remove the file, or fill it.',
	'empty-config': 'Add at least one setting; an empty configuration stops a collector and is never sent.',
	'too-large': 'Split the configuration, or move bulky parts to files that the collector reads itself.',
	'too-deep': 'Nest less.',
	'too-many-values': 'Use fewer settings, or fewer aliases of large anchors.',
};

export function finding(code: FindingCode, at: Position, message: string, path: Path = []): Finding {
	const { file, line, column } = at;
	const severity = severities[code] ?? 'error';
	return { code, severity, file, line, column, path: formatPath(path), message, fix: fixes[code] };
}

export const startOf = (file: string): Position => ({ file, line: 1, column: 1 });
