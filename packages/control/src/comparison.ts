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
import type { Caller } from './caller.js';
import type { Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';
import { type FileTexts, textDiff } from './text_diff.js';
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

const textOf = ({ files }: VersionRow): FileTexts =>
	new Map(files.map((file) => [file.name, bodyOf(file).toString('utf8')]));

interface ReadVersion {
	readonly row: VersionRow;
	readonly document: ConfigDocument;
}

/** The differences of two versions as every interface shows them. */
export function comparisonOf(from: ReadVersion, to: ReadVersion): VersionComparison {
	const change = { before: from.document, after: to.document };
	const edits = diffConfigs(change.before, change.after);
	return {
		from: refOf(from.row),
		to: refOf(to.row),
		sameMeaning: edits.length === 0,
		edits: edits.map(toEdit),
		managementPath: pathsOf(managementPathEdits(edits, change)),
		endpoints: pathsOf(endpointEdits(edits, change)),
		removedPipelines: [...removedPipelines(edits)],
		text: textDiff(textOf(from.row), textOf(to.row)),
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
