import type { Configuration, InputOf } from '@ampora/api-contract';
import { uuidShape } from '@ampora/api-contract';
import { type ConfigurationId, newId, ok } from '@ampora/runtime';
import { type ConfigurationRow, type Repositories, uniqueViolation } from '@ampora/store';
import { audit } from './audit.js';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { notFound, type Outcome, refuse } from './errors.js';
import type { ControlDeps } from './ports.js';
import { unitOfWork } from './unit_of_work.js';
import { toVersionSummary } from './version_view.js';

export async function findConfiguration(
	{ configurations }: Pick<Repositories, 'configurations'>,
	reference: string,
): Outcome<ConfigurationRow> {
	const row = await configurations.find(uuidShape.test(reference) ? { id: reference } : { name: reference });
	return row === null ? notFound('configuration', reference, 'ampora configs list') : ok(row);
}

async function toConfigurations(
	{ configurations }: Pick<Repositories, 'configurations'>,
	rows: readonly ConfigurationRow[],
): Promise<Configuration[]> {
	const overview = await configurations.versionOverview(rows.map(({ id }) => id));
	return rows.map(({ id, name, createdAt }) => {
		const versions = overview.get(id);
		const published = versions?.published ?? null;
		return {
			id,
			name,
			createdAt: createdAt.toISOString(),
			versions: versions?.count ?? 0,
			latest: versions === undefined ? null : toVersionSummary(versions.latest),
			latestPublished: published === null ? null : toVersionSummary(published),
		};
	});
}

async function view(repositories: Repositories, row: ConfigurationRow): Promise<Configuration> {
	const [shown] = await toConfigurations(repositories, [row]);
	if (shown === undefined) throw new Error('one configuration in, none out');
	return shown;
}

/** The one of that name, made when there is none. */
export async function ensureConfiguration(
	repositories: Repositories,
	caller: Caller,
	name: string,
): Promise<ConfigurationRow> {
	const existing = await repositories.configurations.find({ name });
	if (existing !== null) return existing;
	const id = newId<ConfigurationId>();
	await repositories.configurations.insert(id, name);
	await audit(repositories, caller, {
		action: 'Configuration.Created',
		entity: ['configuration', id],
		after: { name },
	});
	return ensureConfiguration(repositories, caller, name);
}

export const configurationUseCases = ({ store }: ControlDeps) => ({
	async createConfiguration(caller: Caller, { name }: InputOf<'createConfiguration'>): Outcome<Configuration> {
		try {
			return await unitOfWork(store, async (repositories) => {
				const row = await repositories.configurations.find({ name });
				if (row !== null) return exists(name);
				return ok(await view(repositories, await ensureConfiguration(repositories, caller, name)));
			});
		} catch (error) {
			if (uniqueViolation(error) !== undefined) return exists(name);
			throw error;
		}
	},

	async listConfigurations(_: Caller, { limit, cursor }: InputOf<'listConfigurations'>) {
		const after = textAfter(cursor);
		if (!after.ok) return after;
		const rows = await store.configurations.list(limit + 1, after.value);
		const page = rows.slice(0, limit);
		const items = await toConfigurations(store, page);
		return ok({ items, nextCursor: rows.length > limit ? textCursor(page.at(-1)?.name ?? '') : null });
	},

	async getConfiguration(_: Caller, { configuration }: InputOf<'getConfiguration'>): Outcome<Configuration> {
		const found = await findConfiguration(store, configuration);
		return found.ok ? ok(await view(store, found.value)) : found;
	},

	async deleteConfiguration(
		caller: Caller,
		{ configuration }: InputOf<'deleteConfiguration'>,
	): Outcome<Record<string, never>> {
		return unitOfWork(store, async (repositories) => {
			const found = await findConfiguration(repositories, configuration);
			if (!found.ok) return found;
			const { id, name } = found.value;
			if (!(await repositories.configurations.deleteWithDrafts(id))) {
				return refuse('configuration-in-use', `configuration "${name}" has versions that were published`, {
					details: { configuration: name },
				});
			}
			await audit(repositories, caller, {
				action: 'Configuration.Deleted',
				entity: ['configuration', id],
				before: { name },
			});
			return ok({});
		});
	},
});

const exists = (name: string) =>
	refuse('already-exists', `there is a configuration "${name}" already`, {
		details: { name },
		action: 'Create a version of it, or choose another name.',
	});
