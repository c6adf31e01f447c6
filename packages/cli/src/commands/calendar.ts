import type { BodyOf, ChangeWindowAnswer, FreezeAnswer } from '@ampora/api-contract';
import type { Command } from 'commander';
import type { Io } from '../io.js';
import { table, when } from '../output/table.js';
import { collectPages } from '../paging.js';
import { inSession, type Session } from '../session.js';

const listed = 1000;

interface GroupOptions {
	readonly group?: string[];
}
const more = (text: string, before: string[] = []): string[] => [...before, text];
const groupsOf = ({ group }: GroupOptions) => (group === undefined ? {} : { groups: group });
interface Limited {
	readonly groups: readonly string[];
}
/** Names of groups by id; a deleted one has its name still. */
type Names = ReadonlyMap<string, string>;

/** Answers hold ids, people read names; asked for only where there is something to name. */
async function namesFor(session: Session, rows: readonly Limited[]): Promise<Names> {
	if (session.json || rows.every(({ groups }) => groups.length === 0)) return new Map();
	const lists = [undefined, 'true' as const].map((deleted) =>
		collectPages(Number.MAX_SAFE_INTEGER, (page) => session.call('listGroups', { query: { deleted, ...page } })),
	);
	return new Map((await Promise.all(lists)).flat().map(({ id, name }) => [id, name]));
}

const groupsText =
	(names: Names) =>
	({ groups }: Limited): string =>
		groups.length === 0 ? 'all' : groups.map((id) => names.get(id) ?? id).join(',');

export function addCalendar(program: Command, io: Io): void {
	addWindows(program.command('windows').description('when changes are allowed, every week'), io);
	addFreezes(program.command('freezes').description('when nothing changes'), io);
}

interface WindowOptions extends GroupOptions {
	readonly days: string;
	readonly from: string;
	readonly to: string;
	readonly timeZone: string;
}

function addWindows(windows: Command, io: Io): void {
	windows
		.command('create')
		.description('allow changes at these times only')
		.argument('<name>')
		.requiredOption('--days <list>', 'on which it opens, like mon,tue,wed,thu')
		.requiredOption('--from <time>', 'local time, like 22:00')
		.requiredOption('--to <time>', 'local time; at or before --from: on the next day')
		.requiredOption('--time-zone <zone>', 'like Europe/Berlin')
		.option('--group <group>', 'for this group only; repeat for several', more)
		.action(
			inSession(io, async (session, name: string, options: WindowOptions) => {
				const { days, from, to, timeZone } = options;
				const body = { name, days: days.split(','), from, to, timeZone, ...groupsOf(options) };
				const made = await session.call('createChangeWindow', { body: body as BodyOf<'createChangeWindow'> });
				const names = await namesFor(session, [made]);
				session.print(made, (window) => windowTable([window], names));
			}),
		);
	windows
		.command('list')
		.description('list change windows by name')
		.action(
			inSession(io, async (session) => {
				const rows = await collectPages(listed, (query) => session.call('listChangeWindows', { query }));
				const names = await namesFor(session, rows);
				session.print(rows, () => windowTable(rows, names));
			}),
		);
	windows
		.command('delete')
		.argument('<name>')
		.action(
			inSession(io, async (session, name: string) => {
				session.print(await session.call('deleteChangeWindow', { params: { name } }), () => `${name} deleted\n`);
			}),
		);
}

interface FreezeOptions extends GroupOptions {
	readonly from: string;
	readonly until: string;
	readonly reason: string;
}

function addFreezes(freezes: Command, io: Io): void {
	freezes
		.command('create')
		.description('let nothing change for a time')
		.argument('<name>')
		.requiredOption('--from <instant>', 'like 2026-12-20T18:00:00+01:00')
		.requiredOption('--until <instant>')
		.requiredOption('--reason <text>')
		.option('--group <group>', 'for this group only; repeat for several', more)
		.action(
			inSession(io, async (session, name: string, options: FreezeOptions) => {
				const { from, until, reason } = options;
				const body = { name, from, until, reason, ...groupsOf(options) };
				const made = await session.call('createFreeze', { body });
				const names = await namesFor(session, [made]);
				session.print(made, (freeze) => freezeTable([freeze], names));
			}),
		);
	freezes
		.command('list')
		.description('list freezes by name')
		.action(
			inSession(io, async (session) => {
				const rows = await collectPages(listed, (query) => session.call('listFreezes', { query }));
				const names = await namesFor(session, rows);
				session.print(rows, () => freezeTable(rows, names));
			}),
		);
	freezes
		.command('delete')
		.argument('<name>')
		.action(
			inSession(io, async (session, name: string) => {
				session.print(await session.call('deleteFreeze', { params: { name } }), () => `${name} deleted\n`);
			}),
		);
}

const windowTable = (windows: readonly ChangeWindowAnswer[], names: Names): string =>
	table(windows, [
		{ title: 'NAME', value: ({ name }) => name },
		{ title: 'DAYS', value: ({ days }) => days.join(',') },
		{ title: 'FROM', value: ({ from }) => from },
		{ title: 'TO', value: ({ to }) => to },
		{ title: 'ZONE', value: ({ timeZone }) => timeZone },
		{ title: 'GROUPS', value: groupsText(names) },
	]);

const freezeTable = (freezes: readonly FreezeAnswer[], names: Names): string =>
	table(freezes, [
		{ title: 'NAME', value: ({ name }) => name },
		{ title: 'FROM', value: ({ from }) => when(from) },
		{ title: 'UNTIL', value: ({ until }) => when(until) },
		{ title: 'GROUPS', value: groupsText(names) },
		{ title: 'REASON', value: ({ reason }) => reason },
	]);
