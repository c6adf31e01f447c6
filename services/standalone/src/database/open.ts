import { join, resolve } from 'node:path';
import { connect, type Database, migrateWith, openEmbeddedPglite } from '@ampora/store';
import { openEmbeddedPostgres } from './postgres/embedded_postgres.js';
import { findPrograms, serverFolder } from './postgres/programs.js';

export interface OpenDatabase {
	readonly database: Database;
	/** What it is, for people. */
	readonly description: string;
	/** Ends the connections, and the server if it is our own. */
	close(): Promise<void>;
}

/** Where root keeps what the user that Postgres runs as has to reach. */
const sharedFolder = '/var/lib/ampora';
const applicationName = 'ampora';

/**
 * The database of a standalone installation, migrated: the one that was named, else a real Postgres of its own, else, where that binary
 * does not run, Postgres compiled to WebAssembly.
 */
export async function openDatabase(dataFolder: string, url: string | null): Promise<OpenDatabase> {
	const opened = url === null ? await openOwn(resolve(dataFolder)) : openNamed(url);
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

async function openOwn(dataFolder: string): Promise<OpenDatabase> {
	const programs = await findPrograms(sharedFolder);
	if (programs === null) return openWasm(dataFolder);
	const folder = await serverFolder(programs, dataFolder, sharedFolder);
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

async function openWasm(dataFolder: string): Promise<OpenDatabase> {
	const folder = join(dataFolder, 'pglite');
	const database = await openEmbeddedPglite(folder);
	return {
		database,
		description: `PGlite in ${folder}: the Postgres binary does not run here`,
		close: () => database.close(),
	};
}
