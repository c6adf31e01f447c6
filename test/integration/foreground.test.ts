import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('./launch_counter.mjs', import.meta.url));
let running: ChildProcess | undefined;
afterEach(() => running?.kill('SIGKILL'));

/** The launcher, as `npm start` runs it, around a program that tells each SIGINT it gets and ends at the second. */
async function launch(): Promise<{ interrupt(): void; nextLine(): Promise<string>; code(): Promise<number> }> {
	const child = spawn(process.execPath, [launcher], { stdio: ['ignore', 'pipe', 'inherit'] });
	running = child;
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const exit = once(child, 'exit') as Promise<[number]>;
	const nextLine = async (): Promise<string> => String((await lines.next()).value);
	expect(await nextLine()).toBe('up');
	return { interrupt: () => void child.kill('SIGINT'), nextLine, code: async () => (await exit)[0] };
}

test('one Ctrl-C, which npm and the terminal both send, is one; the next one is the second', async () => {
	const { interrupt, nextLine, code } = await launch();
	interrupt();
	interrupt();
	expect(await nextLine()).toBe('interrupted 1');
	// Answered well after the pair came in, so a doubled signal would have been told before.
	expect(await nextLine()).toBe('draining');
	interrupt();
	expect(await nextLine()).toBe('interrupted 2');
	expect(await code()).toBe(7);
});
