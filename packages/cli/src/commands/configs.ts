import { basename } from 'node:path';
import type {
	AnswerOf,
	BodyOf,
	Configuration,
	Validation,
	VersionCompatibility,
	VersionSummary,
} from '@ampora/api-contract';
import type { Command } from 'commander';
import { CommandFailed, exitCodes } from '../exit_codes.js';
import type { Io } from '../io.js';
import { comparisonText } from '../output/comparison_text.js';
import { findingText } from '../output/finding_text.js';
import { facts, table, when } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession, type Session } from '../session.js';

const reference = /^(.+)@(\d{1,9})$/;

function versionParams(text: string): { configuration: string; number: number } {
	const [, configuration, number] = reference.exec(text) ?? [];
	if (configuration === undefined) {
		throw new CommandFailed(exitCodes.usage, `"${text}" names no version; write configuration@number, like edge@3`);
	}
	return { configuration, number: Number(number) };
}

/** One file is the configuration; of several, each keeps its name. */
export async function readConfigFiles(io: Io, paths: readonly string[]): Promise<BodyOf<'createVersion'>> {
	const read = async (path: string): Promise<string> => {
		try {
			return await io.readFile(path);
		} catch (error) {
			const why = error instanceof Error ? error.message : String(error);
			throw new CommandFailed(exitCodes.usage, `cannot read ${path}: ${why}`);
		}
	};
	const [only] = paths;
	if (paths.length === 1 && only !== undefined) return { yaml: await read(only) };
	return { files: await Promise.all(paths.map(async (path) => ({ name: basename(path), body: await read(path) }))) };
}

/** The configuration of that name, made when it is not there yet. */
async function ensureConfiguration(session: Session, name: string): Promise<Configuration> {
	const known = await collectPages(Number.MAX_SAFE_INTEGER, (query) => session.call('listConfigurations', { query }));
	return (
		known.find((configuration) => configuration.name === name) ??
		session.call('createConfiguration', { body: { name } })
	);
}

const createdText = ({ ref, state, contentHash }: VersionSummary): string =>
	`${ref} is ${state} (content ${contentHash.slice(0, 12)})\n`;

/** A draft may be wrong: how much of it is, and where that is shown. */
async function foundIn(session: Session, { ref }: VersionSummary): Promise<string> {
	if (session.json) return '';
	const { findings } = await session.call('validateVersion', { params: versionParams(ref) });
	const errors = findings.filter(({ severity }) => severity === 'error').length;
	if (errors === 0) return '';
	const [count, verb] = errors === 1 ? ['1 error', 'keeps'] : [`${errors} errors`, 'keep'];
	return `${count} ${verb} it from being published; ampora configs validate ${ref} shows them\n`;
}

const publishedText = ({ version, findings }: AnswerOf<'publishVersion'>, only: string): string =>
	[...findings.map((finding) => `${findingText(finding, only)}\n`), createdText(version)].join('');

/** What a configuration of one file is called in findings: as the caller named the file. */
const onlyName = ([path = 'config']: readonly string[]): string => (path === '-' ? 'stdin' : path);

const findingsText = ({ publishable, findings }: Validation, only: string): string =>
	[
		...findings.map((finding) => `${findingText(finding, only)}\n`),
		publishable ? 'It can be published.\n' : 'It cannot be published.\n',
	].join('');

const filesOption = (text: string, before: string[] = []): string[] => [...before, text];

async function publish(session: Session, target: string, paths: readonly string[]) {
	if (paths.length === 0) return session.call('publishVersion', { params: versionParams(target) });
	const body = await readConfigFiles(session.io, paths);
	// A draft that can never be published would only be in the way.
	const { publishable, findings } = await session.call('validateFiles', { body });
	if (!publishable) {
		const lines = findings.map((finding) => `\n  ${findingText(finding, onlyName(paths))}`);
		throw new CommandFailed(exitCodes.refused, `this cannot be published${lines.join('')}`);
	}
	const { name } = await ensureConfiguration(session, target);
	const { number } = await session.call('createVersion', { params: { configuration: name }, body });
	return session.call('publishVersion', { params: { configuration: name, number } });
}

export function addConfigs(program: Command, io: Io): void {
	const configs = program.command('configs').description('configurations and their versions');
	configs
		.command('create')
		.description('create a configuration, with a first draft when files are given')
		.argument('<name>')
		.option('-f, --file <path>', 'a file of the draft; repeat for several, - is standard input', filesOption)
		.action(
			inSession(io, async (session, name: string, { file = [] }: { file?: string[] }) => {
				if (file.length === 0) {
					const made = await session.call('createConfiguration', { body: { name } });
					return session.print(made, () => `${made.name} created\n`);
				}
				const body = await readConfigFiles(io, file);
				const { name: configuration } = await ensureConfiguration(session, name);
				const made = await session.call('createVersion', { params: { configuration }, body });
				const found = await foundIn(session, made);
				session.print(made, (version) => createdText(version) + found);
			}),
		);
	configs
		.command('list')
		.description('list configurations')
		.option('--limit <n>', 'at most so many', wholeNumber, 1000)
		.action(
			inSession(io, async (session, { limit }: { limit: number }) => {
				const items = await collectPages(limit, (query) => session.call('listConfigurations', { query }));
				session.print(items, (rows) =>
					table(rows, [
						{ title: 'NAME', value: ({ name }) => name },
						{ title: 'VERSIONS', value: ({ versions }) => versions, align: 'right' },
						{ title: 'LATEST', value: ({ latest }) => latest && `${latest.ref} (${latest.state})` },
						{ title: 'PUBLISHED', value: ({ latestPublished }) => latestPublished?.ref },
						{ title: 'CREATED', value: ({ createdAt }) => when(createdAt) },
					]),
				);
			}),
		);
	configs
		.command('publish')
		.description('publish a draft, or files as a new version')
		.argument('<target>', 'configuration@number of a draft; with --file: the name of a configuration')
		.option('-f, --file <path>', 'publish this file; repeat for several, - is standard input', filesOption)
		.action(
			inSession(io, async (session, target: string, { file = [] }: { file?: string[] }) => {
				session.print(await publish(session, target, file), (done) => publishedText(done, onlyName(file)));
			}),
		);
	configs
		.command('validate')
		.description('what is wrong with files, or with a version')
		.argument('<target...>', 'paths of files, or one configuration@number')
		.option('--group <group>', 'warn too of what the agents of this group lack')
		.action(
			inSession(io, async (session, targets: string[], query: { group?: string }) => {
				const [first = ''] = targets;
				const stored = targets.length === 1 && reference.test(first);
				const found = stored
					? await session.call('validateVersion', { params: versionParams(first), query })
					: await session.call('validateFiles', { body: { ...(await readConfigFiles(io, targets)), ...query } });
				session.print(found, (validation) => findingsText(validation, stored ? 'config' : onlyName(targets)));
				if (found.findings.some(({ severity }) => severity === 'error')) throw new CommandFailed(exitCodes.refused, '');
			}),
		);
	configs
		.command('show')
		.description('versions of a configuration, or the files of a version')
		.argument('<target>', 'a configuration, or configuration@number')
		.action(inSession(io, show));
	configs
		.command('edit')
		.description('replace the files of a draft')
		.argument('<version>', 'configuration@number')
		.requiredOption('-f, --file <path>', 'a file of the draft; repeat for several, - is standard input', filesOption)
		.action(
			inSession(io, async (session, version: string, { file }: { file: string[] }) => {
				const body = await readConfigFiles(io, file);
				const edited = await session.call('updateVersion', { params: versionParams(version), body });
				const found = await foundIn(session, edited);
				session.print(edited, (draft) => createdText(draft) + found);
			}),
		);
	configs
		.command('archive')
		.description('archive a published version no agent is assigned')
		.argument('<version>', 'configuration@number')
		.action(
			inSession(io, async (session, version: string) => {
				session.print(await session.call('archiveVersion', { params: versionParams(version) }), createdText);
			}),
		);
	configs
		.command('diff')
		.description('what differs between two versions, by meaning and in text, secrets hidden')
		.argument('<version>', 'configuration@number')
		.argument('[from]', 'configuration@number of the older one; default: the version before')
		.action(
			inSession(io, async (session, version: string, from?: string) => {
				const query = from === undefined ? {} : { from };
				const params = versionParams(version);
				session.print(await session.call('compareVersions', { params, query }), comparisonText);
			}),
		);
	configs
		.command('compatibility')
		.description('which agents have the components of a version, and what the others lack')
		.argument('<version>', 'configuration@number')
		.option('--group <group>', 'agents of this group; default: all')
		.option('--agent <agent>', 'this agent')
		.action(
			inSession(io, async (session, version: string, query: { group?: string; agent?: string }) => {
				const params = versionParams(version);
				session.print(await session.call('getVersionCompatibility', { params, query }), compatibilityText);
			}),
		);
	configs
		.command('delete')
		.description('delete a draft, an archived version nothing leads to, or a configuration of drafts alone')
		.argument('<target>', 'configuration@number, or a configuration')
		.action(
			inSession(io, async (session, target: string) => {
				const answer = reference.test(target)
					? await session.call('deleteVersion', { params: versionParams(target) })
					: await session.call('deleteConfiguration', { params: { configuration: target } });
				session.print(answer, () => `${target} deleted\n`);
			}),
		);
}

const compatibilityText = (found: VersionCompatibility): string =>
	[
		facts([
			['version', found.version],
			['needs', found.needs.join(', ')],
			['agents', found.agents],
			['have it all', found.has],
			['lack something', found.lacks],
			['unknown', found.unknown],
		]),
		...(found.missing.length === 0
			? []
			: [
					table(found.missing, [
						{ title: 'LACKING', value: ({ component }) => component },
						{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
						{ title: 'SUCH AS', value: ({ examples }) => examples[0] },
					]),
				]),
		table(found.builds, [
			{ title: 'TYPE', value: ({ distribution }) => distribution },
			{ title: 'VERSION', value: ({ version }) => version },
			{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
			{ title: 'FIT', value: ({ fit, lacks }) => (lacks.length === 0 ? fit : `lacks ${lacks.join(', ')}`) },
		]),
	].join('\n');

async function show(session: Session, target: string): Promise<void> {
	// Names have no @.
	if (target.includes('@')) {
		const version = await session.call('getVersion', { params: versionParams(target) });
		return session.print(version, ({ files }) =>
			files.map(({ name, body }) => `${files.length > 1 ? `# ${name}\n` : ''}${body}`).join('\n'),
		);
	}
	const params = { configuration: target };
	const configuration = await session.call('getConfiguration', { params });
	const versions = await collectPages(1000, (query) => session.call('listVersions', { params, query }));
	session.print({ ...configuration, items: versions }, ({ name, id, items }) =>
		[
			facts([
				['name', name],
				['id', id],
			]),
			table(items, [
				{ title: 'VERSION', value: ({ ref }) => ref },
				{ title: 'STATE', value: ({ state }) => state },
				{ title: 'FILES', value: ({ files }) => files.length, align: 'right' },
				{ title: 'CONTENT', value: ({ contentHash }) => contentHash.slice(0, 12) },
				{ title: 'MEANING', value: ({ semanticHash }) => semanticHash?.slice(0, 12) },
				{ title: 'CREATED', value: ({ createdAt }) => when(createdAt) },
				{ title: 'BY', value: ({ createdBy }) => createdBy },
			]),
		].join('\n'),
	);
}
