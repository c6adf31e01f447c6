// `npm run demo`: the main thing, on real processes, in under three minutes. Exit code 0 only if exactly what it announces happened.
import { parseArgs } from 'node:util';
import { type DemoOptions, runDemo } from './story.js';

/** Enough for a canary of 5 % to be stopped by a fifth of it, few enough for one machine. */
const agentsMin = 40;
const agentsMax = 5_000;

/** A text instead: what is wrong with the command line. */
function optionsOf(args: string[]): DemoOptions | string {
	try {
		const { values } = parseArgs({
			args,
			options: { keep: { type: 'boolean', default: false }, agents: { type: 'string', default: '200' } },
		});
		const agents = Number(values.agents);
		if (Number.isInteger(agents) && agents >= agentsMin && agents <= agentsMax) return { agents, keep: values.keep };
		return `--agents takes a whole number from ${agentsMin} to ${agentsMax}, not "${values.agents}"`;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

const options = optionsOf(process.argv.slice(2));
if (typeof options === 'string') {
	process.stderr.write(`${options}\nusage: npm run demo -- [--keep] [--agents 200]\n`);
	process.exitCode = 2;
} else {
	process.exitCode = await runDemo(options);
}
