import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { CannotStart, systemClock } from '@ampora/runtime';
import { Client } from 'pg';
import type { PostgresPrograms } from './programs.js';

export interface EmbeddedPostgres {
	readonly url: string;
	/** It was left running by a process that was killed, and is used as it is. */
	readonly adopted: boolean;
	/** Ends it, letting the sessions go but losing nothing. */
	stop(): Promise<void>;
}

interface State {
	readonly port: number;
	readonly password: string;
}

const database = 'ampora';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const pollMs = 50;
/** Generous: a backend may have to finish the statement of its dead client. */
const goneAfterMs = 5_000;

/**
 * A real Postgres of this installation's own, in `folder` (created when missing), listening on loopback with a password of its own.
 * It runs in its own process group: Ctrl-C in a terminal reaches Ampora, which stops it last; a process that exits without having
 * stopped it ends it at once, and the next start recovers from the log.
 */
export async function openEmbeddedPostgres(programs: PostgresPrograms, folder: string): Promise<EmbeddedPostgres> {
	const data = dataOf(folder);
	const stateFile = join(folder, 'state.json');
	mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	giveTo(programs, folder);
	const left = await leftRunning(data, stateFile);
	if (left) return left;
	if (!isInitialised(folder)) await initialise(programs, { folder, data, stateFile });
	const state: State = { ...readState(stateFile), port: await freePort() };
	writeState(stateFile, state);
	const child = startServer(programs, { folder, data, port: state.port });
	const stop = stopping(child.pid);
	try {
		await untilAnswering(state, child, join(folder, 'postgres.log'));
		await ensureDatabase(state);
	} catch (error) {
		await stop();
		throw error;
	}
	return { url: urlOf(state, database), adopted: false, stop };
}

const dataOf = (folder: string) => join(folder, 'data');

/** Whether `folder` holds a database; one whose making was interrupted does not count. */
export const isInitialised = (folder: string): boolean => existsSync(join(dataOf(folder), 'PG_VERSION'));

/** Takes the database in `folder` away; what its server had to say stays. */
export const discard = (folder: string): void => rmSync(dataOf(folder), { recursive: true, force: true });

const urlOf = (state: State, name: string) => `postgres://postgres:${state.password}@127.0.0.1:${state.port}/${name}`;
const readState = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as State;
const writeState = (file: string, state: State) => writeFileSync(file, JSON.stringify(state), { mode: 0o600 });

function giveTo({ runAs }: PostgresPrograms, path: string): void {
	if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(path, runAs.uid, runAs.gid);
}

async function initialise(
	programs: PostgresPrograms,
	where: { folder: string; data: string; stateFile: string },
): Promise<void> {
	// What is there without PG_VERSION is an initialisation that was interrupted.
	discard(where.folder);
	const password = randomBytes(18).toString('base64url');
	const passwordFile = join(where.folder, 'password');
	writeFileSync(passwordFile, password, { mode: 0o600 });
	giveTo(programs, passwordFile);
	const access = ['-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
	await initdb(programs, where.folder, ['-D', where.data, ...access, '--encoding=UTF8', '--locale=C']);
	rmSync(passwordFile);
	writeState(where.stateFile, { port: 0, password });
}

/** In a process group of its own, as the server: Ctrl-C must not look like a machine on which initdb fails. */
async function initdb(programs: PostgresPrograms, folder: string, args: readonly string[]): Promise<void> {
	const child = spawn(join(programs.folder, 'initdb'), args, {
		...programs.runAs,
		cwd: folder,
		detached: true,
		stdio: ['ignore', 'ignore', 'pipe'],
	});
	const endWithUs = () => child.kill('SIGTERM');
	process.once('exit', endWithUs);
	const words: string[] = [];
	child.stderr.setEncoding('utf8').on('data', (part: string) => words.push(part));
	try {
		const [code, signal] = await once(child, 'close');
		if (code !== 0) throw new Error(`initdb failed (${code ?? signal}): ${words.join('').trim()}`);
	} finally {
		process.off('exit', endWithUs);
	}
}

function startServer(programs: PostgresPrograms, where: { folder: string; data: string; port: number }): ChildProcess {
	const log = openSync(join(where.folder, 'postgres.log'), 'a', 0o600);
	const child = spawn(
		join(programs.folder, 'postgres'),
		[
			'-D',
			where.data,
			'-p',
			String(where.port),
			'-h',
			'127.0.0.1',
			'-c',
			'unix_socket_directories=',
			'-c',
			'max_connections=100',
		],
		{ ...programs.runAs, cwd: where.folder, detached: true, stdio: ['ignore', log, log] },
	);
	child.unref();
	return child;
}

async function untilAnswering(state: State, child: ChildProcess, log: string): Promise<void> {
	let exit: number | string | null = null;
	child.once('exit', (code, signal) => {
		exit = code ?? signal ?? 'unknown';
	});
	child.once('error', (error) => {
		exit = error.message;
	});
	for (let waited = 0; waited < startTimeoutMs; waited += pollMs) {
		if (await answers(state)) return;
		if (exit !== null) throw new Error(`the embedded Postgres did not start (${exit}); its last words are in ${log}`);
		await systemClock.sleep(pollMs);
	}
	throw new Error(`the embedded Postgres did not answer within ${startTimeoutMs / 1000} s; see ${log}`);
}

async function answers(state: State): Promise<boolean> {
	return (await ask(state, 'select 1')) !== null;
}

/** The first column of the first row; null when the server cannot be asked. */
async function ask(state: State, question: string): Promise<string | null> {
	const client = new Client({ connectionString: urlOf(state, 'postgres'), connectionTimeoutMillis: 2_000 });
	client.on('error', () => {});
	try {
		await client.connect();
		const { rows } = await client.query({ text: question, rowMode: 'array' });
		return String((rows[0] as unknown[] | undefined)?.[0] ?? '');
	} catch {
		return null;
	} finally {
		await client.end().catch(() => {});
	}
}

async function ensureDatabase(state: State): Promise<void> {
	const client = new Client({ connectionString: urlOf(state, 'postgres') });
	await client.connect();
	try {
		const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
		if (rowCount === 0) await client.query(`create database ${database}`);
	} finally {
		await client.end();
	}
}

/** A server that outlived its parent: it has our password and serves our folder, so it is ours. */
async function leftRunning(data: string, stateFile: string): Promise<EmbeddedPostgres | null> {
	if (!existsSync(join(data, 'postmaster.pid')) || !existsSync(stateFile)) return null;
	const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
	const state = readState(stateFile);
	const served = await ask(state, 'show data_directory');
	if (served === null || statSync(served).ino !== statSync(data).ino) return null;
	if (await usedByAnother(state)) {
		throw new CannotStart(
			`another Ampora is running on ${dirname(dirname(data))}: end that one, or give this one a folder (AMPORA_DATA) and ports of its own`,
		);
	}
	await ensureDatabase(state);
	return { url: urlOf(state, database), adopted: true, stop: stopping(pid) };
}

/** Connections of a process that was killed go away by themselves, and soon; those of one that runs stay. */
async function usedByAnother(state: State): Promise<boolean> {
	for (let waited = 0; waited < goneAfterMs; waited += pollMs) {
		const others = await ask(state, `select count(*) from pg_stat_activity where datname = '${database}'`);
		if (others === '0') return false;
		await systemClock.sleep(pollMs);
	}
	return true;
}

/** Of a server that runs: how to stop it. Undefined: it never ran. */
function stopping(pid: number | undefined): () => Promise<void> {
	const signal = (name: NodeJS.Signals | 0): boolean => {
		try {
			return pid !== undefined && process.kill(pid, name);
		} catch {
			return false;
		}
	};
	const endWithUs = () => signal('SIGQUIT');
	process.once('exit', endWithUs);
	return async () => {
		// SIGINT is Postgres' fast shutdown: it ends the sessions and writes a checkpoint.
		signal('SIGINT');
		for (let waited = 0; waited < stopTimeoutMs && signal(0); waited += pollMs) await systemClock.sleep(pollMs);
		if (signal(0)) signal('SIGQUIT');
		process.off('exit', endWithUs);
	};
}

function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const probe = createServer();
		probe.once('error', reject);
		probe.listen(0, '127.0.0.1', () => {
			const address = probe.address();
			probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
		});
	});
}
