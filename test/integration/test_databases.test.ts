import { Client } from 'pg';
import { afterAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase, uniquePrefix } from '../support/databases.js';

const made: TestDatabase[] = [];
afterAll(() => Promise.all(made.map((database) => database.drop())));

async function database(): Promise<TestDatabase> {
	const created = await createTestDatabase();
	made.push(created);
	return created;
}

async function query(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
	const client = new Client({ connectionString: url });
	await client.connect();
	try {
		return (await client.query<Record<string, unknown>>(sql)).rows;
	} finally {
		await client.end();
	}
}

test('databases asked for at the same time are migrated, and apart from each other', async () => {
	const [one, other] = await Promise.all([database(), database(), database()]);
	await query(one.url, 'create table mine (id int)');
	expect(
		await query(one.url, "select to_regclass('rollout')::text as rollout, to_regclass('mine')::text as mine"),
	).toEqual([{ rollout: 'rollout', mine: 'mine' }]);
	expect(
		await query(other.url, "select to_regclass('rollout')::text as rollout, to_regclass('mine')::text as mine"),
	).toEqual([{ rollout: 'rollout', mine: null }]);
});

test('a database is dropped though somebody is still connected', async () => {
	const { url, drop } = await createTestDatabase();
	const client = new Client({ connectionString: url });
	client.on('error', () => undefined);
	await client.connect();
	await drop();
	await expect(query(url, 'select 1')).rejects.toThrow(/does not exist/);
	await client.end().catch(() => undefined);
});

test('prefixes are unique and made of letters and digits', () => {
	const prefixes = Array.from({ length: 100 }, uniquePrefix);
	expect(new Set(prefixes).size).toBe(100);
	expect(prefixes.every((prefix) => /^[a-z0-9]+$/.test(prefix))).toBe(true);
});
