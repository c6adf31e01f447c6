// The two ways this project runs another program: quietly, for its result, and in the foreground, in its place.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Runs a program to its end and keeps what it wrote. Never throws for a failing program: `code` says so (-1: it could not be
 * started, or took longer than `timeoutMs`).
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, uid?: number, gid?: number }} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function capture(command, args, { timeoutMs, ...options } = {}) {
	return new Promise((resolve) => {
		const child = spawn(command, args, {
			cwd: root,
			stdio: ['ignore', 'pipe', 'pipe'],
			shell: process.platform === 'win32',
			...options,
		});
		const parts = [];
		const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs);
		const settle = (code, note = '') => {
			clearTimeout(timer);
			resolve({ code, output: Buffer.concat(parts).toString() + note });
		};
		child.stdout?.on('data', (part) => parts.push(part));
		child.stderr?.on('data', (part) => parts.push(part));
		child.once('error', (error) => settle(-1, error.message));
		child.once('close', (code) => settle(code ?? -1));
	});
}

/**
 * As `capture`, where anything but success is the end: throws with the last lines of the output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Parameters<typeof capture>[2]} [options]
 */
export async function mustRun(command, args, options) {
	const { code, output } = await capture(command, args, options);
	if (code === 0) return output;
	const tail = output.trimEnd().split('\n').slice(-40).join('\n');
	throw new Error(`${command} ${args.join(' ')} failed (${code}):\n${tail}`);
}

// One Ctrl-C reaches this process twice, from the terminal and from npm; a person's second one comes later than this.
const sameSignalMs = 250;
const orphanedCheckMs = 500;

/**
 * Runs a program in this one's place and returns its exit code. It gets a process group of its own, so that every signal
 * reaches it through here and exactly once: programs that treat a second Ctrl-C as "now" would never drain otherwise.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>}
 */
export function foreground(command, args, { env = process.env } = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, {
			cwd: root,
			env,
			stdio: ['ignore', 'inherit', 'inherit'],
			detached: process.platform !== 'win32',
		});
		const lastAt = new Map();
		const forward = (signal) => {
			const now = performance.now();
			if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) > sameSignalMs) child.kill(signal);
			lastAt.set(signal, now);
		};
		const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
		for (const signal of signals) process.on(signal, forward);
		// Told to end, npm ends the shell between it and this process, and nobody tells this process.
		const parent = process.ppid;
		const orphaned = setInterval(() => {
			if (process.ppid === parent || !process.env.npm_lifecycle_event) return;
			clearInterval(orphaned);
			forward('SIGTERM');
		}, orphanedCheckMs);
		const settle = () => {
			clearInterval(orphaned);
			for (const signal of signals) process.off(signal, forward);
		};
		child.once('error', (error) => {
			settle();
			reject(error);
		});
		child.once('exit', (code, signal) => {
			settle();
			resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
		});
	});
}
