import { expect, test } from 'vitest';
import { exitCodes } from './exit_codes.js';
import { runCli } from './run.js';

/** A command line without a server: whatever asks one fails as unreachable. */
async function run(line: string) {
	const text = { out: '', err: '' };
	const sink = (to: 'out' | 'err') => ({
		write: (chunk: string) => {
			text[to] += chunk;
		},
		isTTY: false,
		columns: 80,
	});
	const code = await runCli(line.split(' '), {
		...{ stdout: sink('out'), stderr: sink('err'), env: {}, signal: new AbortController().signal },
		fetch: () => Promise.reject(new Error('nobody there')),
		readFile: () => Promise.reject(new Error('no file')),
	});
	return { code, ...text };
}

test.each([
	['groups create x --priority 10', '--selector'],
	['groups update x', 'nothing is to be changed'],
	['groups update x --accept-protected', 'nothing is to be changed'],
	['groups update x --no-default --default edge@1', '--default or --no-default'],
	['groups update x --default edge@1 --no-default', '--default or --no-default'],
	['rollouts create x edge@1 --batch-size 4', '--strategy batch'],
	['configs show edge@x', '"edge@x" names no version'],
])('what contradicts itself is refused before anybody is asked: %s', async (line, why) => {
	expect(await run(line)).toMatchObject({ code: exitCodes.usage, err: expect.stringContaining(why) });
});

test.each([
	['groups create x --selector true --priority 10'],
	['groups update x --no-default'],
	['rollouts create x edge@1 --strategy batch --batch-size 4'],
])('what does not is sent: %s', async (line) => {
	expect((await run(line)).code).toBe(exitCodes.unreachable);
});

test.each(['rollouts', 'groups', 'configs', 'agents', 'settings', 'rollouts create'])(
	'the help of %s fits a terminal of 80 columns',
	async (command) => {
		const { out } = await run(`${command} --help`);
		expect(out.split('\n').filter((text) => text.length > 80)).toEqual([]);
	},
);
