// Two commands started side by side must not install or build into each other.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { say } from './progress.mjs';
import { cache } from './stamp.mjs';

const file = join(cache, 'setup.lock');

const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;

function alive(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return codeOf(error) === 'EPERM';
	}
}

function tryTake() {
	try {
		writeFileSync(file, String(process.pid), { flag: 'wx' });
		return true;
	} catch (error) {
		if (codeOf(error) !== 'EEXIST') throw error;
		return false;
	}
}

/** The holder's process id, or undefined when the lock was left behind by a process that is gone. */
function holder() {
	try {
		const pid = Number(readFileSync(file, 'utf8'));
		return pid > 0 && alive(pid) ? pid : undefined;
	} catch {
		return undefined;
	}
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSetupLock(work) {
	mkdirSync(cache, { recursive: true });
	let told = false;
	while (!tryTake()) {
		const pid = holder();
		if (pid === undefined) {
			// Written and not yet filled looks the same as left behind: look again before taking it away.
			await delay(200);
			if (holder() === undefined) rmSync(file, { force: true });
			continue;
		}
		if (!told) say(`waiting for the set-up that process ${pid} is doing`);
		told = true;
		await delay(200);
	}
	try {
		return await work();
	} finally {
		rmSync(file, { force: true });
	}
}
