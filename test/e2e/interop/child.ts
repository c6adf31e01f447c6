import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Transcript } from './transcript.js';

/** A program of ours or of others that speaks in lines. It never outlives the test process. */
export interface LineChild {
	readonly pid: number;
	/** stdout and stderr together. Ends when the process does. */
	readonly lines: Transcript<string>;
	readonly running: boolean;
	write(line: string): void;
	signal(name: NodeJS.Signals): void;
	/** Ends its stdin and waits for it to leave; SIGKILL after `graceMs`. Returns whether it left by itself. */
	leave(graceMs: number): Promise<boolean>;
}

/** @throws when the program cannot be started */
export async function startLines(program: string, args: readonly string[], cwd?: string): Promise<LineChild> {
	const child = spawn(program, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
	await once(child, 'spawn');
	const lines = new Transcript<string>();
	for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line));
	const killWithUs = () => child.kill('SIGKILL');
	process.once('exit', killWithUs);
	const closed = once(child, 'close').then(() => {
		process.off('exit', killWithUs);
		lines.end(
			new Error(`${program} ended with ${child.signalCode ?? child.exitCode}\n${lines.said.slice(-20).join('\n')}`),
		);
	});
	// Writing to a program that has just ended is not news: its end is.
	child.stdin.on('error', () => {});
	return {
		pid: child.pid ?? 0,
		lines,
		get running() {
			return isRunning(child);
		},
		write: (line) => child.stdin.write(`${line}\n`),
		signal: (name) => child.kill(name),
		async leave(graceMs) {
			child.stdin.end();
			let forced = false;
			const timer = setTimeout(() => {
				forced = child.kill('SIGKILL');
			}, graceMs);
			await closed;
			clearTimeout(timer);
			return !forced;
		},
	};
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
