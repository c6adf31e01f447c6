import {
	type ConfigFinding,
	type FilesInput,
	type InputOf,
	uuidShape,
	type Validation,
	type Version,
	type VersionSummary,
} from '@ampora/api-contract';
import { type ConfigDocument, parseConfig, type ValidationContext, validateConfig } from '@ampora/collector-config';
import { newId, ok, type Result, type VersionId } from '@ampora/runtime';
import type { ConfigurationRow, Repositories, VersionRow } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { findConfiguration } from './configurations.js';
import { numberAfter, numberCursor } from './cursor.js';
import { type ControlError, notFound, type Outcome, refuse } from './errors.js';
import { groupCatalogue } from './group_catalogue.js';
import type { ControlDeps } from './ports.js';
import { unitOfWork } from './unit_of_work.js';
import { bodyOf, refOf, type StoredFiles, storedFiles, toVersion, toVersionSummary } from './version_view.js';

type VersionsOf = Pick<Repositories, 'configurations'>;

/** By id, or by `configuration@number`. */
export async function findVersion(repositories: VersionsOf, reference: string, lock = false): Outcome<VersionRow> {
	const { configurations } = repositories;
	const [, configuration, number] = /^(.+)@(\d{1,9})$/.exec(reference) ?? [];
	if (configuration === undefined && !uuidShape.test(reference)) {
		return refuse('invalid-argument', `"${reference}" names no version`, {
			details: { field: 'version' },
			action: 'Write configuration@number, like edge@3, or the id of a version.',
		});
	}
	const by = configuration === undefined ? { id: reference } : { configuration, number: Number(number) };
	const row = await configurations.findVersion(by, lock);
	return row === null ? notFound('version', reference, `ampora configs show ${configuration ?? '<name>'}`) : ok(row);
}

/** A version as addresses name it: configuration by name or id, and number. */
export async function versionAt(
	repositories: VersionsOf,
	{ configuration, number }: { configuration: string; number: number },
	lock = false,
): Outcome<VersionRow> {
	const found = await findConfiguration(repositories, configuration);
	return found.ok ? findVersion(repositories, `${found.value.name}@${number}`, lock) : found;
}

/** Its files, read and merged as a collector would. */
export function documentOf(row: VersionRow): Awaited<Outcome<ConfigDocument>> {
	const parsed = parseConfig(row.files.map((file) => ({ name: file.name, body: bodyOf(file) })));
	if (parsed.ok) return ok(parsed.document);
	return refuse('config-invalid', `version ${refOf(row)} cannot be read`, { details: { findings: parsed.findings } });
}

function refuseState(row: VersionRow, code: 'version-not-draft' | 'version-not-published' | 'version-not-deletable') {
	return refuse(code, `version ${refOf(row)} is ${row.state}`, { details: { version: refOf(row), state: row.state } });
}

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

const pointerTexts = {
	assignments: (n: number) => `assigned to ${counted(n, 'agent')}`,
	provenBy: (n: number) => `what ${counted(n, 'agent')} would go back to`,
	waysBack: (n: number) => `what ${counted(n, 'rollout')} can be rolled back to`,
	rollouts: (n: number) => `named in the record of ${counted(n, 'rollout')}`,
	defaults: (n: number) => `the default of ${counted(n, 'group')}`,
};

/** An archived version is a way back: it stays while anything leads to it. Null: nothing does. */
async function refusePointed({ configurations }: VersionsOf, row: VersionRow) {
	const pointers = await configurations.pointersTo(row.id as VersionId);
	const reasons = (Object.keys(pointerTexts) as (keyof typeof pointerTexts)[])
		.filter((kind) => pointers[kind] > 0)
		.map((kind) => pointerTexts[kind](pointers[kind]));
	if (reasons.length === 0) return null;
	return refuse('version-in-use', `version ${refOf(row)} is still needed: it is ${reasons.join(', ')}`, {
		details: { version: refOf(row), ...pointers },
		action: 'Keep it; an archived version is rolled out to nobody and only serves as a way back.',
	});
}

export const findingsOf = (
	{ files }: Pick<StoredFiles, 'files'>,
	context: Pick<ValidationContext, 'catalogue' | 'previous'> = {},
): ConfigFinding[] =>
	validateConfig(
		files.map((file) => ({ name: file.name, body: bodyOf(file) })),
		context,
	)
		.map((finding) => ({ ...finding }))
		.sort((a, b) => Number(a.file > b.file) - Number(a.file < b.file) || a.line - b.line || a.column - b.column);

const toValidation = (findings: ConfigFinding[]): Validation => ({
	publishable: !findings.some(({ severity }) => severity === 'error'),
	findings,
});

/** With a group also what its agents lack, as warnings: that keeps nobody from publishing for another, and a plan names it as a risk. */
async function validationOf(
	repositories: Repositories,
	files: StoredFiles,
	{ group, ...since }: { group: string | undefined; previous?: ConfigDocument },
): Outcome<Validation> {
	const known = group === undefined ? ok(null) : await groupCatalogue(repositories, group);
	if (!known.ok) return known;
	if (known.value === null) return ok(toValidation(findingsOf(files, since)));
	const { common, incomplete } = known.value;
	const findings = findingsOf(files, { catalogue: common, ...since });
	const unknown = findingsOf(files, { catalogue: null }).filter(({ code }) => code === 'catalogue-unknown');
	return ok(toValidation(common !== null && incomplete ? [...findings, ...unknown] : findings));
}

/** What was published before it, as far as that can be read: what a change means shows beside it. */
async function sinceBefore({ configurations }: VersionsOf, row: VersionRow): Promise<{ previous?: ConfigDocument }> {
	const before = await configurations.publishedBefore(row);
	const document = before === null ? null : documentOf(before);
	return document?.ok ? { previous: document.value } : {};
}

/** Two files of one name would make one of them disappear. */
function readFiles(given: FilesInput): Result<StoredFiles, ControlError> {
	const names = (given.files ?? []).map(({ name }) => name);
	const twice = names.find((name, index) => names.indexOf(name) !== index);
	if (twice === undefined) return ok(storedFiles(given));
	return refuse('invalid-argument', `there are two files named "${twice}"`, {
		details: { field: 'files', name: twice },
	});
}

export async function createDraft(
	repositories: Repositories,
	caller: Caller,
	{ configuration, given }: { configuration: ConfigurationRow; given: FilesInput },
): Outcome<VersionRow> {
	const files = readFiles(given);
	if (!files.ok) return files;
	const row = await repositories.configurations.insertVersion({
		id: newId<VersionId>(),
		configurationId: configuration.id,
		createdBy: caller.actor,
		...files.value,
	});
	await audit(repositories, caller, {
		action: 'Version.Created',
		entity: ['version', row.id],
		after: { version: refOf(row), contentHash: toVersionSummary(row).contentHash },
	});
	return ok(row);
}

/** Makes a draft immutable, unless something in it is an error. */
export async function publishDraft(
	repositories: Repositories,
	caller: Caller,
	row: VersionRow,
): Outcome<{ version: VersionRow; findings: ConfigFinding[] }> {
	if (row.state !== 'Draft') return refuseState(row, 'version-not-draft');
	const { publishable, findings } = toValidation(findingsOf(row, await sinceBefore(repositories, row)));
	if (!publishable) {
		const first = findings.find(({ severity }) => severity === 'error');
		const where = first === undefined ? '' : `: ${describeFinding(first)}`;
		return refuse('config-invalid', `version ${refOf(row)} cannot be published${where}`, { details: { findings } });
	}
	await repositories.configurations.publish(row.id as VersionId);
	await audit(repositories, caller, {
		action: 'Version.Published',
		entity: ['version', row.id],
		before: { state: 'Draft' },
		after: { state: 'Published', version: refOf(row) },
	});
	const published = await findVersion(repositories, row.id);
	return published.ok ? ok({ version: published.value, findings }) : published;
}

const describeFinding = ({ file, line, column, message }: ConfigFinding): string =>
	`${file === '' ? 'line' : `${file}, line`} ${line}, column ${column}: ${message}`;

export const versionUseCases = ({ store }: ControlDeps) => ({
	async validateFiles(_: Caller, input: InputOf<'validateFiles'>): Outcome<Validation> {
		const files = readFiles(input);
		return files.ok ? validationOf(store, files.value, { group: input.group }) : files;
	},

	async createVersion(caller: Caller, input: InputOf<'createVersion'>): Outcome<VersionSummary> {
		return unitOfWork(store, async (repositories) => {
			const configuration = await findConfiguration(repositories, input.configuration);
			if (!configuration.ok) return configuration;
			const draft = await createDraft(repositories, caller, { configuration: configuration.value, given: input });
			return draft.ok ? ok(toVersionSummary(draft.value)) : draft;
		});
	},

	async listVersions(_: Caller, { configuration, limit, cursor }: InputOf<'listVersions'>) {
		const [found, before] = [await findConfiguration(store, configuration), numberAfter(cursor)];
		if (!found.ok) return found;
		if (!before.ok) return before;
		const rows = await store.configurations.listVersions(found.value.id, limit + 1, before.value);
		const page = rows.slice(0, limit);
		const nextCursor = rows.length > limit ? numberCursor(page.at(-1)?.number ?? 0) : null;
		return ok({ items: page.map(toVersionSummary), nextCursor });
	},

	async getVersion(_: Caller, input: InputOf<'getVersion'>): Outcome<Version> {
		const found = await versionAt(store, input);
		return found.ok ? ok(toVersion(found.value)) : found;
	},

	async updateVersion(caller: Caller, input: InputOf<'updateVersion'>): Outcome<VersionSummary> {
		const files = readFiles(input);
		if (!files.ok) return files;
		return unitOfWork(store, async (repositories) => {
			const found = await versionAt(repositories, input, true);
			if (!found.ok) return found;
			const { value: row } = found;
			if (!(await repositories.configurations.replaceDraftFiles(row.id as VersionId, files.value))) {
				return refuseState(row, 'version-not-draft');
			}
			const updated = await findVersion(repositories, row.id);
			if (!updated.ok) return updated;
			const [before, after] = [toVersionSummary(row), toVersionSummary(updated.value)];
			await audit(repositories, caller, {
				action: 'Version.Updated',
				entity: ['version', row.id],
				before: { contentHash: before.contentHash },
				after: { contentHash: after.contentHash },
			});
			return ok(after);
		});
	},

	async deleteVersion(caller: Caller, input: InputOf<'deleteVersion'>): Outcome<Record<string, never>> {
		return unitOfWork(store, async (repositories) => {
			const found = await versionAt(repositories, input, true);
			if (!found.ok) return found;
			const { value: row } = found;
			if (row.state === 'Published') return refuseState(row, 'version-not-deletable');
			const pointed = row.state === 'Archived' ? await refusePointed(repositories, row) : null;
			if (pointed !== null) return pointed;
			const { configurations } = repositories;
			const id = row.id as VersionId;
			await (row.state === 'Draft' ? configurations.deleteDraft(id) : configurations.deleteArchived(id));
			await audit(repositories, caller, {
				action: 'Version.Deleted',
				entity: ['version', row.id],
				before: { version: refOf(row), state: row.state },
			});
			return ok({});
		});
	},

	async validateVersion(_: Caller, input: InputOf<'validateVersion'>): Outcome<Validation> {
		const found = await versionAt(store, input);
		if (!found.ok) return found;
		return validationOf(store, found.value, { group: input.group, ...(await sinceBefore(store, found.value)) });
	},

	async publishVersion(caller: Caller, input: InputOf<'publishVersion'>) {
		return unitOfWork(store, async (repositories) => {
			const found = await versionAt(repositories, input, true);
			if (!found.ok) return found;
			const published = await publishDraft(repositories, caller, found.value);
			if (!published.ok) return published;
			const { version, findings } = published.value;
			return ok({ version: toVersionSummary(version), findings });
		});
	},

	async archiveVersion(caller: Caller, input: InputOf<'archiveVersion'>): Outcome<VersionSummary> {
		return unitOfWork(store, async (repositories) => {
			const found = await versionAt(repositories, input, true);
			if (!found.ok) return found;
			const { value: row } = found;
			if (row.state !== 'Published') return refuseState(row, 'version-not-published');
			const uses = await repositories.configurations.usesOf(row.id as VersionId);
			if (uses.assignments + uses.rollouts > 0) {
				const message = `version ${refOf(row)} is assigned to ${counted(uses.assignments, 'agent')} and used by ${counted(uses.rollouts, 'rollout')} under way`;
				return refuse('version-in-use', message, { details: { version: refOf(row), ...uses } });
			}
			await repositories.configurations.archive(row.id as VersionId);
			await audit(repositories, caller, {
				action: 'Version.Archived',
				entity: ['version', row.id],
				before: { state: 'Published' },
				after: { state: 'Archived' },
			});
			const archived = await findVersion(repositories, row.id);
			return archived.ok ? ok(toVersionSummary(archived.value)) : archived;
		});
	},
});
