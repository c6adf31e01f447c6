// The servers one test run uses: given by TEST_*_URL, or started for as long as the run lasts. Which it is, is always said.
import { say } from '../progress.mjs';
import { startNats } from './nats.mjs';
import { startPostgres } from './postgres.mjs';
import { startRedis } from './redis.mjs';

const kinds = {
	postgres: { name: 'Postgres', variable: 'TEST_DATABASE_URL', start: startPostgres },
	redis: { name: 'Redis', variable: 'TEST_REDIS_URL', start: startRedis },
	nats: { name: 'NATS', variable: 'TEST_NATS_URL', start: startNats },
};

const key = Symbol.for('ampora.test-servers');

/**
 * Variable → the server started for it in this process, however often this module is loaded: vitest does so per project.
 * @type {Map<string, import('./kept_server.mjs').Server>}
 */
const started = globalThis[key] ?? new Map();
globalThis[key] = started;

/**
 * Sets TEST_DATABASE_URL, TEST_REDIS_URL and TEST_NATS_URL for those of the servers asked for that are not given.
 * @param {readonly ('postgres' | 'redis' | 'nats')[]} wanted
 */
export async function provideServers(wanted) {
	for (const kind of wanted) {
		const { name, variable, start } = kinds[kind];
		if (started.has(variable)) continue;
		if (process.env[variable]) {
			say(`${name}: given by ${variable}`);
			continue;
		}
		const server = await start();
		started.set(variable, server);
		process.env[variable] = server.url;
		say(`${name}: ${server.kind}, on 127.0.0.1:${server.port}`);
	}
}

/** Stops what `provideServers` started. */
export async function releaseServers() {
	const all = [...started];
	started.clear();
	for (const [variable] of all) delete process.env[variable];
	await Promise.all(all.map(([, server]) => server.stop()));
}
