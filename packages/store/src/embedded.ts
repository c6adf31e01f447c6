import type { PGlite, Transaction } from '@electric-sql/pglite';
import type { Database } from './database.js';
import * as schema from './schema.js';
import type { Row, Sql } from './sql.js';
import { asStoreError } from './store_unavailable.js';

const int8 = 20;

const setIsolation = {
	snapshot: 'set transaction isolation level repeatable read read only',
	write: 'set transaction isolation level read committed',
} as const;

type Asks = Pick<PGlite, 'query'> | Pick<Transaction, 'query'>;

async function ask<T extends Row>(asked: Asks, text: string, params: readonly unknown[] = []): Promise<readonly T[]> {
	try {
		return (await asked.query<T>(text, [...params])).rows;
	} catch (error) {
		throw asStoreError(error);
	}
}

/**
 * Postgres compiled to WebAssembly, in this process: one connection, so that statements wait for each other. For machines where the
 * real one cannot run. `folder` undefined: in memory only.
 */
export async function openEmbeddedPglite(folder?: string): Promise<Database> {
	// Many megabytes that no process loads unless it comes to this.
	const [{ PGlite }, { drizzle }] = await Promise.all([import('@electric-sql/pglite'), import('drizzle-orm/pglite')]);
	const pglite = await PGlite.create({
		...(folder === undefined ? {} : { dataDir: folder }),
		parsers: { [int8]: Number },
	});
	const sql: Sql = {
		query: (text, params) => ask(pglite, text, params),
		async transaction(kind, work) {
			return pglite.transaction(async (transaction) => {
				await transaction.query(setIsolation[kind]);
				return work({
					query: (text, params) => ask(transaction, text, params),
					transaction: () => Promise.reject(new Error('transactions do not nest')),
				});
			});
		},
	};
	let closing: Promise<void> | undefined;
	return {
		sql,
		orm: drizzle(pglite, { schema }),
		close() {
			closing ??= pglite.close();
			return closing;
		},
	};
}
