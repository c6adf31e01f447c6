import { foreground } from './child.mjs';
import { mustExist } from './ensure.mjs';

/** The demo is a program of its own; this only starts it. @param {string[]} args */
export const demo = (args) =>
	foreground(process.execPath, ['--enable-source-maps', mustExist('test/dist/demo.js'), ...args]);
