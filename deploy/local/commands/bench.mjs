import { foreground } from '../child.mjs';
import { mustExist } from '../ensure.mjs';
import { provideServers, releaseServers } from '../servers/provide.mjs';

/** `npm run bench -- <scenario> …`: see test/load. @param {string[]} args */
export async function bench(args) {
	const main = mustExist('test/dist/load.js');
	process.env.TEST_RUN ??= `${Date.now().toString(36)}${process.pid.toString(36)}`;
	await provideServers(['postgres', 'redis', 'nats']);
	try {
		return await foreground(process.execPath, ['--enable-source-maps', main, ...args]);
	} finally {
		await releaseServers();
	}
}
