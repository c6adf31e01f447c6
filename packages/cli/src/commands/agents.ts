import type { Agent, AgentSummary, CatalogueAnswer, QueryOf } from '@ampora/api-contract';
import type { Command } from 'commander';
import type { Io } from '../io.js';
import { facts, table, when } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession } from '../session.js';

interface ListOptions {
	readonly group?: string;
	readonly connected?: boolean;
	readonly disconnected?: boolean;
	readonly healthy?: boolean;
	readonly unhealthy?: boolean;
	readonly agentVersion?: string;
	readonly config?: string;
	readonly search?: string;
	readonly archived?: boolean;
	readonly sort?: 'id' | 'hostname' | 'last-seen';
	readonly desc?: boolean;
	readonly limit: number;
}

interface ShowOptions {
	readonly effective?: boolean;
	readonly components?: boolean;
}

const asFlag = (yes: boolean | undefined, no: boolean | undefined): 'true' | 'false' | undefined =>
	yes === true ? 'true' : no === true ? 'false' : undefined;

export function addAgents(program: Command, io: Io): void {
	const agents = program.command('agents').description('agents and what they run');
	agents
		.command('list')
		.description('list agents')
		.option('--group <group>', 'members of this group')
		.option('--connected', 'only those with a session')
		.option('--disconnected', 'only those without')
		.option('--healthy', 'only those that say they are healthy')
		.option('--unhealthy', 'only those that say they are not')
		.option('--agent-version <version>', 'with this version of the agent software')
		.option('--config <configuration@number>', 'assigned this version')
		.option('--search <text>', 'part of hostname, type or instance uid')
		.option('--archived', 'those that are archived, which are in no other list')
		.option('--sort <key>', 'id, hostname or last-seen')
		.option('--desc', 'largest first')
		.option('--limit <n>', 'at most so many', wholeNumber, 100)
		.action(
			inSession(io, async (session, options: ListOptions) => {
				const { group, agentVersion: version, config, search, sort, desc, limit } = options;
				const connected = asFlag(options.connected, options.disconnected);
				const healthy = asFlag(options.healthy, options.unhealthy);
				const order = desc === true ? 'desc' : 'asc';
				const archived = asFlag(options.archived, undefined);
				const filter = { group, connected, healthy, version, config, search, archived };
				const query: QueryOf<'listAgents'> = { ...filter, sort, order };
				const items = await collectPages(limit, (page) => session.call('listAgents', { query: { ...query, ...page } }));
				session.print(items, agentTable);
			}),
		);
	agents
		.command('get')
		.description('everything about one agent')
		.argument('<agent>', 'id or instance uid')
		.option('--effective', 'print its effective config only')
		.option('--components', 'print the components it has only')
		.action(
			inSession(io, async (session, agent: string, options: ShowOptions) => {
				const found = await session.call('getAgent', { params: { agent } });
				session.print(found, options.effective ? effectiveText : options.components ? componentsText : agentText);
			}),
		);
	agents
		.command('catalogues')
		.description('what components the builds of agents have')
		.option('--limit <n>', 'at most so many', wholeNumber, 1000)
		.action(
			inSession(io, async (session, { limit }: { limit: number }) => {
				const items = await collectPages(limit, (query) => session.call('listCatalogues', { query }));
				session.print(items, catalogueTable);
			}),
		);
	agents
		.command('count')
		.description('how many there are, by connection, health, group and version')
		.action(
			inSession(io, async (session) => {
				session.print(await session.call('getFleet'), (fleet) =>
					[
						facts([
							['agents', fleet.agents],
							['connected', fleet.connected],
							['healthy', fleet.healthy],
							['unhealthy', fleet.unhealthy],
							['archived', fleet.archived],
						]),
						table(fleet.byGroup, [
							{ title: 'GROUP', value: ({ group }) => group },
							{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
							{ title: 'CONNECTED', value: ({ connected }) => connected, align: 'right' },
						]),
						table(fleet.byVersion, [
							{ title: 'TYPE', value: ({ agentType }) => agentType },
							{ title: 'VERSION', value: ({ agentVersion }) => agentVersion },
							{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
						]),
					].join('\n'),
				);
			}),
		);
}

const agentTable = (agents: readonly AgentSummary[]): string =>
	table(agents, [
		{ title: 'ID', value: ({ id }) => id },
		{ title: 'HOSTNAME', value: ({ hostname }) => hostname },
		{ title: 'GROUP', value: ({ group }) => group },
		{ title: 'CONNECTED', value: ({ connected }) => connected },
		{ title: 'HEALTHY', value: ({ healthy }) => healthy },
		{ title: 'CONFIG', value: ({ config }) => config },
		{ title: 'ANSWER', value: ({ answer }) => answer },
		{ title: 'VERSION', value: ({ agentVersion }) => agentVersion },
	]);

const effectiveText = ({ effectiveConfig }: Agent): string =>
	(effectiveConfig?.files ?? [])
		.map(({ name, body }) => `${name === '' ? '' : `# ${name}\n`}${body.endsWith('\n') ? body : `${body}\n`}`)
		.join('');

const componentsText = ({ components }: Agent): string => {
	const catalogue = components?.catalogue;
	if (!catalogue) return 'Nobody knows: it has not told.\n';
	return sections.flatMap((section) => catalogue[section].map((type) => `${section}/${type}\n`)).join('');
};

const sizes = (types: CatalogueAnswer['components']): string =>
	types === null
		? 'unknown'
		: Object.entries(types)
				.map(([section, names]) => `${section} ${names.length}`)
				.join(', ');

const sections = ['receivers', 'processors', 'exporters', 'connectors', 'extensions'] as const;

const catalogueTable = (catalogues: readonly CatalogueAnswer[]): string =>
	table(catalogues, [
		{ title: 'TYPE', value: ({ distribution }) => distribution },
		{ title: 'VERSION', value: ({ version }) => version },
		{ title: 'HASH', value: ({ hash }) => hash.slice(0, 12) },
		{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
		...sections.map((section) => ({
			title: section.toUpperCase(),
			value: ({ components }: CatalogueAnswer) => components?.[section].length,
			align: 'right' as const,
		})),
	]);

function agentText(agent: Agent): string {
	const { assignment, quarantined } = agent;
	return facts([
		['id', agent.id],
		['instance uid', agent.instanceUid],
		...(agent.earlierUids.length > 0 ? [['before', agent.earlierUids.join(', ')] as const] : []),
		...(agent.sharesIdentityWith.length > 0
			? [['same identity as', agent.sharesIdentityWith.join(', ')] as const]
			: []),
		['hostname', agent.hostname],
		['type', [agent.agentType, agent.agentVersion].filter(Boolean).join(' ')],
		['group', agent.group],
		[
			'connected',
			agent.connected
				? `yes, to ${agent.gateway} over ${agent.transport}`
				: `no (${agent.disconnectReason ?? 'never was'})`,
		],
		['healthy', agent.healthy],
		['assigned', assignment?.version ?? null],
		['answer', assignment?.answer ?? null],
		['effective config', assignment?.effective ?? null],
		...(assignment?.effectiveDetail ? [['mismatch', assignment.effectiveDetail] as const] : []),
		['error', agent.applyError],
		['components', sizes(agent.components?.catalogue ?? null)],
		['last proved', agent.provenVersion],
		['quarantined', quarantined.map(({ version }) => version).join(', ')],
		['last seen', when(agent.lastSeenAt)],
		...(agent.archivedAt === null ? [] : [['archived', when(agent.archivedAt)] as const]),
	]);
}
