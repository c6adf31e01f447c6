import type { ConfigEdit, VersionComparison } from '@ampora/api-contract';

const signs: Readonly<Record<ConfigEdit['op'], string>> = { add: '+', remove: '-', change: '~', reorder: '↕' };
const valueMax = 120;

const short = (text: string): string => (text.length > valueMax ? `${text.slice(0, valueMax - 1)}…` : text);

/** `~ exporters.otlp.endpoint  "a:4317" → "b:4317"  [traces, logs]` */
function editText({ op, path, before, after, pipelines }: ConfigEdit): string {
	const values = [before, after].flatMap((value) => (value === null ? [] : [short(value)]));
	const where = pipelines.length === 0 ? [] : [`[${pipelines.join(', ')}]`];
	return [`${signs[op]} ${path}`, values.join(' → '), ...where].join('  ');
}

function warnings({ managementPath, endpoints, removedPipelines }: VersionComparison): string[] {
	const line = (what: string, paths: readonly string[]) =>
		paths.length === 0 ? [] : [`! ${what}: ${paths.join(', ')}`];
	return [
		...line('an agent may not find back to its server', managementPath),
		...line('data goes elsewhere', endpoints),
		...line('pipelines that end', removedPipelines),
	];
}

/** Warnings first, then the edits by meaning, then the text. */
export function comparisonText(comparison: VersionComparison): string {
	const { from, to, sameMeaning, edits, text } = comparison;
	const what = sameMeaning
		? 'the same meaning; no agent would run anything else'
		: `${edits.length} ${edits.length === 1 ? 'change' : 'changes'} of meaning`;
	const lines = [`${from} → ${to}: ${what}`, ...warnings(comparison), ...edits.map((edit) => `  ${editText(edit)}`)];
	return [...lines, ...(text === '' ? [] : ['', text])].join('\n').concat('\n');
}
