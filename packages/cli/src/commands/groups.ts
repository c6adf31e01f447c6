import type { AnswerOf, Group } from '@ampora/api-contract';
import type { Command } from 'commander';
import { CommandFailed, exitCodes } from '../exit_codes.js';
import type { Io } from '../io.js';
import { facts, table, when } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession } from '../session.js';
import { addPreview, type SelectorOptions, withSelector } from './group_selectors.js';

const perCall = 10_000;

const groupText = (group: Group): string =>
	facts([
		['name', group.name],
		['id', group.id],
		['agents', group.agents],
		['connected', group.connected],
		['selector', group.selector ?? '(static)'],
		...(group.selector === null ? [] : [['priority', group.priority] as const]),
		...enrolmentFacts(group),
		...(group.protected ? [['protected', 'a rollout starts only with --accept-protected'] as const] : []),
		...(group.settling ? [['settling', 'all agents are being looked at'] as const] : []),
		['rollout under way', group.activeRollout],
		['created', when(group.createdAt)],
		...(group.deletedAt === null ? [] : [['deleted', when(group.deletedAt)] as const]),
	]) + group.findings.map(({ code, message, fix }) => `  ${code}: ${message}\n    ${fix}\n`).join('');

function enrolmentFacts({ name, defaultVersion, enrolment }: Group): (readonly [string, string])[] {
	if (defaultVersion === null || enrolment === null) return [];
	const { waiting, watched, judged, bad, stopped, waitsFor } = enrolment;
	const stop = stopped && `stopped: ${stopped.why}; to go on: ampora groups resume-enrolment ${name}`;
	return [
		['default', defaultVersion],
		['newcomers', `${waiting} waiting, ${watched} being watched, ${bad.length} bad of the last ${judged}`],
		...(stop || waitsFor ? [['enrolment', stop ?? `waits: ${waitsFor}`] as const] : []),
		...bad.map(({ agent, why }) => ['bad', `${agent}: ${why}`] as const),
	];
}

interface GroupOptions extends SelectorOptions {
	readonly protected?: boolean;
}

interface UpdateOptions extends GroupOptions {
	readonly unprotected?: boolean;
	readonly acceptProtected?: boolean;
	/** False: `--no-default`. */
	readonly default?: string | false;
	readonly acceptNoWayBack?: boolean;
}

const plannedText = ({ rollout, group, version, agents }: AnswerOf<'updateGroup'>['planned'][number]): string =>
	`planned: rollout ${rollout} of ${version} to ${group}, for ${agents} agents that run something else\n  look: ampora rollouts show ${rollout}\n  start: ampora rollouts start ${rollout}\n`;

function protectedBy({ protected: guarded, unprotected }: UpdateOptions): boolean | undefined {
	if (guarded && unprotected) throw new CommandFailed(exitCodes.usage, 'say --protected or --unprotected, not both');
	return unprotected ? false : guarded;
}

export function addGroups(program: Command, io: Io): void {
	const groups = program.command('groups').description('groups of agents, which rollouts go to');
	withSelector(
		groups
			.command('create')
			.description('create a group: static, or dynamic with a selector')
			.argument('<name>')
			.option('--protected', 'a rollout to it starts only with --accept-protected'),
	).action(
		inSession(io, async (session, name: string, options: GroupOptions) => {
			const { selector, priority, protected: guarded } = options;
			if (priority !== undefined && !selector)
				throw new CommandFailed(
					exitCodes.usage,
					'--priority is for groups with a --selector; give one, or leave it out',
				);
			const created = await session.call('createGroup', { body: { name, selector, priority, protected: guarded } });
			session.print(created, (group) => `${group.name} created\n`);
		}),
	);
	const defaults = new Set<string>();
	const update = withSelector(
		groups
			.command('update')
			.description('change the selector, the priority, the default version or the protection of a group')
			.argument('<group>'),
		'; empty makes the group static, with the members it has',
	);
	for (const name of ['default', 'no-default']) update.on(`option:${name}`, () => defaults.add(name));
	update
		.option('--default <version>', 'what newcomers are given, as edge@3')
		.option('--no-default', 'newcomers keep what they run')
		.option('--accept-no-way-back', 'plan rollouts also to agents that never ran a version they could go back to')
		.option('--accept-protected', 'plan rollouts also to protected groups')
		.option('--protected', 'a rollout to it starts only with --accept-protected')
		.option('--unprotected', 'a rollout to it starts like any')
		.action(
			inSession(io, async (session, group: string, options: UpdateOptions) => {
				const { selector, priority, default: named, acceptNoWayBack, acceptProtected } = options;
				const defaultVersion = named === false ? '' : named;
				const guarded = protectedBy(options);
				if ([selector, priority, defaultVersion, guarded].every((change) => change === undefined)) {
					const choices = '--selector, --priority, --default, --no-default, --protected or --unprotected';
					throw new CommandFailed(exitCodes.usage, `nothing is to be changed: say ${choices}`);
				}
				if (defaults.size > 1) throw new CommandFailed(exitCodes.usage, 'say --default or --no-default, not both');
				const body = { selector, priority, defaultVersion, acceptNoWayBack, acceptProtected, protected: guarded };
				const changed = await session.call('updateGroup', { params: { group }, body });
				session.print(changed, (update) => groupText(update.group) + update.planned.map(plannedText).join(''));
			}),
		);
	groups
		.command('resume-enrolment')
		.description('let newcomers be given the default again after the enrolment gate fired')
		.argument('<group>')
		.action(
			inSession(io, async (session, group: string) => {
				session.print(await session.call('resumeEnrolment', { params: { group } }), groupText);
			}),
		);
	addPreview(groups, io);
	groups
		.command('list')
		.description('list groups')
		.option('--deleted', 'those that were deleted')
		.option('--limit <n>', 'at most so many', wholeNumber, 1000)
		.action(
			inSession(io, async (session, options: { deleted?: boolean; limit: number }) => {
				const deleted = options.deleted === true ? 'true' : undefined;
				const items = await collectPages(options.limit, (page) =>
					session.call('listGroups', { query: { deleted, ...page } }),
				);
				session.print(items, (rows) =>
					table(rows, [
						{ title: 'NAME', value: ({ name }) => name },
						{ title: 'AGENTS', value: ({ agents }) => agents, align: 'right' },
						{ title: 'CONNECTED', value: ({ connected }) => connected, align: 'right' },
						{ title: 'ROLLOUT', value: ({ activeRollout }) => activeRollout },
					]),
				);
			}),
		);
	groups
		.command('show')
		.description('one group')
		.argument('<group>')
		.action(
			inSession(io, async (session, group: string) => {
				session.print(await session.call('getGroup', { params: { group } }), groupText);
			}),
		);
	groups
		.command('delete')
		.description('delete a group without a rollout under way, a static one without agents; it can be restored')
		.argument('<group>')
		.action(
			inSession(io, async (session, group: string) => {
				const deleted = await session.call('deleteGroup', { params: { group } });
				session.print(deleted, ({ planned }) => `${group} deleted\n${planned.map(plannedText).join('')}`);
			}),
		);
	groups
		.command('restore')
		.description('bring a deleted group back with its selector, priority and change windows')
		.argument('<group>')
		.action(
			inSession(io, async (session, group: string) => {
				const { deletedAt } = await session.call('getGroup', { params: { group } });
				const note = deletedAt === null ? 'It was not deleted; nothing changed.\n' : '';
				const restored = await session.call('restoreGroup', { params: { group } });
				session.print(restored, (update) => groupText(update.group) + update.planned.map(plannedText).join('') + note);
			}),
		);
	for (const add of [true, false]) addMembership(groups, io, add);
}

interface MembershipOptions {
	readonly search?: string;
	readonly from?: string;
}

function addMembership(groups: Command, io: Io, add: boolean): void {
	const command = groups
		.command(add ? 'add' : 'remove')
		.description(add ? 'move agents into a group' : 'take agents out of a group')
		.argument('<group>')
		.argument('[agents...]', 'ids or instance uids');
	if (add) {
		command
			.option('--search <text>', 'all agents with this in hostname, type or instance uid')
			.option('--from <group>', 'all agents of this group, such as ungrouped');
	}
	command.action(
		inSession(io, async (session, group: string, named: string[], { search, from }: MembershipOptions) => {
			const byName = search === undefined && from === undefined;
			if (byName && named.length === 0) {
				throw new CommandFailed(
					exitCodes.usage,
					`name agents by id or instance uid${add ? ', or choose them with --search or --from' : ''}`,
				);
			}
			const chosen = byName
				? []
				: await collectPages(Number.MAX_SAFE_INTEGER, (page) =>
						session.call('listAgents', { query: { search, group: from, ...page } }),
					);
			const agents = [...named, ...chosen.map(({ id }) => id)];
			const operation = add ? 'addGroupAgents' : 'removeGroupAgents';
			let changed = 0;
			let latest: Group | null = null;
			// Nobody was found: no mistake, and nothing to ask for.
			if (agents.length === 0) latest = await session.call('getGroup', { params: { group } });
			for (let at = 0; at < agents.length; at += perCall) {
				const body = { agents: agents.slice(at, at + perCall) };
				const answer = await session.call(operation, { params: { group }, body });
				changed += answer.changed;
				latest = answer.group;
			}
			const verb = add ? 'added to' : 'removed from';
			session.print(
				{ group: latest, changed },
				() => `${changed} ${changed === 1 ? 'agent' : 'agents'} ${verb} ${group}, which has ${latest?.agents}\n`,
			);
		}),
	);
}
