// The preset canary-fast at a sixtieth of its durations, as people start it: one command, or one request.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RolloutRequest } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { collectorConfig, hashesOf, offersOf, useStage } from './stage.js';

const agents = 500;
const stage = useStage({ agents, gateways: 3, engines: 2, seed: 17 });
const cli = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url));

const steps = 'canary=2%:5s,early-adopters=10%:5s,majority=50%:3s,full=100%';
const gates = {
	'apply-timeout-ratio': '5s',
	'disconnect-ratio': '5s',
	'effective-mismatch-ratio': '10s',
	'unhealthy-ratio': '1s',
};
const command = [
	...['--steps', steps, '--on-gate', 'rollback', '--bake', '10s', '--max-deferred', '40%'],
	...Object.entries(gates).flatMap(([gate, window]) => ['--gate', `${gate}=:${window}`]),
];
/** The same as a request. */
const asked = {
	strategy: {
		kind: 'canary',
		steps: [
			{ name: 'canary', size: '2 %', dwell: '5s' },
			{ name: 'early-adopters', size: '10 %', dwell: '5s' },
			{ name: 'majority', size: '50 %', dwell: '3s' },
			{ name: 'full', size: '100 %' },
		],
	},
	onGate: 'rollback',
	bake: '10s',
	gates: Object.fromEntries(Object.entries(gates).map(([gate, window]) => [gate, { window }])),
} satisfies Partial<RolloutRequest>;

/** `ampora <line>` as a shell runs it. */
async function ampora(...line: string[]): Promise<{ code: number | null; output: string }> {
	const { stack } = stage();
	const env = { ...process.env, AMPORA_SERVER: stack.apiUrl, AMPORA_TOKEN: stack.tokens.admin };
	const child = spawn(process.execPath, [cli, ...line], { env, stdio: ['ignore', 'pipe', 'pipe'] });
	let output = '';
	for (const stream of [child.stdout, child.stderr]) {
		stream.setEncoding('utf8').on('data', (text: string) => {
			output += text;
		});
	}
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once('error', reject);
		child.once('close', resolve);
	});
	return { code, output };
}

let versions = 0;
/** A new version that no rule knows yet, and the text rules know it by. */
async function newVersion(): Promise<{ ref: string; name: string }> {
	versions += 1;
	const name = `fast-${versions}`;
	return { name, ref: await stage().campaign.publish('shops', collectorConfig(name)) };
}

async function running(): Promise<ReadonlySet<string>> {
	return new Set((await stage().fleet.agents()).map((agent) => agent.running ?? ''));
}

test('a good version reaches all agents, by one command', async () => {
	const { campaign, uids } = stage();
	await campaign.group('shops', await uids());
	await campaign.baseline('shops', (await newVersion()).ref);
	const { ref, name } = await newVersion();
	const { code, output } = await ampora('rollouts', 'create', 'shops', ref, ...command, '--watch');
	expect(code, output).toBe(0);
	expect(await running()).toEqual(await hashesOf(stage().fleet, name));
});

test('a version that 30 % reject is taken back, by one request', async () => {
	const { stack, fleet, campaign } = stage();
	const before = await running();
	const { ref, name } = await newVersion();
	const error = `unknown exporter "debug/${name}"`;
	await fleet.rules([{ contains: `debug/${name}`, share: 0.3, salt: 'reject', outcome: { kind: 'failed', error } }]);
	const response = await fetch(`${stack.apiUrl}/api/v1/rollouts`, {
		method: 'POST',
		headers: { authorization: `Bearer ${stack.tokens.admin}`, 'content-type': 'application/json' },
		// By name, so that it is known who comes when: 2 of the first 10 reject it, which is not too many yet, and 12 of the next 40.
		body: JSON.stringify({ group: 'shops', version: ref, ...asked, order: 'hostname' }),
	});
	expect(response.status).toBe(202);
	const { id } = (await response.json()) as { id: string };
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	const story = await campaign.story(id);
	expect(done.state, story).toBe('RolledBack');
	expect(done.evidence, story).toMatchObject([{ gate: 'apply-failed-ratio' }]);
	expect(done.step?.number, story).toBe(2);
	expect(await running()).toEqual(before);
});

/** Sick one fifth into the first dwell: ten are handed it, ten come back, and the shell is told what, how many and who. */
async function stopsAtTen(while_: () => Promise<void> = async () => {}): Promise<void> {
	const { fleet } = stage();
	const before = await running();
	const { ref, name } = await newVersion();
	await fleet.rules([{ contains: `debug/${name}`, outcome: { kind: 'unhealthy', afterMs: 1_000 } }]);
	const [{ code, output }] = await Promise.all([
		ampora('rollouts', 'create', 'shops', ref, ...command, '--watch'),
		while_(),
	]);
	expect(code, output).toBe(4);
	expect(output).toMatch(/unhealthy-ratio: \d+(\.\d)? % > 10 % \(\d+ of 10\)/);
	const handed = [...new Set((await offersOf(fleet, name)).map(({ agent }) => agent))];
	expect(handed, output).toHaveLength(10);
	const names = handed.map((agent) => `host-${String(agent).padStart(5, '0')}`);
	expect(output).toContain('Handed to 10 agents: ');
	for (const hostname of names) expect(output).toContain(`${hostname} (`);
	const after = new Set((await fleet.agents(handed)).map((agent) => agent.running ?? ''));
	expect(before).toEqual(new Set([...before, ...after]));
}

test('a version that makes agents sick is handed to the first ten alone, and they end on the version before', async () => {
	await stopsAtTen();
});

test('the same with 30 % of the agents asleep and a gateway killed in the first step', async () => {
	const { stack, fleet, campaign } = stage();
	const asleep = Array.from({ length: 150 }, (_, index) => index * 3);
	await fleet.sleep(asleep);
	await fleet.until(({ connected }) => connected === agents - asleep.length);
	const [, gateway] = stack.gateways;
	await stopsAtTen(async () => {
		const active = () => campaign.call('listRollouts', { query: { active: 'true' } });
		await expect.poll(async () => (await active()).items.at(0)?.started ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
		await gateway?.kill();
		expect((await active()).items).toMatchObject([{ step: { number: 1 } }]);
	});
	await fleet.until(({ connected }) => connected === agents - asleep.length);
	const { ref, name } = await newVersion();
	const { code, output } = await ampora('rollouts', 'create', 'shops', ref, ...command, '--watch');
	expect(code, output).toBe(0);
	expect(output).toContain(`${asleep.length} deferred`);
	const awake = (await fleet.agents()).filter(({ connected }) => connected).map((agent) => agent.running);
	expect(new Set(awake)).toEqual(await hashesOf(fleet, name));
});
