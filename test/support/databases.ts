// A database per test file, copied from one that was migrated once in this run.
import { randomBytes } from 'node:crypto';
import { migrate } from '@ampora/store';
import { Client } from 'pg';

export interface TestDatabase {
	/** Names an own, migrated, otherwise empty database. */
	readonly url: string;
	/** Removes it, ending the connections that are left. */
	drop(): Promise<void>;
}

function required(variable: 'TEST_DATABASE_URL' | 'TEST_REDIS_URL' | 'TEST_NATS_URL' | 'TEST_RUN'): string {
	const value = process.env[variable];
	if (value === undefined || value === '') {
		throw new Error(`${variable} is not set: the set-up of the vitest projects contract, e2e and interop does that`);
	}
	return value;
}

export const testRedisUrl = (): string => required('TEST_REDIS_URL');
export const testNatsUrl = (): string => required('TEST_NATS_URL');

const random = (): string => randomBytes(5).toString('hex');
const ofThisRun = (): string => `ampora_test_${required('TEST_RUN')}`;

/** Starts every Redis key and NATS subject of one test file, so that files share a server: letters and digits only. */
export const uniquePrefix = (): string => `t${random()}`;

function urlOf(database: string): string {
	const url = new URL(required('TEST_DATABASE_URL'));
	url.pathname = `/${database}`;
	return url.toString();
}

async function asAdmin<T>(work: (client: Client) => Promise<T>): Promise<T> {
	const client = new Client({ connectionString: required('TEST_DATABASE_URL') });
	await client.connect();
	try {
		return await work(client);
	} finally {
		await client.end();
	}
}

// Any constant: held while the template is looked for, made or copied, by whichever worker comes first.
const templateLock = 7_140_263;

async function ensureTemplate(client: Client): Promise<string> {
	const template = `${ofThisRun()}_template`;
	const { rowCount } = await client.query('select from pg_database where datname = $1', [template]);
	if (rowCount === 1) return template;
	// Under another name until it is complete: a migration that failed leaves nothing to copy.
	const unfinished = `${ofThisRun()}_${random()}`;
	await client.query(`create database ${unfinished}`);
	await migrate(urlOf(unfinished));
	await client.query(`alter database ${unfinished} rename to ${template}`);
	return template;
}

/** An own database for the calling test file. Safe from parallel workers. */
export async function createTestDatabase(): Promise<TestDatabase> {
	const name = `${ofThisRun()}_${random()}`;
	await asAdmin(async (client) => {
		// Postgres refuses to copy a database twice at once.
		await client.query('select pg_advisory_lock($1)', [templateLock]);
		const template = await ensureTemplate(client);
		await client.query(`create database ${name} template ${template}`);
	});
	return {
		url: urlOf(name),
		drop: () => asAdmin(async (client) => void (await client.query(`drop database if exists ${name} with (force)`))),
	};
}

/** Removes what the files of this run left on a server that outlives it. */
export async function dropRunDatabases(): Promise<void> {
	await asAdmin(async (client) => {
		const prefix = ofThisRun();
		const { rows } = await client.query<{ datname: string }>(
			'select datname from pg_database where starts_with(datname, $1)',
			[prefix],
		);
		for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
	});
}
