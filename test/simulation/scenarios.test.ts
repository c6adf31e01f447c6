// What a rollout has to survive, by name, with the real engine, gateways and dispatch. Every invariant is checked throughout.
import { resolveSpec, type Strategy } from '@ampora/rollout';
import { expect, test } from 'vitest';
import { Directed } from './directed.js';
import { labelOf } from './world/metric_plan.js';

const firstAlone: Strategy = {
	...{ kind: 'percentage', percentages: [50, 100], advance: 'auto', dwellMs: 4_000 },
	firstAgentAlone: true,
};
const failed = { kind: 'failed', error: 'no such exporter', afterMs: 50 } as const;

test('a good version reaches everybody', async () => {
	const on = await Directed.set({ agents: 12 });
	const id = await on.begin();
	await on.untilState(id, 'Completed');
	expect(on.count(id, 'Applied')).toBe(12);
	await on.expectRest();
});

test('pause and advance in the same tick: the pause wins', async () => {
	const on = await Directed.set({ agents: 8 });
	const id = await on.begin();
	await on.until('the first step applied', () => on.count(id, 'Applied') === 2);
	await on.ask(id, { kind: 'advance' });
	await on.ask(id, { kind: 'pause' });
	await on.untilState(id, 'Paused', 5);
	await on.world.runFor(20_000);
	expect(on.count(id, 'Applied')).toBe(2);
	await on.ask(id, { kind: 'resume', reasons: [] });
	await on.untilState(id, 'Completed');
	await on.expectRest();
});

test('a breach in one group while another group succeeds', async () => {
	const on = await Directed.set({
		agents: 12,
		secondGroup: 6,
		outcome: (index) => (index < 6 ? failed : { kind: 'instant' }),
	});
	const bad = await on.begin(0);
	const good = await on.begin(1);
	await on.untilState(bad, 'Paused');
	await on.untilState(good, 'Completed');
	expect(on.rollout(bad).state).toBe('Paused');
	expect(on.rollout(bad).pauseReasons).toEqual(['gate']);
	on.expectSound();
});

test('a breach in the last step is not Completed', async () => {
	const on = await Directed.set({ agents: 12, outcome: (index) => (index >= 6 ? failed : { kind: 'instant' }) });
	const id = await on.begin();
	await on.untilState(id, 'Paused');
	expect(on.rollout(id).currentStep).toBe(2);
	await on.world.runFor(60_000);
	expect(on.rollout(id).state).toBe('Paused');
	on.expectSound();
});

test('resume after a gate judges again', async () => {
	const on = await Directed.set({ agents: 12, outcome: () => failed });
	const id = await on.begin();
	await on.untilState(id, 'Paused');
	await on.ask(id, { kind: 'resume', reasons: [] });
	await on.until('it goes on', () => on.rollout(id).state === 'InProgress', 5);
	await on.untilState(id, 'Paused');
	expect(on.count(id, 'Failed')).toBeLessThan(12);
	on.expectSound();
});

test('abort while paused: nothing is sent any more, and nobody is moved', async () => {
	const on = await Directed.set({ agents: 8 });
	const id = await on.begin();
	await on.until('the first step applied', () => on.count(id, 'Applied') === 2);
	await on.ask(id, { kind: 'pause' });
	await on.untilState(id, 'Paused', 5);
	await on.ask(id, { kind: 'abort' });
	await on.untilState(id, 'Aborted', 5);
	await on.expectRest();
	expect(on.count(id, 'Applied')).toBe(2);
});

test('the leader dies with a batch half dispatched: another one goes on', async () => {
	const on = await Directed.set({ agents: 12 });
	const id = await on.begin();
	await on.until('assignments are written', () => on.targets(id).some(({ seq }) => seq !== null));
	for (const engine of on.world.engines) if (engine.process.alive) engine.process.kill();
	await on.world.runFor(2_000);
	for (const engine of on.world.engines) engine.restart();
	await on.untilState(id, 'Completed');
	await on.expectRest();
});

test('two believers in the lease: the paused one writes nothing when it wakes', async () => {
	const on = await Directed.set({ agents: 12 });
	const id = await on.begin();
	for (let round = 0; round < 6 && on.rollout(id).state !== 'Completed'; round += 1) {
		const holder = on.world.engines[round % 2];
		await on.world.runFor(1_500);
		holder?.process.pause(7_000);
		await on.world.runFor(8_000);
	}
	await on.untilState(id, 'Completed');
	await on.expectRest();
});

test('a lost commit acknowledgement: each effect happens once', async () => {
	const on = await Directed.set({ agents: 8 });
	on.world.disturb();
	on.world.servers.storeFaults.lost = 0.5;
	const id = await on.begin();
	// Most ticks are lost on a half: it takes long, how long is chance.
	await on.untilState(id, 'Completed', 3_600);
	on.world.servers.storeFaults.lost = 0;
	await on.expectRest();
	expect(on.targets(id).map(({ attempt }) => attempt)).toEqual(Array(8).fill(1));
});

test.each(['before', 'after'] as const)('R13: engines die %s a call, at every tenth of them', async (dies) => {
	const on = await Directed.set({ agents: 8 });
	on.world.disturb();
	on.world.servers.dieAt = (process, call) => (process.name.startsWith('engine') && call % 10 === 3 ? dies : null);
	const id = await on.begin();
	await on.untilState(id, 'Completed', 900);
	on.world.servers.dieAt = () => null;
	await on.expectRest();
	expect(on.count(id, 'Applied')).toBe(8);
});

test('a rollback with a third of the agents offline: those get it first thing when they return', async () => {
	const on = await Directed.set({ agents: 9 });
	const id = await on.begin();
	await on.until('everybody applied', () => on.count(id, 'Applied') === 9);
	const { agents } = on.world;
	for (const agent of agents.slice(0, 3)) agent.goodbye(60_000);
	await on.world.runFor(1_000);
	await on.ask(id, { kind: 'rollback' });
	await on.untilState(id, 'RolledBack', 30);
	await on.world.runFor(90_000);
	await on.expectRest();
	const [first] = [on.assignment(0)];
	expect(first?.versionId).toBe(on.world.versions?.baseline);
	expect(agents.every(({ agent }) => agent.running?.text.includes('baseline'))).toBe(true);
});

test('a bad version is not offered again after its rollback', async () => {
	const on = await Directed.set({ agents: 8, outcome: () => failed, spec: { onGate: 'rollback' } });
	const id = await on.begin();
	await on.untilState(id, 'RolledBack');
	const bad = on.world.versions?.new[0];
	for (const agent of on.world.agents) agent.restart(1_000);
	await on.world.runFor(60_000);
	expect(on.targets(id).filter(({ state }) => state === 'Failed' || state === 'RolledBack').length).toBeGreaterThan(0);
	expect(on.world.agents.map((_, index) => on.assignment(index)?.versionId)).not.toContain(bad);
	await on.expectRest();
});

test('an agent that reverts by itself is not pushed in a loop', async () => {
	const reverting = { kind: 'reverting', error: 'it did not start', afterMs: 500 } as const;
	const on = await Directed.set({ agents: 6, outcome: (index) => (index === 0 ? reverting : { kind: 'instant' }) });
	const id = await on.begin();
	await on.until('agent 0 answered', () =>
		on.targets(id).some(({ state }) => state === 'Failed' || state === 'Reverted'),
	);
	await on.world.runFor(120_000);
	const seqs = on.reads(0);
	expect(seqs.filter((seq) => seq === 2)).toHaveLength(1);
	on.expectSound();
});

test('a version that cuts agents off stops in its first step', async () => {
	const on = await Directed.set({ agents: 12, outcome: () => ({ kind: 'disconnect' }) });
	const id = await on.begin();
	await on.untilState(id, 'Paused', 300);
	expect(on.rollout(id).currentStep).toBe(0);
	expect(on.targets(id).filter(({ seq }) => seq !== null).length).toBeLessThanOrEqual(2);
	on.expectSound();
});

test('R12: a clock that jumps over a dwell does not end it', async () => {
	const on = await Directed.set({ agents: 8 });
	const id = await on.begin();
	await on.until('the first step applied', () => on.count(id, 'Applied') === 2);
	on.world.servers.clockOffMs += 3_600_000;
	const atMs = on.world.schedule.nowMs;
	await on.until('the second step', () => on.rollout(id).currentStep === 1);
	expect(on.world.schedule.nowMs - atMs).toBeGreaterThan(1_500);
	await on.untilState(id, 'Completed');
	await on.expectRest();
});

test('a late joiner during the canary comes with the last step', async () => {
	const on = await Directed.set({ agents: 9, secondGroup: 1 });
	const id = await on.begin();
	await on.until('the first step', () => on.rollout(id).currentStep === 0);
	on.world.faults.regroup(8);
	await on.untilState(id, 'Completed');
	const joiner = on.targets(id).find(({ agentId }) => agentId === on.agentId(8));
	expect(joiner).toMatchObject({ step: 2, state: 'Applied' });
	await on.expectRest();
});

test('D5: without Redis and NATS a rollout takes its time, and nobody counts as disconnected', async () => {
	const on = await Directed.set({ agents: 12 });
	on.world.network.faults.away = true;
	on.world.servers.directory.flush();
	on.world.servers.directoryFaults.away = true;
	const id = await on.begin();
	await on.untilState(id, 'Completed', 600);
	expect([...on.world.servers.view.agents().values()].every(({ disconnectReason }) => disconnectReason === null)).toBe(
		true,
	);
	await on.expectRest();
});

test('a gateway paused for longer than its lease takes its sessions over again', async () => {
	const on = await Directed.set({ agents: 12 });
	const id = await on.begin();
	await on.until('the first step', () => on.rollout(id).currentStep === 0);
	on.world.gateways[0]?.process.pause(20_000);
	await on.untilState(id, 'Completed', 900);
	await on.expectRest();
});

test('R12: agents of a gateway that cannot reach Postgres are held, not blamed, however long it lasts', async () => {
	const on = await Directed.set({ agents: 12, spec: { onGate: 'rollback' } });
	const id = await on.begin();
	await on.until('the second step', () => on.rollout(id).currentStep === 1 && on.count(id, 'Applied') >= 4);
	const [gateway] = on.world.gateways;
	if (!gateway) throw new Error('there is one');
	gateway.process.cutOffUntilMs = Number.POSITIVE_INFINITY;
	await on.until('our own fault pauses it', () => on.rollout(id).pauseReasons.includes('control-plane'), 900);
	await on.world.runFor(600_000);
	expect(on.count(id, 'Disconnected')).toBe(0);
	expect(on.rollout(id)).toMatchObject({ state: 'Paused', pauseReasons: ['control-plane'], evidence: [] });
	gateway.process.cutOffUntilMs = 0;
	await on.untilState(id, 'Completed', 900);
	expect(on.count(id, 'Applied')).toBe(12);
	await on.expectRest();
});

test('R1: from a second after a pause no agent is handed the version, one that reconnects included', async () => {
	const on = await Directed.set({ agents: 12, outcome: () => ({ kind: 'applied', afterMs: 5_000 }) });
	const id = await on.begin();
	await on.until('somebody is applying', () => on.count(id, 'Applying') > 0);
	await on.ask(id, { kind: 'pause' });
	await on.untilState(id, 'Paused', 5);
	await on.world.runFor(1_000);
	const before = on.world.agents.map((_, index) => on.reads(index).length);
	for (const agent of on.world.agents) agent.cut(500);
	await on.world.runFor(30_000);
	expect(on.world.agents.map((_, index) => on.reads(index).length)).toEqual(before);
	await on.ask(id, { kind: 'resume', reasons: [] });
	await on.until('it goes on', () => on.rollout(id).state !== 'Paused', 10);
	on.expectSound();
});

test('D7: a rollout that cannot be ticked holds up no other', async () => {
	const on = await Directed.set({ agents: 12, secondGroup: 6 });
	const poison = await on.begin(0);
	const good = await on.begin(1);
	await on.until('both run', () => on.rollout(poison).currentStep !== null && on.rollout(good).currentStep !== null);
	on.world.expectExceptions();
	const row = on.world.servers.state.rollouts.get(poison);
	if (row) row.rollout = { ...row.rollout, bakedMs: -1 };
	await on.untilState(good, 'Completed');
	on.expectSound();
});

test('a change of how agents reach their server goes on only once the first one came back with it', async () => {
	const back = { kind: 'disconnect', backAfterMs: 1_000, answer: 'applied' } as const;
	const on = await Directed.set({
		agents: 8,
		spec: { strategy: firstAlone },
		outcome: (index) => (index === 0 ? back : { kind: 'instant' }),
	});
	const id = await on.begin();
	await on.until('the others are begun', () => on.count(id, 'Applied') > 1);
	expect(on.targets(id).find(({ step }) => step === 0)?.agentId).toBe(on.agentId(0));
	await on.untilState(id, 'Completed');
	await on.expectRest();
});

test('a first agent that takes a new way to its server and never shows it stops everything', async () => {
	const on = await Directed.set({ agents: 8, spec: { strategy: firstAlone } });
	const id = await on.begin();
	await on.untilState(id, 'Paused');
	await on.world.runFor(30_000);
	expect(on.rollout(id).pauseReasons).toEqual(['inconclusive']);
	expect(on.count(id, 'Applied')).toBe(1);
	on.expectSound();
});

test.each(['pause', 'rollback'] as const)('a metric gate that fires while somebody paused: %s', async (onGate) => {
	const [points] =
		resolveSpec({
			seed: 'directed',
			metricGates: [
				{
					...{ name: 'points', query: 'avg(points_id * $changed)', op: '>=', value: 0.9 },
					...{ intervalMs: 2_000, initialDelayMs: 0, ingestionLagMs: 500, joinLabel: labelOf('points') },
				},
			],
		}).metricGates ?? [];
	if (points === undefined) throw new Error('there is one gate');
	const on = await Directed.set({
		agents: 8,
		spec: { onGate },
		metrics: { gates: [points], says: { points: 'bad-later' }, awayEveryMs: Number.POSITIVE_INFINITY },
	});
	const id = await on.begin();
	await on.until('the first step applied', () => on.count(id, 'Applied') === 2);
	expect(on.rollout(id).evidence).toEqual([]);
	await on.ask(id, { kind: 'pause' });
	await on.untilState(id, 'Paused', 5);
	if (onGate === 'rollback') await on.untilState(id, 'RolledBack');
	else await on.until('the gate fires', () => on.rollout(id).pauseReasons.includes('gate'));
	await on.world.runFor(60_000);
	expect(on.rollout(id).evidence).toMatchObject([{ gate: 'metric:points', verdict: 'fire' }]);
	on.expectSound();
});
