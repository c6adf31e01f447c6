// What differs between two versions.
import type { ConfigEdit, InputOf, VersionComparison } from '@ampora/api-contract';
import {
	type ConfigDocument,
	diffConfigs,
	type Edit,
	endpointEdits,
	managementPathEdits,
	removedPipelines,
	showEdit,
} from '@ampora/collector-config';
import { ok } from '@ampora/runtime';
import type { VersionRow } from '@ampora/store';
import { createTwoFilesPatch } from 'diff';
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';
import { bodyOf, refOf } from './version_view.js';
import { documentOf, findVersion, versionAt } from './versions.js';

function toEdit(edit: Edit): ConfigEdit {
	const { op, path, before, after, kind, pipelines } = showEdit(edit);
	return {
		...{ op, path, kind, pipelines: [...pipelines] },
		before: edit.before === null ? null : JSON.stringify(before),
		after: edit.after === null ? null : JSON.stringify(after),
	};
}

const pathsOf = (edits: readonly Edit[]): string[] => edits.map((edit) => showEdit(edit).path);

/** Past so many differing lines, all files together, a file is told as replaced: finding the least diff takes time with their square. */
const differingLinesMax = 2_000;

/** File by file in name order; files that are the same are left out. */
function textDiff(from: VersionRow, to: VersionRow): string {
	const textOf = (row: VersionRow) => new Map(row.files.map((file) => [file.name, bodyOf(file).toString('utf8')]));
	const [before, after] = [textOf(from), textOf(to)];
	const names = [...new Set([...before.keys(), ...after.keys()])].sort();
	let effort = differingLinesMax ** 2;
	return names
		.filter((name) => before.get(name) !== after.get(name))
		.map((name) => {
			const linesMax = Math.floor(Math.sqrt(effort));
			const patch = patchOf(name || 'config', before.get(name) ?? '', after.get(name) ?? '', linesMax);
			effort -= (patch === null ? linesMax : differingLines(patch)) ** 2;
			return patch ?? `--- ${name}\n+++ ${name}\n(too many lines differ)\n`;
		})
		.join('');
}

function patchOf(name: string, before: string, after: string, linesMax: number): string | null {
	const options = { context: 3, maxEditLength: linesMax };
	const patch = createTwoFilesPatch(name, name, before, after, undefined, undefined, options);
	// It begins with a title and a ruler that no tool needs.
	return patch?.replace(/^(Index:.*\n)?=+\n/, '') ?? null;
}

/** Of a patch with its two lines of head. */
const differingLines = (patch: string): number => Math.max(0, (patch.match(/^[+-]/gm)?.length ?? 0) - 2);

interface ReadVersion {
	readonly row: VersionRow;
	readonly document: ConfigDocument;
}

/** The differences of two versions as every interface shows them. */
export function comparisonOf(from: ReadVersion, to: ReadVersion): VersionComparison {
	const edits = diffConfigs(from.document, to.document);
	return {
		from: refOf(from.row),
		to: refOf(to.row),
		sameMeaning: edits.length === 0,
		edits: edits.map(toEdit),
		managementPath: pathsOf(managementPathEdits(edits)),
		endpoints: pathsOf(endpointEdits(edits)),
		removedPipelines: [...removedPipelines(edits)],
		text: textDiff(from.row, to.row),
	};
}

export const comparisonUseCases = ({ store }: ControlDeps) => ({
	async compareVersions(_: Caller, input: InputOf<'compareVersions'>): Outcome<VersionComparison> {
		const to = await versionAt(store, input);
		if (!to.ok) return to;
		const from = await findVersion(store, input.from ?? `${to.value.configuration}@${to.value.number - 1}`);
		if (!from.ok) return from;
		const [left, right] = [documentOf(from.value), documentOf(to.value)];
		if (!left.ok) return left;
		if (!right.ok) return right;
		return ok(comparisonOf({ row: from.value, document: left.value }, { row: to.value, document: right.value }));
	},
});
