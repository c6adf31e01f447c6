import { foreground } from '../child.mjs';

/** `npm run simulate -- 1-1000`: see test/simulation/main.ts. @param {string[]} args */
export const simulate = (args) =>
	foreground(process.execPath, [
		'--import',
		'tsx',
		'test/simulation/main.ts',
		...(args.length > 0 ? args : ['1-1000']),
	]);
