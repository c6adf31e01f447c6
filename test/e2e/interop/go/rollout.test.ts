// The product and a real collector under the real supervisor: a rollout changes what the collector does, or takes itself back.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Agent, RolloutAnswer } from '@ampora/api-contract';
import { beforeAll, describe, expect, it, type onTestFinished } from 'vitest';
import { buildInterop, type InteropBinaries } from '../build.mjs';
import { freePort, type OtlpSink, pipelineYaml, sendSpan, startSink, unknownExporterYaml } from '../pipeline.js';
import { type Adopted, useProduct } from '../product.js';
import { type RunningSupervisor, type SupervisorCapabilities, startSupervisor } from '../supervisor.js';

let binaries: InteropBinaries;
beforeAll(async () => {
	binaries = await buildInterop();
});
const product = useProduct();

type Finish = typeof onTestFinished;

interface Collector extends Adopted {
	readonly supervisor: RunningSupervisor;
	/** The supervisor vanishes with its collector, and starts again on what it had. */
	crash(): Promise<RunningSupervisor>;
	/** Where every configuration here receives. */
	readonly port: number;
}

/** A supervised collector in a group of its own; it goes away with the test. */
async function join(name: string, finish: Finish, capabilities: SupervisorCapabilities = {}): Promise<Collector> {
	const { ampora, adopt } = product();
	const workdir = await mkdtemp(path.join(tmpdir(), `ampora-${name}-`));
	finish(() => rm(workdir, { recursive: true }));
	const { opamp: endpoint, tokens } = ampora;
	const begin = () =>
		startSupervisor({
			...{ binaries, endpoint, token: tokens.enrollment, workdir, capabilities },
			configApplyTimeout: '30s',
			attributes: { team: name },
		});
	let running = await begin();
	finish(() => running.stop());
	return {
		supervisor: running,
		port: await freePort(),
		...(await adopt(name, running.instanceUid)),
		async crash() {
			await running.kill();
			running = await begin();
			return running;
		},
	};
}

async function sinkFor(finish: Finish): Promise<OtlpSink> {
	const sink = await startSink();
	finish(() => sink.close());
	return sink;
}

/** What goes in at the collector's receiver comes out here. */
async function flows(port: number, sink: OtlpSink, name: string): Promise<void> {
	expect(await sendSpan(port, name)).toBe(200);
	await sink.spans.take((span) => span === name, `span "${name}"`);
}

const counts = ({ states }: RolloutAnswer) =>
	Object.fromEntries(Object.entries(states).filter(([, agents]) => agents > 0));
const gate = ({ gates }: RolloutAnswer, name: RolloutAnswer['gates'][number]['gate']) =>
	gates.find((one) => one.gate === name)?.rollout;

describe.concurrent('a supervised collector', () => {
	it('does what is rolled out to it', async ({ onTestFinished: finish }) => {
		const [before, after] = [await sinkFor(finish), await sinkFor(finish)];
		const { supervisor, port, rollOut } = await join('managed', finish);
		const known = await product().agent(supervisor.instanceUid, ({ healthy }) => healthy === true, 'healthy agent');
		expect(known).toMatchObject({ agentType: 'interop-collector', transport: 'websocket' });
		expect(known.attributes.nonIdentifying).toMatchObject({ team: 'managed' });

		const first = await rollOut(pipelineYaml({ receivePort: port, sink: before.url }), { acceptNoWayBack: true });
		expect(first).toMatchObject({ state: 'Completed', evidence: [], errors: [] });
		await flows(port, before, 'before');

		const second = await rollOut(pipelineYaml({ receivePort: port, sink: after.url }), { onGate: 'rollback' });
		expect(second).toMatchObject({ state: 'Completed', evidence: [], errors: [], noWayBack: 0 });
		expect(counts(second)).toEqual({ Applied: 1 });
		expect(gate(second, 'effective-mismatch-ratio')).toEqual({ k: 0, n: 1, judged: 1 });
		await flows(port, after, 'after');
		expect(before.spans.said).toEqual(['before']);

		const now = await product().agent(supervisor.instanceUid, ({ healthy }) => healthy === true, 'healthy agent');
		expect(now).toMatchObject({ config: 'managed@2', reportedStatus: 'applied', provenVersion: 'managed@2' });
		expect(now.assignment).toMatchObject({ answer: 'applied', effective: 'match', effectiveDetail: null });
	});

	it('does what is rolled out to it though it reports no status', async ({ onTestFinished: finish }) => {
		const [before, after] = [await sinkFor(finish), await sinkFor(finish)];
		const { supervisor, port, rollOut } = await join('quiet', finish, { reports_remote_config: false });
		const first = await rollOut(pipelineYaml({ receivePort: port, sink: before.url }), { acceptNoWayBack: true });
		expect(first.state).toBe('Completed');
		await flows(port, before, 'before');

		const second = await rollOut(pipelineYaml({ receivePort: port, sink: after.url }), { onGate: 'rollback' });
		expect(second).toMatchObject({ state: 'Completed', evidence: [], noWayBack: 0 });
		expect(counts(second)).toEqual({ Applied: 1 });
		expect(gate(second, 'effective-mismatch-ratio')).toEqual({ k: 0, n: 1, judged: 1 });
		expect(gate(second, 'apply-failed-ratio')?.n).toBe(0);
		await flows(port, after, 'after');
		expect(before.spans.said).toEqual(['before']);
		const now = await product().agent(supervisor.instanceUid, () => true, 'agent');
		expect(now).toMatchObject({ config: 'quiet@2', reportedStatus: 'unset', provenVersion: 'quiet@2' });
	});

	it('gets back what it ran when it cannot run what is rolled out', async ({ onTestFinished: finish }) => {
		const sink = await sinkFor(finish);
		const { id, supervisor, port, rollOut } = await join('broken', finish);
		const good = { receivePort: port, sink: sink.url };
		await rollOut(pipelineYaml(good), { acceptNoWayBack: true });
		await flows(port, sink, 'before');

		const rollout = await rollOut(unknownExporterYaml(good), { onGate: 'rollback' });
		expect(rollout).toMatchObject({ state: 'RolledBack', evidence: [{ gate: 'apply-failed-ratio', k: 1, n: 1 }] });
		expect(rollout.evidence[0]?.message).toBe('apply-failed-ratio: 100 % > 20 % (1 of 1)');
		const error = 'Agent exited unexpectedly with exit code 1 while applying configuration';
		expect(rollout.errors).toEqual([{ error, agents: 1, examples: [id] }]);
		await flows(port, sink, 'again');
		const now = await product().agent(supervisor.instanceUid, ({ healthy }) => healthy === true, 'healthy agent');
		expect(now).toMatchObject({ config: 'broken@1', reportedStatus: 'applied', provenVersion: 'broken@1' });
		expect(now.quarantined).toMatchObject([{ version: 'broken@2', reason: error }]);
	});

	it('gets back what it ran though it cannot say that it failed', async ({ onTestFinished: finish }) => {
		const sink = await sinkFor(finish);
		const { supervisor, port, rollOut } = await join('quiet-broken', finish, { reports_remote_config: false });
		const good = { receivePort: port, sink: sink.url };
		await rollOut(pipelineYaml(good), { acceptNoWayBack: true });
		await flows(port, sink, 'before');
		const rollout = await rollOut(unknownExporterYaml(good), { onGate: 'rollback' });
		expect(rollout).toMatchObject({
			state: 'RolledBack',
			evidence: [{ gate: 'effective-mismatch-ratio', k: 1, n: 1 }],
		});
		await product().agent(supervisor.instanceUid, ({ healthy }) => healthy === true, 'healthy agent');
		await flows(port, sink, 'again');
	});

	it('is repaired by the corrected version when it never ran another', async ({ onTestFinished: finish }) => {
		const sink = await sinkFor(finish);
		const { supervisor, port, rollOut } = await join('repaired', finish);
		const good = { receivePort: port, sink: sink.url };
		const { campaign, agent } = product();
		const failed = await rollOut(unknownExporterYaml(good), { acceptNoWayBack: true });
		expect(failed).toMatchObject({ state: 'Paused', pauseReasons: ['gate'], noWayBack: 1 });
		await campaign.call('abortRollout', { params: { rollout: failed.id }, body: {} });
		await agent(supervisor.instanceUid, ({ healthy }) => healthy === false, 'sick agent');

		// The one agent there is was sick before, so nothing shows that the version does no harm: somebody has to look.
		const asked = await rollOut(pipelineYaml(good), { acceptNoWayBack: true });
		expect(asked).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'] });
		await flows(port, sink, 'repaired');
		await campaign.call('resumeRollout', { params: { rollout: asked.id }, body: {} });
		await campaign.until(asked.id, ({ state }) => state === 'Completed');
	});

	it('is the same agent with the same configuration after a crash', async ({ onTestFinished: finish }) => {
		const sink = await sinkFor(finish);
		const { id, supervisor, port, rollOut, crash } = await join('crashed', finish);
		await rollOut(pipelineYaml({ receivePort: port, sink: sink.url }), { acceptNoWayBack: true });
		const { agent } = product();
		const { reportedHash, health: before } = await agent(supervisor.instanceUid, () => true, 'agent');
		const again = await crash();
		expect(again.instanceUid).toBe(supervisor.instanceUid);
		const isBack = ({ healthy, health }: Agent) => healthy === true && !isDeepStrictEqual(health, before);
		const back = await agent(supervisor.instanceUid, isBack, 'healthy agent', 60_000);
		expect(back).toMatchObject({ id, connected: true, config: 'crashed@1', reportedHash, quarantined: [] });
		await flows(port, sink, 'again');
	});
});

describe('supervised collectors of an installation that is started again', () => {
	const kinds = [
		{ name: 'steady', reports_remote_config: true },
		{ name: 'steady-quiet', reports_remote_config: false },
	];

	it('run on undisturbed, and do what is rolled out next', async ({ onTestFinished: finish }) => {
		const [before, after] = [await sinkFor(finish), await sinkFor(finish)];
		const collectors = await Promise.all(kinds.map(({ name, ...capabilities }) => join(name, finish, capabilities)));
		await Promise.all(
			collectors.map(({ port, rollOut }) =>
				rollOut(pipelineYaml({ receivePort: port, sink: before.url }), { acceptNoWayBack: true }),
			),
		);
		const starts = collectors.map(({ supervisor }) => startsOf(supervisor));

		await product().ampora.restart();
		for (const { supervisor, port } of collectors) {
			await product().agent(supervisor.instanceUid, ({ connected }) => connected, 'connected agent', 60_000);
			await flows(port, before, `before at ${port}`);
		}
		const rollouts = await Promise.all(
			collectors.map(({ port, rollOut }) => rollOut(pipelineYaml({ receivePort: port, sink: after.url }))),
		);
		expect(rollouts.map(counts)).toEqual([{ Applied: 1 }, { Applied: 1 }]);
		for (const { port } of collectors) await flows(port, after, `after at ${port}`);
		// Once for the new version, not once more for being connected anew.
		expect(collectors.map(({ supervisor }) => startsOf(supervisor))).toEqual(starts.map((count) => count + 1));
	});
});

/** How often a collector was started. */
const startsOf = ({ log }: RunningSupervisor): number =>
	log.said.filter((line) => line.includes('"msg":"Agent process started"')).length;
