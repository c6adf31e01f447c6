import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type * as schema from './schema.js';
import type { Sql } from './sql.js';

/** Drizzle over either driver. */
export type Orm = PgDatabase<PgQueryResultHKT, typeof schema>;

/** One database, by both ways in: `sql` for the hot statements, `orm` for everything else. */
export interface Database {
	readonly sql: Sql;
	readonly orm: Orm;
	/** Lets running statements finish; repeating it is harmless. */
	close(): Promise<void>;
}
