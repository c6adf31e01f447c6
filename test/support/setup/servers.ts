import { preparePrometheus } from '../../../deploy/local/servers/prometheus.mjs';
import { provideServers, releaseServers } from '../../../deploy/local/servers/provide.mjs';
import { dropRunDatabases } from '../databases.js';

/** Runs once, before the first test of a project that needs servers; the projects of one run share them. */
export async function setup(): Promise<void> {
	process.env.TEST_RUN ??= `${Date.now().toString(36)}${process.pid.toString(36)}`;
	await provideServers(['postgres', 'redis', 'nats']);
	await preparePrometheus();
}

export async function teardown(): Promise<void> {
	if (process.env.TEST_DATABASE_URL) await dropRunDatabases();
	await releaseServers();
}
