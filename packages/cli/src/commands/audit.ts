import type { AuditEvent, QueryOf } from '@ampora/api-contract';
import type { Command } from 'commander';
import type { Io } from '../io.js';
import { table, when } from '../output/table.js';
import { collectPages, wholeNumber } from '../paging.js';
import { inSession } from '../session.js';

type ListOptions = Omit<QueryOf<'listAudit'>, 'limit' | 'cursor'> & { readonly limit: number };

export function addAudit(program: Command, io: Io): void {
	const audit = program.command('audit').description('who changed what, and when');
	audit
		.command('list')
		.description('list state changes, newest first')
		.option('--entity-type <type>', 'of rollouts, versions, groups, …: rollout, version, group')
		.option('--entity <id>', 'of this one')
		.option('--actor <actor>', 'by this actor, as whoami and the list show it')
		.option('--action <action>', 'such as Rollout.Started')
		.option('--limit <n>', 'at most so many', wholeNumber, 50)
		.action(
			inSession(io, async (session, { limit, ...query }: ListOptions) => {
				const items = await collectPages(limit, (page) => session.call('listAudit', { query: { ...query, ...page } }));
				session.print(items, auditTable);
			}),
		);
}

const auditTable = (events: readonly AuditEvent[]): string =>
	table(events, [
		{ title: 'AT', value: ({ at }) => when(at) },
		{ title: 'ACTION', value: ({ action }) => action },
		{ title: 'ENTITY', value: ({ entityType, entityId }) => `${entityType} ${entityId}` },
		{ title: 'BY', value: ({ actor }) => actor },
		{ title: 'ROLE', value: ({ role }) => role },
		{ title: 'FROM', value: ({ sourceAddress }) => sourceAddress },
	]);
