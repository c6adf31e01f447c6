// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the collector's own notation
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
	| 'too-many-values'
	| 'unknown-setting'
	| 'not-a-list'
	| 'no-pipelines'
	| 'pipeline-without-receiver'
	| 'pipeline-without-exporter'
	| 'unknown-signal'
	| 'undefined-component'
	| 'duplicate-processor'
	| 'bad-component-id'
	| 'unused-component'
	| 'unknown-component-type'
	| 'catalogue-unknown'
	| 'connector-one-sided'
	| 'connector-signal-mismatch'
	| 'extension-not-enabled'
	| 'literal-secret'
	| 'management-path-changed'
	| 'no-effect';

/** `error` blocks publishing; `warning` is shown and does not, like what agents of one group lack and others may have. */
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

/** A collector starts with these, or some do; whether it does what was meant is another question. */
const severities: Partial<Record<FindingCode, Severity>> = {
	'several-documents': 'warning',
	'empty-file': 'warning',
	'unused-component': 'warning',
	'unknown-component-type': 'warning',
	'catalogue-unknown': 'warning',
	'extension-not-enabled': 'warning',
	'literal-secret': 'warning',
	'management-path-changed': 'warning',
	'no-effect': 'warning',
};

const fixes: Record<FindingCode, string> = {
	'yaml-syntax': 'Correct the YAML at this place.',
	'not-utf8': 'Save the file as UTF-8.',
	'several-documents':
		'Keep one document per file: a collector reads only the first. Put the others in files of their own.',
	'duplicate-key': 'Remove or rename one of the two.',
	'bad-key': 'Use plain text as the key.',
	'unknown-alias': 'Define the anchor above its use, and not around it.',
	'not-a-mapping': 'Write a mapping; a file starts with keys such as receivers:, exporters: and service:.',
	'empty-file': 'Remove the file, or fill it.',
	'empty-config': 'Add at least one setting; an empty configuration stops a collector and is never sent.',
	'too-large': 'Split the configuration, or move bulky parts to files that the collector reads itself.',
	'too-deep': 'Nest less.',
	'too-many-values': 'Use fewer settings, or fewer aliases of large anchors.',
	'unknown-setting': 'Correct the name, or remove it: a collector refuses settings it does not know.',
	'not-a-list': 'Write a list, like [otlp] or one "- otlp" per line.',
	'no-pipelines': 'Add a pipeline under service.pipelines; without one a collector does not start.',
	'pipeline-without-receiver': 'Name at least one receiver, or remove the pipeline.',
	'pipeline-without-exporter': 'Name at least one exporter, or remove the pipeline.',
	'unknown-signal':
		'Name the pipeline traces, metrics, logs or profiles, with /name behind it where there are several.',
	'undefined-component': 'Configure the component, or correct its name here.',
	'duplicate-processor': 'Remove one of the two, or configure it a second time under another name.',
	'bad-component-id': 'Write type or type/name, like otlp or otlp/backup.',
	'unused-component': 'Use it in a pipeline, or remove it: a collector ignores it.',
	'unknown-component-type': 'Use a component the agents have, or roll out to agents of another distribution.',
	'catalogue-unknown': 'Have the agents report their available components, or try the version on one agent first.',
	'connector-one-sided': 'Make it the exporter of one pipeline and the receiver of another.',
	'connector-signal-mismatch': 'Connect pipelines of signals this connector joins, or use another connector.',
	'extension-not-enabled': 'Add it to service.extensions, or remove it.',
	'literal-secret': 'Write ${env:NAME} or ${file:/path} and give the agents the secret that way.',
	'management-path-changed':
		'Make sure agents still reach their server; the first step of a rollout will be one agent.',
	'no-effect': 'Nothing need be rolled out; a rollout leaves alone who applied what means the same.',
};

export function finding(code: FindingCode, at: Position, message: string, path: Path = []): Finding {
	const { file, line, column } = at;
	const severity = severities[code] ?? 'error';
	return { code, severity, file, line, column, path: formatPath(path), message, fix: fixes[code] };
}

export const startOf = (file: string): Position => ({ file, line: 1, column: 1 });
