// Behind every script of the root package.json. Nothing needs to be installed before: each command sets up what it needs.
import { ensure } from './ensure.mjs';
import { red } from './progress.mjs';

/** What each command runs, given its arguments, once the set-up is done; some of it needs installed packages, so it is loaded then. */
const commands = {
	start: { run: async (args) => (await import('./commands/start.mjs')).start(args) },
	demo: { run: async (args) => (await import('./demo.mjs')).demo(args) },
	test: { build: false, run: async (args) => (await import('./commands/test.mjs')).test(args) },
	interop: { build: false, run: async (args) => (await import('./commands/test.mjs')).interop(args) },
	check: { build: false, run: async (args) => (await import('./commands/check.mjs')).check(args) },
	build: { run: async () => 0 },
	simulate: { build: false, run: async (args) => (await import('./commands/simulate.mjs')).simulate(args) },
	bench: { run: async (args) => (await import('./commands/bench.mjs')).bench(args) },
};

/** @param {string[]} argv */
async function main([name, ...args]) {
	const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined;
	if (!command) {
		process.stderr.write(`usage: node deploy/local/run.mjs ${Object.keys(commands).join('|')} [argument …]\n`);
		return 2;
	}
	await ensure(command);
	return (await command.run(args)) ?? 0;
}

try {
	process.exitCode = await main(process.argv.slice(2));
} catch (error) {
	process.stderr.write(`${red('✗')} ${error instanceof Error ? error.message : error}\n`);
	if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
	process.exitCode = 1;
}
