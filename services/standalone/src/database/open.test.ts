import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from './open.js';
import type { PostgresPrograms } from './postgres/programs.js';

const timeoutMs = 60_000;
let folder: string;
const said: string[] = [];

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'ampora-open-'));
	said.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (programs: PostgresPrograms | null) =>
	openDatabase(
		join(folder, 'not/there/yet'),
		null,
		(line) => said.push(line),
		async () => programs,
	);

/** Programs that can tell their version, and nothing more. */
function brokenPrograms(): PostgresPrograms {
	const initdb = join(folder, 'initdb');
	writeFileSync(initdb, '#!/bin/sh\necho "could not create\nshared memory" >&2\nexit 3\n');
	chmodSync(initdb, 0o755);
	return { folder, version: '0', runAs: {} };
}

test(
	'where no Postgres binary runs, PGlite is opened in a folder that is not there yet, and migrated',
	async () => {
		const { database, description, close } = await open(null);
		try {
			expect(description).toMatch(/^PGlite in .*pglite: the Postgres binary does not run here$/);
			expect(await database.sql.query('select count(*) as count from rollout')).toEqual([{ count: 0 }]);
			expect(said).toEqual([]);
		} finally {
			await close();
		}
	},
	timeoutMs,
);

test(
	'where the first start of the binary fails, PGlite is used from then on, and it is said why',
	async () => {
		const first = await open(brokenPrograms());
		await first.database.sql.query('create table mark ()').finally(first.close);
		expect(said).toEqual([
			'Starting Postgres …',
			expect.stringMatching(/^Warning: .*PGlite.*initdb failed \(3\): could not create shared memory$/),
		]);
		said.length = 0;
		const second = await open(brokenPrograms());
		try {
			expect(await second.database.sql.query('select from mark')).toEqual([]);
			expect(said).toEqual([]);
		} finally {
			await second.close();
		}
	},
	timeoutMs,
);
