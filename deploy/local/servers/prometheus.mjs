import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from '../progress.mjs';
import { aptInstall } from './apt.mjs';
import { findServer } from './binaries.mjs';
import { keptServer } from './kept_server.mjs';
import { firstAnswer, freePort, ownFolder } from './places.mjs';

const find = () => findServer(['prometheus'], /prometheus, version \d/);
const answers = (port) =>
	firstAnswer(port, 'GET /-/ready HTTP/1.0\r\n\r\n', (answer) => /^HTTP\/1\.\d 200 /.test(answer.toString()));

/** Not from Docker: it has to reach ports of 127.0.0.1. @returns {Promise<{ path: string, version: string }>} */
async function program() {
	const present = await find();
	if (present) return present;
	const why = await aptInstall('prometheus');
	const installed = why === undefined ? await find() : undefined;
	if (installed) return installed;
	throw new Error(
		`No Prometheus for the tests: no server program is on this machine, and installing one did not work (${why ?? 'the package brought no server'}).\n` +
			'Install Prometheus so that `prometheus` is on the PATH.',
	);
}

/** Gets the program once, before tests that start it side by side; the tests that need it fail where that did not work. */
export async function preparePrometheus() {
	try {
		const { path, version } = await program();
		say(`Prometheus: ${path} (${version}), started by the tests that need it`);
	} catch (error) {
		say(error instanceof Error ? error.message : String(error));
	}
}

/** YAML takes JSON. Labels that a target gives its own series stay, `job` and `instance` too. */
const config = (targetsFile) => ({
	global: { scrape_interval: '1s', scrape_timeout: '1s' },
	scrape_configs: [
		{
			job_name: 'tests',
			honor_labels: true,
			file_sd_configs: [{ files: [targetsFile], refresh_interval: '1s' }],
		},
	],
});

/** Prometheus reads the file again when it changes. */
function writeTargets(file, targets) {
	const groups = targets.map(({ job, url }) => {
		const { host, pathname } = new URL(url);
		return { targets: [host], labels: { job, __metrics_path__: pathname } };
	});
	writeFileSync(`${file}.new`, JSON.stringify(groups));
	renameSync(`${file}.new`, file);
}

/**
 * A Prometheus of one's own, empty, that scrapes these once a second, until `scrape` names others.
 * @param {readonly { job: string, url: string }[]} targets
 * @returns {Promise<import('./kept_server.mjs').Server & { scrape: (targets: readonly { job: string, url: string }[]) => void }>}
 */
export async function startPrometheus(targets = []) {
	const { path, version } = await program();
	const port = await freePort();
	const folder = ownFolder('prometheus');
	const file = join(folder, 'prometheus.yml');
	const targetsFile = join(folder, 'targets.json');
	writeTargets(targetsFile, targets);
	writeFileSync(file, JSON.stringify(config(targetsFile)));
	const server = await keptServer({
		kind: `${path} (${version})`,
		url: `http://127.0.0.1:${port}`,
		port,
		folder,
		command: path,
		args: [
			`--config.file=${file}`,
			`--storage.tsdb.path=${join(folder, 'data')}`,
			`--web.listen-address=127.0.0.1:${port}`,
			'--log.level=warn',
		],
		answers,
	});
	return Object.assign(server, { scrape: (next) => writeTargets(targetsFile, next) });
}
