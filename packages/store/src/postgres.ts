import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool, type PoolClient, types } from 'pg';
import type { Database } from './database.js';
import * as schema from './schema.js';
import { beginOf, fromHex, type Row, type Sql, type TransactionKind } from './sql.js';
import { asStoreError } from './store_unavailable.js';

export interface PostgresOptions {
	/** postgres://user:password@host:port/database */
	readonly url: string;
	/** Connections at most. */
	readonly connectionsMax?: number;
	/** A statement that runs longer is ended by the server, ms. */
	readonly statementTimeoutMs?: number;
	readonly connectTimeoutMs?: number;
	/** Shown in pg_stat_activity. */
	readonly applicationName?: string;
}

const int8 = 20;
const bytea = 17;

/** Whole numbers fit a double here (sequence numbers, counters, ms); bytes are plain Uint8Array as on the embedded database. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') => {
	if (oid === int8) return Number;
	if (oid === bytea) return fromHex;
	return format === 'binary' ? types.getTypeParser(oid, 'binary') : types.getTypeParser(oid, 'text');
}) as typeof types.getTypeParser;

type Asks = Pick<PoolClient, 'query'>;

const preparedNames = new Map<string, string>();

/**
 * The statements of sql/ begin with a comment, are few, and take Postgres longer to plan than to run for a single agent: each
 * connection plans them once. Their plans do not depend on the parameters, whose sizes the planner cannot see anyway.
 */
function preparedName(text: string): string | undefined {
	if (!text.startsWith('--')) return undefined;
	const known = preparedNames.get(text) ?? `ampora_${preparedNames.size}`;
	preparedNames.set(text, known);
	return known;
}

async function ask<T extends Row>(asked: Asks, text: string, params: readonly unknown[] = []) {
	try {
		const name = preparedName(text);
		const values = [...params];
		return (await asked.query<T>(name === undefined ? { text, values } : { name, text, values })).rows;
	} catch (error) {
		throw asStoreError(error);
	}
}

/** A connection on which a rollback failed, or which broke, must not go back to the pool. */
async function inTransaction<T>(client: PoolClient, kind: TransactionKind, work: (sql: Sql) => Promise<T>): Promise<T> {
	let broken = true;
	try {
		await ask(client, beginOf[kind]);
		const result = await work({
			query: (text, params) => ask(client, text, params),
			transaction: () => Promise.reject(new Error('transactions do not nest')),
		});
		await ask(client, 'commit');
		broken = false;
		return result;
	} catch (error) {
		broken = await ask(client, 'rollback').then(
			() => false,
			() => true,
		);
		throw error;
	} finally {
		client.release(broken);
	}
}

/** Opens no connection yet: the first statement does. */
export function connect(options: PostgresOptions): Database {
	const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
	const pool = new Pool({
		connectionString: options.url,
		max: options.connectionsMax ?? 10,
		connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
		statement_timeout: statementTimeoutMs,
		// The server's own limit cannot fire when the server is not heard any more.
		query_timeout: statementTimeoutMs + 5_000,
		idle_in_transaction_session_timeout: statementTimeoutMs + 5_000,
		keepAlive: true,
		application_name: options.applicationName ?? 'ampora',
		// Statements here take milliseconds; over a large fleet the planner expects more, and compiling them would take a second each.
		options: '-c jit=off',
		types: { getTypeParser },
	});
	// An idle connection that breaks is replaced; without a listener it would end the process.
	pool.on('error', () => {});
	const sql: Sql = {
		query: (text, params) => ask(pool, text, params),
		async transaction(kind, work) {
			const client = await pool.connect().catch((error: unknown) => {
				throw asStoreError(error);
			});
			// A connection that breaks between two statements says so by an event; the next statement then fails.
			const ignore = () => {};
			client.on('error', ignore);
			try {
				return await inTransaction(client, kind, work);
			} finally {
				client.off('error', ignore);
			}
		},
	};
	let closing: Promise<void> | undefined;
	return {
		sql,
		orm: drizzle(pool, { schema }),
		close() {
			closing ??= pool.end();
			return closing;
		},
	};
}
