import { join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { findServer } from './binaries.mjs';
import { containerServer } from './docker.mjs';
import { firstSource } from './first_source.mjs';
import { keptServer } from './kept_server.mjs';
import { firstAnswer, freePort, ownFolder } from './places.mjs';

const find = () => findServer(['nats-server'], /nats-server: v\d/);
// The server speaks first.
const answers = (port) => firstAnswer(port, '', (answer) => answer.toString().startsWith('INFO '));
const url = (port) => `nats://127.0.0.1:${port}`;

async function ownCopy({ path, version }) {
	const port = await freePort();
	const folder = ownFolder('nats');
	return keptServer({
		kind: `${path} (${version})`,
		url: url(port),
		port,
		folder,
		command: path,
		args: ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(folder, 'jetstream')],
		answers,
	});
}

/** A NATS server of one's own, with JetStream. @returns {Promise<import('./kept_server.mjs').Server>} */
export const startNats = () =>
	firstSource({
		name: 'NATS',
		variable: 'TEST_NATS_URL',
		example: 'nats://127.0.0.1:4222',
		docker: () => containerServer({ name: 'nats', image: 'nats:2', port: 4222, args: ['-js'], url, answers }),
		find,
		ownCopy,
		install: () => aptInstall('nats-server'),
	});
