import { aptInstall } from './apt.mjs';
import { findServer } from './binaries.mjs';
import { containerServer } from './docker.mjs';
import { firstSource } from './first_source.mjs';
import { keptServer } from './kept_server.mjs';
import { firstAnswer, freePort, ownFolder } from './places.mjs';

const find = () => findServer(['redis-server', 'valkey-server'], /(redis|valkey) server v=/i);
const answers = (port) => firstAnswer(port, 'PING\r\n', (answer) => answer.toString().startsWith('+PONG'));
const url = (port) => `redis://127.0.0.1:${port}`;
// Nothing on disk: every run starts from nothing.
const inMemory = ['--save', '', '--appendonly', 'no'];

async function ownCopy({ path, version }) {
	const port = await freePort();
	return keptServer({
		kind: `${path} (${version.split(' sha=')[0]})`,
		url: url(port),
		port,
		folder: ownFolder('redis'),
		command: path,
		args: ['--port', String(port), '--bind', '127.0.0.1', ...inMemory],
		answers,
	});
}

/** A Redis of one's own, empty. @returns {Promise<import('./kept_server.mjs').Server>} */
export const startRedis = () =>
	firstSource({
		name: 'Redis',
		variable: 'TEST_REDIS_URL',
		example: 'redis://127.0.0.1:6379',
		docker: () =>
			containerServer({
				name: 'redis',
				image: 'redis:7',
				port: 6379,
				args: ['redis-server', ...inMemory],
				url,
				answers,
			}),
		find,
		ownCopy,
		install: () => aptInstall('redis-server'),
	});
