// `npm run demo`: the main thing, on real processes, in under three minutes. Exit code 0 only if exactly what it announces happened.
import { parseArgs } from 'node:util';
import { runDemo } from './story.js';

const { values } = parseArgs({
	options: { keep: { type: 'boolean', default: false }, agents: { type: 'string', default: '200' } },
});
process.exitCode = await runDemo({ agents: Number(values.agents), keep: values.keep });
