// The last resort on Debian and Ubuntu as root, which is what a fresh CI machine is: install the server, but let no daemon start.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { capture, mustRun } from '../child.mjs';
import { step } from '../progress.mjs';

const policy = '/usr/sbin/policy-rc.d';
const saved = `${policy}.ampora-saved`;
const refusal = '#!/bin/sh\n# Put here while the tests of Ampora install a server; may be removed.\nexit 101\n';
let updated = false;

/** Why it cannot be done here, or undefined. @returns {Promise<string | undefined>} */
async function obstacle() {
	if (process.getuid?.() !== 0) return 'not running as root';
	const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
	if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)) return 'not Debian or Ubuntu';
	const { code } = await capture('apt-get', ['--version']);
	return code === 0 ? undefined : 'no apt-get';
}

/** invoke-rc.d asks this script whether a service may start; 101 is no. @param {() => Promise<unknown>} work */
async function withoutDaemons(work) {
	const leftBehind = existsSync(policy) && readFileSync(policy, 'utf8') === refusal;
	if (existsSync(policy) && !leftBehind) renameSync(policy, saved);
	writeFileSync(policy, refusal, { mode: 0o755 });
	try {
		await work();
	} finally {
		rmSync(policy, { force: true });
		if (existsSync(saved)) renameSync(saved, policy);
	}
}

/**
 * @param {string} name of the package
 * @returns {Promise<string | undefined>} why it was not installed
 */
export async function aptInstall(name) {
	const why = await obstacle();
	if (why) return why;
	const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
	try {
		if (!updated) await step('apt-get update', () => mustRun('apt-get', ['update', '-q'], { env }));
		updated = true;
		await step(`apt-get install ${name}`, () =>
			withoutDaemons(() => mustRun('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], { env })),
		);
		return undefined;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}
