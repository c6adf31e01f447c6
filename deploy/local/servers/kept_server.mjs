// A server that is started for a while, can be killed and started again on the same address and files, and is gone afterwards.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const keeper = fileURLToPath(new URL('./keeper.mjs', import.meta.url));
const readyWithinMs = 60_000;

/**
 * @typedef {object} Server
 * @property {string} url what its clients connect to
 * @property {number} port on 127.0.0.1
 * @property {string} folder its files
 * @property {string} kind where it comes from, for people
 * @property {number} pid of the server now (with Docker: of the client that runs its container)
 * @property {() => Promise<void>} kill ends it at once, as `kill -9` does; its files stay
 * @property {() => Promise<void>} restart `kill`, if it still runs, and starts it again on the same port and files (a container's
 *   files are new); returns when it answers
 * @property {() => Promise<void>} stop ends it in order and removes its files; happens by itself when this process ends
 */

/**
 * @param {object} how
 * @param {string} how.kind
 * @param {string} how.url
 * @param {number} how.port
 * @param {string} how.folder its own, removed at the end
 * @param {string} how.command
 * @param {readonly string[]} how.args
 * @param {NodeJS.ProcessEnv} [how.env]
 * @param {number} [how.uid]
 * @param {number} [how.gid]
 * @param {NodeJS.Signals} [how.stopSignal]
 * @param {readonly string[]} [how.killCommand] where a signal to the process would not reach the server
 * @param {(port: number) => Promise<boolean>} how.answers whether the server does its work yet
 * @returns {Promise<Server>}
 */
export async function keptServer({ kind, url, port, folder, answers, ...process_ }) {
	const log = join(folder, 'server.log');
	const { pid, ask, ended, end } = startKeeper({ stopSignal: 'SIGTERM', ...process_, folder, log });

	async function start() {
		await ask('start');
		const deadline = performance.now() + readyWithinMs;
		while (!(await answers(port))) {
			if (ended() === undefined && performance.now() < deadline) {
				await delay(25);
				continue;
			}
			const why = ended() ?? `did not answer within ${readyWithinMs / 1000} s`;
			const tail = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n') : '';
			throw new Error(`${process_.command} ${why}\n${tail}`);
		}
	}

	try {
		await start();
	} catch (error) {
		await end();
		throw error;
	}
	return {
		kind,
		url,
		port,
		folder,
		get pid() {
			return pid();
		},
		kill: () => ask('kill'),
		restart: start,
		stop: end,
	};
}

function startKeeper(options) {
	const child = spawn(process.execPath, [keeper, JSON.stringify(options)], {
		stdio: ['pipe', 'pipe', 'inherit'],
		detached: true,
	});
	let pid = 0;
	/** @type {string | undefined} */
	let ended;
	let ending = false;
	/** @type {(() => void)[]} */
	const waiting = [];

	// It must not keep this process from ending, whose end it waits for; only an answer that is due may.
	const pipes = /** @type {import('node:net').Socket[]} */ (/** @type {unknown} */ ([child.stdin, child.stdout]));
	function hold() {
		const due = ending || waiting.length > 0;
		for (const handle of [child, ...pipes]) {
			if (due) handle.ref();
			else handle.unref();
		}
	}
	hold();

	createInterface({ input: child.stdout }).on('line', (line) => {
		const message = JSON.parse(line);
		if (message.started) {
			pid = message.started;
			ended = undefined;
		}
		if (message.exit) ended = message.exit;
		if (message.done) waiting.shift()?.();
		hold();
	});
	child.stdin.on('error', () => undefined);
	const gone = new Promise((resolve) => {
		child.once('exit', () => {
			ended ??= 'was left by its keeper';
			for (const resolveAsk of waiting.splice(0)) resolveAsk();
			resolve(undefined);
		});
	});

	/** @param {'start' | 'kill'} move @returns {Promise<void>} */
	const ask = (move) =>
		new Promise((resolve) => {
			waiting.push(resolve);
			hold();
			child.stdin.write(`${move}\n`);
		});
	return {
		pid: () => pid,
		ended: () => ended,
		ask,
		end: async () => {
			ending = true;
			hold();
			child.stdin.end();
			await gone;
		},
	};
}
