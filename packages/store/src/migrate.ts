import { createHash } from 'node:crypto';
import { migrations } from './gen/migrations.js';
import { connect } from './postgres.js';
import type { Sql } from './sql.js';
import { ungroupedGroupId } from './ungrouped.js';

// Any constant: held for the length of the transaction, so that two processes starting together do not both migrate.
const migrationLock = 4_711_042;

const breakpoint = '--> statement-breakpoint';

/** Rows without which nothing works; repeating it changes nothing. */
async function seed(sql: Sql): Promise<void> {
	await sql.query(
		`insert into agent_group (id, name, built_in) values ($1, 'ungrouped', true) on conflict (id) do nothing`,
		[ungroupedGroupId],
	);
}

/**
 * Brings the database to the newest schema in one transaction: all of it or nothing. Forward only. It keeps its record where
 * drizzle's own migrator would, which is not used because it reads a folder, and a bundle has none.
 */
export async function migrateWith(sql: Sql): Promise<void> {
	await sql.transaction('write', async (tx) => {
		await tx.query('select pg_advisory_xact_lock($1)', [migrationLock]);
		await tx.query('create schema if not exists drizzle');
		await tx.query(
			'create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)',
		);
		const [last] = await tx.query<{ at: number | null }>(
			'select max(created_at) as at from drizzle.__drizzle_migrations',
		);
		for (const migration of migrations) {
			if (migration.when <= (last?.at ?? 0)) continue;
			for (const statement of migration.sql.split(breakpoint)) await tx.query(statement);
			const hash = createHash('sha256').update(migration.sql).digest('hex');
			await tx.query('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [
				hash,
				migration.when,
			]);
		}
		await seed(tx);
	});
}

/** The same for a Postgres by url, with a connection of its own. */
export async function migrate(url: string): Promise<void> {
	const database = connect({ url, connectionsMax: 1, statementTimeoutMs: 600_000, applicationName: 'ampora-migrate' });
	try {
		await migrateWith(database.sql);
	} finally {
		await database.close();
	}
}
