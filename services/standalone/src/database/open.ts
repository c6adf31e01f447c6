import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CannotStart } from '@ampora/runtime';
import { connect, type Database, migrateWith, openEmbeddedPglite } from '@ampora/store';
import { discard, isInitialised, openEmbeddedPostgres } from './postgres/embedded_postgres.js';
import { findPrograms, type PostgresPrograms, serverFolder } from './postgres/programs.js';

export interface OpenDatabase {
	readonly database: Database;
	/** What it is, for people. */
	readonly description: string;
	/** Ends the connections, and the server if it is our own. */
	close(): Promise<void>;
}

/** Tells a person one line while there is something to wait for or to know. */
type Say = (line: string) => void;
type FindPrograms = typeof findPrograms;

/** Where root keeps what the user that Postgres runs as has to reach. */
const sharedFolder = '/var/lib/ampora';
const applicationName = 'ampora';

/**
 * The database of a standalone installation, migrated: the one that was named, else a real Postgres of its own, else, where that binary
 * does not run, Postgres compiled to WebAssembly.
 */
export async function openDatabase(
	dataFolder: string,
	url: string | null,
	say: Say,
	find: FindPrograms = findPrograms,
): Promise<OpenDatabase> {
	const opened = url === null ? await openOwn(resolve(dataFolder), say, find) : openNamed(url);
	try {
		await migrateWith(opened.database.sql);
	} catch (error) {
		await opened.close();
		throw error;
	}
	return opened;
}

function openNamed(url: string): OpenDatabase {
	const database = connect({ url, applicationName });
	return { database, description: `Postgres at ${new URL(url).host}`, close: () => database.close() };
}

async function openOwn(dataFolder: string, say: Say, find: FindPrograms): Promise<OpenDatabase> {
	const programs = await find(sharedFolder);
	if (programs === null) return openWasm(dataFolder, 'the Postgres binary does not run here');
	const folder = await serverFolder(programs, dataFolder, sharedFolder);
	if (isInitialised(folder)) return openServer(programs, folder);
	// Begun where the binary did not run: what is in there stays in use.
	if (existsSync(join(wasmFolder(dataFolder), 'PG_VERSION')))
		return openWasm(dataFolder, 'begun without the Postgres binary');
	say('Starting Postgres …');
	try {
		return await openServer(programs, folder);
	} catch (error) {
		if (error instanceof CannotStart) throw error;
		discard(folder);
		const why = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
		say(`Warning: the Postgres binary does not run here, using PGlite, which is slower: ${why}`);
		return openWasm(dataFolder, 'the Postgres binary does not run here');
	}
}

async function openServer(programs: PostgresPrograms, folder: string): Promise<OpenDatabase> {
	const server = await openEmbeddedPostgres(programs, folder);
	const database = connect({ url: server.url, connectionsMax: 20, applicationName });
	return {
		database,
		description: `Postgres ${programs.version} in ${folder}${server.adopted ? ', found running' : ''}`,
		async close() {
			await database.close();
			await server.stop();
		},
	};
}

const wasmFolder = (dataFolder: string) => join(dataFolder, 'pglite');

async function openWasm(dataFolder: string, why: string): Promise<OpenDatabase> {
	const folder = wasmFolder(dataFolder);
	if (isInitialised(join(dataFolder, 'postgres'))) {
		throw new CannotStart(`${dataFolder} holds a Postgres database, and the Postgres binary does not run here`);
	}
	// PGlite makes its own folder, but none above it.
	mkdirSync(dataFolder, { recursive: true });
	const database = await openEmbeddedPglite(folder);
	return { database, description: `PGlite in ${folder}: ${why}`, close: () => database.close() };
}
