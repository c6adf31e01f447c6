// Behind every script of the root package.json. Nothing needs to be installed before: each command sets up what it needs.
import { ensure } from './ensure.mjs';
import { red } from './progress.mjs';

/** Command → what its module exports under the same name: `(args) => exit code`. Loaded after the set-up, as some need packages. */
const commands = {
	start: { from: './commands/start.mjs' },
	demo: { from: './demo.mjs' },
	test: { from: './commands/test.mjs', build: false },
	interop: { from: './commands/test.mjs', build: false },
	check: { from: './commands/check.mjs', build: false },
	build: {},
	bench: { from: './commands/bench.mjs' },
};

/** @param {string[]} argv */
async function main([name, ...args]) {
	const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
	if (!command) {
		process.stderr.write(`usage: node deploy/local/run.mjs ${Object.keys(commands).join('|')} [argument …]\n`);
		return 2;
	}
	await ensure({ build: command.build ?? true });
	if (!command.from) return 0;
	const module = await import(command.from);
	return (await module[name](args)) ?? 0;
}

try {
	process.exitCode = await main(process.argv.slice(2));
} catch (error) {
	process.stderr.write(`${red('✗')} ${error instanceof Error ? error.message : error}\n`);
	if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
	process.exitCode = 1;
}
