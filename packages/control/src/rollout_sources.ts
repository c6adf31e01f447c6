// The versions a rollout names: where agents go, and where they go back to.
import { ok, type VersionId } from '@ampora/runtime';
import type { Repositories, VersionRow } from '@ampora/store';
import { type Outcome, refuse } from './errors.js';
import { refOf } from './version_view.js';
import { findVersion } from './versions.js';

/** The version to roll out must be one that never changes again; an archived one is kept for ways back only. `lock`: it is not archived at the same moment. */
export async function publishedVersion(
	repositories: Repositories,
	reference: string,
	lock = false,
): Outcome<VersionRow> {
	const found = await findVersion(repositories, reference, lock);
	return !found.ok || found.value.state === 'Published' ? found : refuseUnpublished(found.value);
}

export function refuseUnpublished(row: VersionRow) {
	const { state } = row;
	const action =
		state === 'Draft' ? `Publish it first: ampora configs publish ${refOf(row)}` : 'Choose a published version.';
	return refuse('version-not-published', `version ${refOf(row)} is ${state}, not Published`, {
		details: { version: refOf(row), state },
		action,
	});
}

export async function versionToReturnTo(
	repositories: Repositories,
	reference: string | undefined,
): Outcome<VersionId | null> {
	if (reference === undefined) return ok(null);
	const found = await findVersion(repositories, reference);
	if (!found.ok) return found;
	if (found.value.state !== 'Draft') return ok(found.value.id as VersionId);
	return refuse('version-not-published', `rollbackTo: version ${refOf(found.value)} is a draft`, {
		details: { version: refOf(found.value), state: 'Draft' },
	});
}
