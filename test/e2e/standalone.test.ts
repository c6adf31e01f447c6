// Everything in one process, as `npm start` runs it: stopped, killed and started again on the same folder.
import { createClient } from '@ampora/api-contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FleetProcess } from '../support/fleet/process.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { Campaign, shortWindows } from '../support/stack/campaign.js';
import { appliedOf, collectorConfig, hashesOf } from './stage.js';

const agents = 20;
let ampora: Installation;
let fleet: FleetProcess;
let campaign: Campaign;

beforeAll(async () => {
	ampora = await startInstallation();
	fleet = await FleetProcess.start({
		url: ampora.opamp,
		seed: 7,
		token: ampora.tokens.enrollment,
		reconnect: { baseMs: 100, maxMs: 500 },
	});
	await fleet.add({ count: agents, heartbeatMs: 5_000 });
	await fleet.launch();
	await fleet.until(({ connected }) => connected === agents);
	campaign = new Campaign(
		createClient({ server: ampora.api, token: ampora.tokens.admin, fetch, signal: new AbortController().signal }),
	);
});
afterAll(async () => {
	await fleet?.terminate();
	await ampora?.stop();
});

/** A rollout that is under way for long enough to be interrupted. */
async function underWay(version: string): Promise<string> {
	const rollout = await campaign.start({
		group: 'edge',
		version: await campaign.publish('edge', collectorConfig(version)),
		strategy: {
			kind: 'canary',
			steps: [
				{ size: '20 %', dwell: '4s' },
				{ size: '100 %', dwell: '1s' },
			],
		},
		gates: shortWindows('1s'),
		bake: '1s',
		acceptNoWayBack: true,
	});
	await campaign.until(rollout, ({ states }) => (states.Applied ?? 0) > 0);
	return rollout;
}

async function completes(rollout: string, version: string): Promise<void> {
	const ended = await campaign.until(rollout, ({ endedAt }) => endedAt !== null);
	expect(ended.state, await campaign.story(rollout)).toBe('Completed');
	expect(appliedOf(fleet.stats, await hashesOf(fleet, version))).toBe(agents);
}

const isAlive = (pid: number): boolean => {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
};

test('it says where everything is, and its operations port serves health and metrics', async () => {
	const { operations, tokens } = ampora;
	for (const path of ['/health/live', '/health/ready']) expect((await fetch(operations + path)).status, path).toBe(200);
	expect(await (await fetch(`${operations}/health/ready?verbose`)).json()).toEqual({ status: 'ready', failing: [] });
	const metrics = await fetch(`${operations}/metrics`);
	expect(metrics.status).toBe(200);
	expect(await metrics.text()).toMatch(/^ampora_[a-z_]+(\{.*\})? \d/m);
	const printed = ampora.printed();
	expect(printed).toContain('Starting Postgres …');
	for (const [name, value] of [
		['OpAMP', ampora.opamp],
		['REST', ampora.api],
		['gRPC', ampora.grpc],
		['Metrics', `${operations}/metrics`],
		['Admin token', tokens.admin],
		['Enrollment token', tokens.enrollment],
	])
		expect(printed.split('\n')).toContainEqual(expect.stringMatching(`^ +${name} +${value}(?: |$)`));
});

test('after kill -9 it adopts the Postgres left behind, and goes on with the rollout under way', async () => {
	await campaign.group(
		'edge',
		(await fleet.agents()).map(({ instanceUid }) => instanceUid),
	);
	const rollout = await underWay('v1');
	const before = ampora.postgresPid();
	expect(before).not.toBeNull();
	await ampora.restart('killed');
	expect(ampora.postgresPid()).toBe(before);
	await fleet.until(({ connected }) => connected === agents);
	await completes(rollout, 'v1');
});

test('a second one on the same folder is refused, and leaves the first alone', async () => {
	const before = ampora.postgresPid();
	const { code, stderr } = await ampora.startTwin();
	expect(code).toBe(1);
	expect(stderr).toMatch(/^ampora: another Ampora is running on .+: end that one, .*AMPORA_DATA.*\n$/);
	expect(ampora.postgresPid()).toBe(before);
	await completes(await underWay('v1-again'), 'v1-again');
});

test('told to stop, it stops its Postgres too, and starts again where it was', async () => {
	const rollout = await underWay('v2');
	const before = ampora.postgresPid();
	expect(await ampora.restart('in order')).toBeLessThan(5_000);
	expect(before !== null && isAlive(before)).toBe(false);
	expect(ampora.postgresPid()).not.toBe(before);
	await fleet.until(({ connected }) => connected === agents);
	await completes(rollout, 'v2');
});

test('told to stop twice, it ends at once, and its Postgres with it', async () => {
	const before = ampora.postgresPid();
	expect(await ampora.interrupt()).toBe(1);
	await expect.poll(() => before !== null && isAlive(before), { timeout: 10_000 }).toBe(false);
	await ampora.restart();
	expect(ampora.printed()).not.toContain('Starting Postgres');
	expect(ampora.printed()).toContain(ampora.tokens.admin);
});
