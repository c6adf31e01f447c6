import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const noStart = '() => { throw new Error("not asked to start"); }';
const taken = `() => { throw Object.assign(new Error('listen'), { code: 'EADDRINUSE', port: 4711 }); }`;
const module = new URL('service.ts', import.meta.url).href;
const program = (start: string) => `
	import { serviceMain } from ${JSON.stringify(module)};
	const port = { name: 'AMPORA_PORT', help: 'where to listen', parse: Number, fallback: 1 };
	await serviceMain({ name: 'some', settings: { port }, start: ${start} });
`;

/** How a service ends. */
async function run(
	env: Record<string, string>,
	{ start = noStart, argv = ['--check-config'] }: { start?: string; argv?: string[] } = {},
): Promise<{ code: number; stderr: string }> {
	const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', program(start), '--', ...argv];
	const child = promisify(execFile)(process.execPath, args, { env: { PATH: process.env.PATH, ...env } });
	return child.then(
		({ stderr }) => ({ code: 0, stderr }),
		({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
	);
}

test('a shell set up for the ampora command can start a service, a misspelt setting cannot', async () => {
	const forCommand = { AMPORA_SERVER: 'http://127.0.0.1:4321', AMPORA_TOKEN: 'secret' };
	const [fine, misspelt] = await Promise.all([run(forCommand), run({ AMPORA_PROT: '2' })]);
	expect(fine).toEqual({ code: 0, stderr: '' });
	expect(misspelt.code).toBe(2);
	expect(misspelt.stderr).toContain('some cannot start with these settings:\n  AMPORA_PROT is not a setting');
});

test('what a person can put right is told without a stack', async () => {
	expect(await run({ AMPORA_PORT: '4711' }, { start: taken, argv: [] })).toEqual({
		code: 1,
		stderr: 'some: port 4711 is taken by another process: end that one, or choose another port with AMPORA_PORT\n',
	});
});
