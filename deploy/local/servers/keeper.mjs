// Runs one server as its child and outlives whoever asked for it just long enough to clean up: when the asking process ends, in
// whatever way, this one's input ends, the server is stopped and its files are removed. Started by kept_server.mjs.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { command, args, env, uid, gid, log, folder, stopSignal, killCommand } = JSON.parse(process.argv[2] ?? '');

// A terminal's Ctrl-C is for the asking process; its end is the signal here.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

const tell = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
// The asking process may be gone already.
process.stdout.on('error', () => undefined);

let server;

function start() {
	const out = openSync(log, 'a');
	const child = spawn(command, args, {
		env: { ...process.env, ...env },
		stdio: ['ignore', out, out],
		cwd: folder,
		...(uid === undefined ? {} : { uid, gid }),
	});
	closeSync(out);
	const ended = new Promise((resolve) => {
		child.once('error', (error) => resolve(error.message));
		child.once('exit', (code, signal) => resolve(`ended with ${signal ?? code}`));
	});
	server = { child, ended };
	ended.then((how) => {
		if (server?.child === child) server = undefined;
		tell({ exit: how });
	});
	if (child.pid !== undefined) tell({ started: child.pid });
}

async function stop(signal) {
	if (!server) return;
	const { child, ended } = server;
	if (signal === 'SIGKILL' && killCommand) spawnSync(killCommand[0], killCommand.slice(1), { stdio: 'ignore' });
	else child.kill(signal);
	const giveUp = setTimeout(() => child.kill('SIGKILL'), 10_000);
	await ended;
	clearTimeout(giveUp);
}

const moves = {
	start: async () => {
		await stop('SIGKILL');
		start();
	},
	stop: () => stop(stopSignal),
	kill: () => stop('SIGKILL'),
};

for await (const line of createInterface({ input: process.stdin })) {
	await moves[line]?.();
	tell({ done: line });
}
await stop(stopSignal);
rmSync(folder, { recursive: true, force: true });
process.exit(0);
