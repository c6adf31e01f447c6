import { foreground } from '../child.mjs';
import { mustExist } from '../ensure.mjs';

/** Everything in one process, until it is told to stop. @param {string[]} args */
export const start = (args) =>
	foreground(process.execPath, ['--enable-source-maps', mustExist('services/standalone/dist/main.js'), ...args]);
