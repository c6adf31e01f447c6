import type { BodyOf } from '@ampora/api-contract';
import type { Command } from 'commander';
import type { Io } from '../io.js';
import { table, when } from '../output/table.js';
import { collectPages } from '../paging.js';
import { inSession, type Session } from '../session.js';

const listed = 1000;

export function addTokens(program: Command, io: Io): void {
	const tokens = program
		.command('tokens')
		.description('API tokens of people and services, enrollment tokens of agents');
	tokens
		.command('create')
		.description('create an API token; it is shown once')
		.argument('<name>')
		.option('--role <role>', 'Viewer, Operator or Admin', 'Viewer')
		.action(
			inSession(io, async (session, name: string, { role }: { role: string }) => {
				const body = { name, role } as BodyOf<'createApiToken'>;
				session.print(await session.call('createApiToken', { body }), ({ token }) => `${token}\n`);
			}),
		);
	tokens
		.command('enroll')
		.description('create an enrollment token for agents; it is shown once')
		.argument('<name>')
		.action(
			inSession(io, async (session, name: string) => {
				session.print(await session.call('createEnrollmentToken', { body: { name } }), ({ token }) => `${token}\n`);
			}),
		);
	tokens.command('list').description('list both kinds').action(inSession(io, list));
	tokens
		.command('revoke')
		.description('revoke a token of either kind')
		.argument('<id>')
		.option('--enrollment', 'it is an enrollment token')
		.action(
			inSession(io, async (session, token: string, { enrollment }: { enrollment?: boolean }) => {
				const operation = enrollment === true ? 'revokeEnrollmentToken' : 'revokeApiToken';
				session.print(await session.call(operation, { params: { token } }), ({ name }) => `${name} revoked\n`);
			}),
		);
	tokens
		.command('whoami')
		.description('who the token in use belongs to')
		.action(
			inSession(io, async (session) => {
				session.print(await session.call('getIdentity'), ({ actor, role }) => `${actor}, ${role}\n`);
			}),
		);
}

async function list(session: Session): Promise<void> {
	const api = await collectPages(listed, (query) => session.call('listApiTokens', { query }));
	const enrollment = await collectPages(listed, (query) => session.call('listEnrollmentTokens', { query }));
	const rows = [
		...api.map((token) => ({ ...token, kind: 'api' as const })),
		...enrollment.map((token) => ({ ...token, kind: 'enrollment' as const, role: null })),
	];
	session.print(rows, () =>
		table(rows, [
			{ title: 'ID', value: ({ id }) => id },
			{ title: 'KIND', value: ({ kind }) => kind },
			{ title: 'NAME', value: ({ name }) => name },
			{ title: 'ROLE', value: ({ role }) => role },
			{ title: 'CREATED', value: ({ createdAt }) => when(createdAt) },
			{ title: 'REVOKED', value: ({ revokedAt }) => when(revokedAt) },
		]),
	);
}
