interface FindingLike {
	readonly message?: unknown;
	readonly file?: unknown;
	readonly line?: unknown;
	readonly column?: unknown;
	readonly severity?: unknown;
	readonly fix?: unknown;
}

/** `collector.yaml:4:1: error: what is wrong. How to put it right.` `only` is the name of a configuration of one file. */
export function findingText({ file, line, column, severity, message, fix }: FindingLike, only = 'config'): string {
	const what = String(message);
	const sentence = /[.!?]$/.test(what) ? what : `${what}.`;
	const weight = severity === undefined ? '' : `${severity}: `;
	return `${file || only}:${line}:${column}: ${weight}${sentence}${fix ? ` ${fix}` : ''}`;
}
