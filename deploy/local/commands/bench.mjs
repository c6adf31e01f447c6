import { foreground } from '../child.mjs';
import { mustExist } from '../ensure.mjs';

/** `npm run bench -- <scenario> …`: see test/load. @param {string[]} args */
export const bench = (args) =>
	foreground(process.execPath, ['--enable-source-maps', mustExist('test/dist/load.js'), ...args]);
