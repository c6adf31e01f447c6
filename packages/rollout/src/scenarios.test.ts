import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import type { Strategy } from './model.js';
import {
	applies,
	type Behaviour,
	fails,
	goesAway,
	keepsSilent,
	newVersion,
	oldVersion,
	RolloutWorld,
	type WorldAgent,
} from './testing/world.js';

const minute = 60_000;
const canary = (...steps: readonly (readonly [percent: number, dwellMs: number])[]): Strategy => ({
	kind: 'canary',
	steps: steps.map(([value, dwellMs]) => ({ size: { kind: 'percent', value }, dwellMs })),
});
const oneStep = canary([100, minute]);

/** The agents of the current step, in rank order. */
const inStep = (world: RolloutWorld): readonly WorldAgent[] =>
	[...world.targets.values()]
		.filter(({ step }) => step === world.rollout.currentStep)
		.toSorted((a, b) => a.rank - b.rank)
		.flatMap(({ agentId }) => world.agents.get(agentId) ?? []);

const outcomeOf = (world: RolloutWorld, id: string) =>
	world.decisions.flatMap(({ outcomes }) => outcomes).find(({ commandId }) => commandId === id);

const until = (world: RolloutWorld, state: RolloutWorld['rollout']['state'], seconds?: number): void =>
	world.passUntil(({ rollout }) => rollout.state === state, seconds);

describe('a start', () => {
	it('is refused when agents have no way back, and says how many', () => {
		const world = new RolloutWorld();
		world.addAgents(3);
		world.addAgents(2, { provenVersion: null });
		const id = world.ask('start');
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'no-way-back' });
		expect(outcomeOf(world, id)?.message).toMatch(/^2 of 5 agents/);
		expect(world.rollout.state).toBe('Pending');
		expect(world.targets.size).toBe(0);
	});

	it('completes at once when every agent already runs the version', () => {
		const world = new RolloutWorld();
		const assignment = {
			seq: 4,
			versionId: newVersion,
			rolloutId: null,
			attempt: 1,
			answer: 'applied',
			error: null,
			effective: 'match',
		} as const;
		world.addAgent({ assignment: { ...assignment } });
		world.start();
		expect(world.rollout.state).toBe('Completed');
		expect(world.count('AlreadyApplied')).toBe(1);
		expect(world.offers).toEqual([]);
	});

	it('skips agents that cannot take a config or confirm it, by name of the reason', () => {
		const world = new RolloutWorld();
		world.addAgent({ reports: { remoteConfig: false, configStatus: true, effectiveConfig: true, health: true } });
		world.addAgent({ reports: { remoteConfig: true, configStatus: false, effectiveConfig: false, health: true } });
		world.addAgent({ quarantined: true });
		world.start();
		expect([...world.targets.values()].map(({ reason }) => reason).toSorted()).toEqual([
			'cannot-confirm',
			'no-remote-config',
			'quarantined',
		]);
		expect(world.rollout.state).toBe('Failed');
	});

	it('of a group of one works', () => {
		const world = new RolloutWorld();
		world.addAgent();
		world.start();
		until(world, 'Completed');
		expect(world.steps.size).toBe(1);
	});
});

describe('steps', () => {
	it('wait for the dwell after the last answer', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(299);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(10);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('without a dwell last until the longest window has passed', () => {
		const world = new RolloutWorld({ strategy: canary([50, 0], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(595);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(15);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('advanced by hand wait for advance, and say so', () => {
		const world = new RolloutWorld({ strategy: { kind: 'batch', batchSize: 2, advance: 'manual', dwellMs: minute } });
		world.addAgents(6);
		world.start();
		world.pass(120);
		expect(world.steps.get(0)?.phase).toBe('ended');
		expect(decide(world.snapshot()).waitsFor).toBe('advance');
		world.ask('advance');
		world.settle();
		expect(world.rollout.currentStep).toBe(1);
	});

	it('never begin with a sick agent while there is another, and count none of them', () => {
		const world = new RolloutWorld({ strategy: canary([10, minute], [100, minute]), order: 'hostname' });
		const sick = world.addAgents(3, { healthy: false });
		world.addAgents(17);
		world.start();
		world.pass(1);
		expect(inStep(world).some((agent) => sick.includes(agent))).toBe(false);
		until(world, 'Completed');
		expect(sick.map((agent) => world.targetOf(agent).step)).toEqual([1, 1, 1]);
		expect(world.steps.get(1)?.counters.gates['unhealthy-ratio'].n).toBe(15);
	});

	it('of nothing but sick agents still take the fix', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4, { healthy: false });
		world.start();
		world.passUntil(({ rollout }) => rollout.pauseReasons.includes('inconclusive'));
		expect(world.count('Applied')).toBe(2);
	});

	it('7 % of 100 are seven', () => {
		const world = new RolloutWorld({ strategy: canary([7, minute], [100, minute]) });
		world.addAgents(100);
		world.start();
		expect(world.steps.get(0)?.quota).toBe(7);
	});

	it('0 of 0: a step that would add nobody is dropped', () => {
		const world = new RolloutWorld({ strategy: canary([5, minute], [25, minute], [50, minute], [100, minute]) });
		world.addAgents(3);
		world.start();
		until(world, 'Completed');
		expect([...world.steps.keys()]).toEqual([0, 2, 3]);
	});

	it('0 of 0: with nobody connected the first step waits for somebody', () => {
		const world = new RolloutWorld();
		const agents = world.addAgents(3, { session: 'lost' });
		world.start();
		world.pass(30);
		expect(world.rollout.state).toBe('InProgress');
		expect(decide(world.snapshot()).waitsFor).toMatch(/connect \(3 deferred\)/);
		for (const agent of agents) agent.session = 'live';
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(3);
	});

	it('a late joiner during the canary comes with the last step', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(5);
		const joiner = world.addAgent();
		until(world, 'Completed');
		expect(world.targetOf(joiner)).toMatchObject({ step: 1, state: 'Applied', rank: 4 });
	});

	it('a member that leaves before its push is skipped, after it keeps counting', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(5);
		const waiting = world.agentsIn('Pending')[0];
		const pushed = world.agentsIn('Applied')[0];
		if (waiting === undefined || pushed === undefined) throw new Error('both kinds exist');
		waiting.inGroup = false;
		pushed.inGroup = false;
		world.pass(2);
		expect(world.targetOf(waiting)).toMatchObject({ state: 'Skipped', reason: 'left-group' });
		expect(world.targetOf(pushed)).toMatchObject({ state: 'Applied', step: 0 });
	});
});

describe('pace', () => {
	it('begins with one and doubles with what was applied', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 50 });
		world.addAgents(40, { behaviour: keepsSilent });
		world.start();
		expect(world.offers.length).toBe(1);
		const answerAll = (): void => {
			for (const agent of world.agents.values()) if (agent.assignment?.answer === 'offered') applies(agent, world);
		};
		const offered: number[] = [];
		for (let turn = 0; turn < 5; turn += 1) {
			answerAll();
			world.pass(1);
			offered.push(world.offers.length);
		}
		expect(offered).toEqual([3, 7, 15, 31, 40]);
	});

	it('never has more in flight than asked for', () => {
		const world = new RolloutWorld({ strategy: canary([5, minute], [100, minute]), maxInFlight: 7 });
		world.addAgents(60, { behaviour: keepsSilent });
		world.start();
		for (let second = 0; second < 200; second += 1) {
			const inFlight = [...world.steps.values()].reduce((sum, { counters }) => sum + counters.inFlight, 0);
			expect(inFlight).toBeLessThanOrEqual(7);
			const [next] = world.agentsIn('Applying');
			if (next !== undefined && second % 2 === 0) applies(next, world);
			world.pass(1);
		}
	});

	it('dispatches again after 1, 2, 4, then every 5 s what no gateway wrote', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent();
		world.ask('start');
		const at: number[] = [];
		for (let second = 0; second <= 23; second += 1) {
			let decision = world.tick();
			const dispatched = new Set(decision.dispatch);
			while (decision.nextWakeAtMs !== null && decision.nextWakeAtMs <= world.nowMs) {
				decision = world.tick();
				for (const agentId of decision.dispatch) dispatched.add(agentId);
			}
			if (dispatched.has(agent.agentId)) at.push(second);
			world.nowMs += 1_000;
		}
		expect(at).toEqual([0, 1, 3, 7, 12, 17, 22]);
	});
});

describe('pause and resume', () => {
	it('takes back what no gateway wrote, and resumes in the same step', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(10);
		world.ask('start');
		world.tick();
		world.tick();
		expect(world.decisions.at(-1)?.assignments.length).toBe(10);
		world.ask('pause');
		world.settle();
		expect(world.rollout.state).toBe('Paused');
		expect([...world.agents.values()].every(({ assignment }) => assignment?.versionId === null)).toBe(true);
		world.pass(120);
		expect(world.offers).toEqual([]);
		world.ask('resume');
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(10);
	});

	it('pause and advance in the same tick: the pause wins and nobody is admitted', () => {
		const world = new RolloutWorld({
			strategy: { kind: 'percentage', percentages: [50, 100], advance: 'manual', dwellMs: minute },
		});
		world.addAgents(4);
		world.start();
		world.pass(120);
		const advance = world.ask('advance');
		const pause = world.ask('pause');
		world.settle();
		expect(outcomeOf(world, pause)?.accepted).toBe(true);
		expect(outcomeOf(world, advance)).toMatchObject({ accepted: false, code: 'overruled' });
		expect(outcomeOf(world, advance)?.message).toMatch(/pause/);
		world.pass(60);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.offers.length).toBe(2);
	});

	it('rollback, abort and pause in the same tick: the rollback wins', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		world.start();
		const ids = (['pause', 'abort', 'rollback'] as const).map((kind) => world.ask(kind));
		world.settle();
		expect(ids.map((id) => outcomeOf(world, id)?.code)).toEqual(['overruled', 'overruled', null]);
		expect(['RollingBack', 'RolledBack']).toContain(world.rollout.state);
	});

	it('dwell stands still while paused and starts again with the resume', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(250);
		world.ask('pause');
		world.pass(600);
		expect(world.rollout.currentStep).toBe(0);
		world.ask('resume');
		world.pass(290);
		expect(world.rollout.currentStep).toBe(0);
		world.pass(20);
		expect(world.rollout.currentStep).toBe(1);
	});

	it('resume lifts only the reasons it names', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(5, { behaviour: fails });
		world.start();
		until(world, 'Paused');
		world.ask('pause');
		world.settle();
		expect(world.rollout.pauseReasons).toEqual(['gate', 'manual']);
		world.ask('resume', { reasons: ['manual'] });
		world.settle();
		expect(world.rollout.pauseReasons).toEqual(['gate']);
		const id = world.ask('resume', { reasons: ['window'] });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
	});

	it('resume after a gate accepts what was shown, and new failures fire it again', () => {
		const world = new RolloutWorld({ strategy: oneStep, order: 'hostname', maxInFlight: 1 });
		world.addAgents(30).forEach((agent, index) => {
			agent.behaviour = index < 7 || index >= 24 ? fails : applies;
		});
		world.start();
		until(world, 'Paused');
		expect(world.rollout.evidence[0]).toMatchObject({ k: 7, n: 30 });
		world.ask('resume');
		world.settle();
		expect(world.rollout.state).toBe('InProgress');
		expect(world.steps.get(0)?.counters.gates['apply-failed-ratio']).toMatchObject({ accepted: 7, k: 0, n: 23 });
		until(world, 'Paused');
		expect(world.rollout.evidence[0]).toMatchObject({ k: 5, n: 23 });
		expect(world.rollout.evidence[0]?.message).toBe('apply-failed-ratio: 21.7 % > 20 % (5 of 23)');
	});

	it('a gate that fires while paused adds its reason', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.ask('pause');
		world.settle();
		for (const agent of agents) fails(agent, world);
		world.pass(1);
		expect(world.rollout.pauseReasons).toEqual(['manual', 'gate']);
	});

	it('abort while paused ends it', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		world.start();
		world.ask('pause');
		world.settle();
		world.ask('abort');
		world.settle();
		expect(world.rollout.state).toBe('Aborted');
		expect(world.rollout.pauseReasons).toEqual([]);
		const id = world.ask('resume');
		world.settle();
		expect(outcomeOf(world, id)?.message).toMatch(/resume.*Aborted/);
	});
});

describe('gates', () => {
	it('a breach in the last step is not Completed', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]), onAgentFailure: 'leave' });
		world.addAgents(10);
		world.start();
		world.pass(30);
		for (const agent of world.agentsIn('Pending')) agent.behaviour = fails;
		world.pass(3_600);
		expect(world.rollout.state).toBe('Paused');
		expect(world.rollout.evidence[0]?.gate).toBe('apply-failed-ratio');
	});

	it('applied, then unhealthy one fifth into the first dwell: stopped in the first step', () => {
		const world = new RolloutWorld({ strategy: canary([20, 5 * minute], [100, minute]) });
		world.addAgents(50);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		world.pass(60);
		for (const agent of world.agentsIn('Applied')) world.setHealth(agent, false);
		until(world, 'Paused', 120);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.rollout.evidence[0]?.message).toBe('unhealthy-ratio: 20 % > 10 % (2 of 10)');
	});

	it('health that breaks between two looks is no unbroken illness', () => {
		const world = new RolloutWorld({ strategy: canary([100, 5 * minute]) });
		world.addAgents(10);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		for (let turn = 0; turn < 4; turn += 1) {
			for (const agent of world.agents.values()) {
				world.setHealth(agent, true);
				world.setHealth(agent, false);
			}
			world.pass(40);
		}
		expect(world.rollout.evidence).toEqual([]);
	});

	it('agents that never answer time out on connected time only', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		world.pass(200);
		const [away] = agents;
		if (away === undefined) throw new Error('there are agents');
		away.session = 'lost';
		world.pass(30);
		away.session = 'live';
		world.pass(75);
		expect(world.count('TimedOut')).toBe(9);
		expect(world.targetOf(away).state).toBe('Applying');
		world.pass(30);
		expect(world.targetOf(away).state).toBe('TimedOut');
		expect(world.rollout.pauseReasons).toContain('gate');
		applies(away, world);
		world.pass(1);
		expect(world.targetOf(away).state).toBe('Applied');
		expect(world.rollout.evidence.length).toBe(1);
	});

	it('agents that vanish count after the window, and come back', () => {
		const world = new RolloutWorld({ strategy: canary([100, 10 * minute]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		agents.slice(0, 3).forEach((agent) => {
			agent.behaviour = goesAway;
		});
		world.start();
		world.pass(290);
		expect(world.count('Disconnected')).toBe(0);
		until(world, 'Paused', 30);
		expect(world.rollout.evidence[0]?.message).toBe('disconnect-ratio: 30 % > 20 % (3 of 10)');
		for (const agent of agents) {
			agent.session = 'live';
			applies(agent, world);
		}
		world.pass(1);
		expect(world.count('Applied')).toBe(10);
		expect(world.rollout.state).toBe('Paused');
	});

	it('an agent that says goodbye to apply, and returns, is no harm', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const [agent] = world.addAgents(4);
		if (agent === undefined) throw new Error('there are agents');
		agent.behaviour = (self) => {
			self.session = 'goodbye';
		};
		world.start();
		world.pass(20);
		agent.session = 'live';
		applies(agent, world);
		until(world, 'Completed');
		expect(world.count('Applied')).toBe(4);
	});

	it('effective config that differs for the whole window counts', () => {
		const world = new RolloutWorld({ strategy: canary([100, 0]), maxInFlight: 'unlimited' });
		const differs: Behaviour = (agent, self) => {
			applies(agent, self);
			if (agent.assignment !== null) agent.assignment.effective = 'mismatch';
		};
		world.addAgents(10).forEach((agent, index) => {
			agent.behaviour = index < 3 ? differs : applies;
		});
		world.start();
		world.pass(595);
		expect(world.rollout.evidence).toEqual([]);
		until(world, 'Paused', 30);
		expect(world.rollout.evidence[0]?.message).toBe('effective-mismatch-ratio: 30 % > 20 % (3 of 10)');
	});

	it('a config that severs the management channel is stopped in the first step', () => {
		const world = new RolloutWorld({ strategy: canary([10, 5 * minute], [100, 0]) });
		world.addAgents(100, { behaviour: goesAway });
		world.start();
		until(world, 'Paused');
		expect(world.rollout.currentStep).toBe(0);
		expect(world.offers.length).toBeLessThanOrEqual(10);
	});

	it('three restarts within the window are a revert', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent({
			behaviour: (self, all) => {
				applies(self, all);
				self.restarts += 3;
			},
		});
		world.start();
		world.pass(2);
		expect(world.targetOf(agent)).toMatchObject({ state: 'Reverted', reason: 'restarted 3 times' });
		expect(agent.quarantined).toBe(true);
	});

	it('a step in which nobody is Applied and well is extended once, then inconclusive', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, minute]) });
		world.addAgents(2, { behaviour: keepsSilent });
		world.start();
		until(world, 'Paused');
		expect(world.rollout.pauseReasons).toEqual(['inconclusive']);
		expect(world.steps.get(0)).toMatchObject({ extendedForCoverage: true, extendedMs: minute });
		expect(world.count('TimedOut')).toBe(1);
		world.ask('resume');
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
	});

	it('advance by force needs a reason, and overrides missing evidence only', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]) });
		world.addAgents(10);
		world.start();
		const early = world.ask('advance');
		world.settle();
		expect(outcomeOf(world, early)?.code).toBe('not-answered');
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const soon = world.ask('advance');
		world.settle();
		expect(outcomeOf(world, soon)?.code).toBe('inconclusive');
		const mute = world.ask('advance', { force: true });
		world.settle();
		expect(outcomeOf(world, mute)?.code).toBe('reason-required');
		const forced = world.ask('advance', { force: true, reason: 'incident 7' });
		world.settle();
		expect(outcomeOf(world, forced)?.accepted).toBe(true);
		expect(world.rollout.currentStep).toBe(1);
		expect(world.steps.get(0)?.unprovenAccepted).toBe(true);
	});

	it('agents without status are Applied when their effective config matches, and TimedOut when nothing is said', () => {
		const world = new RolloutWorld({ strategy: oneStep, unconfirmed: 'push', maxInFlight: 'unlimited' });
		const showing = world.addAgents(5, {
			reports: { remoteConfig: true, configStatus: false, effectiveConfig: true, health: true },
			behaviour: (agent) => {
				if (agent.assignment !== null) agent.assignment.effective = 'match';
			},
		});
		const mute = world.addAgent({
			reports: { remoteConfig: true, configStatus: false, effectiveConfig: false, health: true },
			behaviour: keepsSilent,
		});
		world.start();
		world.pass(310);
		expect(showing.map((agent) => world.targetOf(agent).state)).toEqual(Array.from({ length: 5 }, () => 'Applied'));
		expect(world.targetOf(mute)).toMatchObject({ state: 'TimedOut', reason: 'unconfirmed', against: {} });
	});
});

describe('our faults', () => {
	const lost = (world: RolloutWorld) => ({
		...world.environment,
		unheardGateways: [{ gateway: 'gw-2', why: 'cut off' as const, sinceMs: world.nowMs, agents: 3 }],
	});

	it('stop the clocks and the admission, and blame no agent', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 5 });
		world.addAgents(20, { behaviour: keepsSilent });
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		world.pass(200);
		expect(world.rollout.hold?.cause).toBe('gateway gw-2 cut off');
		const { observedMs } = world.rollout;
		world.pass(60);
		expect(world.rollout.observedMs).toBe(observedMs);
		expect(world.count('TimedOut')).toBe(0);
		expect(world.offers.length).toBe(1);
		world.environment = environment;
		world.pass(2);
		expect(world.rollout.hold).toBeNull();
		expect(world.rollout.state).toBe('InProgress');
	});

	it('pause with control-plane after five minutes, which lifts by itself two minutes after the cause', () => {
		const world = new RolloutWorld({ strategy: canary([100, 30 * minute]) });
		world.addAgents(5);
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		world.pass(310);
		expect(world.rollout.pauseReasons).toEqual(['control-plane']);
		const id = world.ask('resume');
		world.settle();
		expect(outcomeOf(world, id)?.accepted).toBe(false);
		world.environment = environment;
		world.pass(100);
		expect(world.rollout.state).toBe('Paused');
		world.pass(30);
		expect(world.rollout.state).toBe('InProgress');
	});

	it('a failure is still the agent’s own word, but no automatic rollback starts', () => {
		const world = new RolloutWorld({ strategy: oneStep, onGate: 'rollback', maxInFlight: 'unlimited' });
		const agents = world.addAgents(10, { behaviour: keepsSilent });
		world.start();
		const { environment } = world;
		world.environment = lost(world);
		for (const agent of agents) {
			agent.behaviour = fails;
			fails(agent, world);
		}
		world.pass(2);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		world.environment = environment;
		world.pass(10);
		expect(world.rollout.state).toBe('RolledBack');
	});

	it('a gateway counts for two minutes after it was lost, then its missing agents are gone', () => {
		const world = new RolloutWorld({ strategy: canary([100, 30 * minute]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		world.start();
		world.pass(2);
		for (const agent of agents.slice(0, 3)) agent.session = 'unheard';
		world.environment = {
			...world.environment,
			unheardGateways: [{ gateway: 'gw-1', why: 'lost', sinceMs: world.nowMs, agents: 3 }],
		};
		world.pass(119);
		expect(world.rollout.hold?.cause).toBe('gateway gw-1 lost');
		world.pass(5);
		expect(world.rollout.hold).toBeNull();
		world.pass(310);
		expect(world.count('Disconnected')).toBe(3);
	});

	it('agents lost outside the rollout hold it: more than 5 %, at least 5', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(5);
		world.start();
		world.environment = { ...world.environment, controlLost: 4, controlConnected: 10 };
		world.pass(1);
		expect(world.rollout.hold).toBeNull();
		world.environment = { ...world.environment, controlLost: 5, controlConnected: 100 };
		world.pass(1);
		expect(world.rollout.hold).toBeNull();
		world.environment = { ...world.environment, controlLost: 6, controlConnected: 100 };
		world.pass(1);
		expect(world.rollout.hold?.cause).toMatch(/6 of 100/);
	});

	it('a clock that jumps passes no dwell and fires no timeout', () => {
		const world = new RolloutWorld({ strategy: canary([50, 30 * minute], [100, 0]), maxInFlight: 'unlimited' });
		world.addAgents(4);
		world.addAgents(4, { behaviour: keepsSilent });
		world.start();
		world.nowMs += 3_600_000;
		world.settle();
		expect(world.count('TimedOut')).toBe(0);
		world.nowMs -= 7_200_000;
		world.pass(30);
		expect(world.rollout.currentStep).toBe(0);
		expect(world.rollout.observedMs).toBeGreaterThanOrEqual(29_000);
		expect(world.rollout.observedMs).toBeLessThanOrEqual(45_000);
	});
});

describe('rollback', () => {
	const badRollout = (): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, onGate: 'rollback', maxInFlight: 'unlimited' });
		world.addAgents(20).forEach((agent, index) => {
			agent.behaviour = index < 8 ? fails : applies;
		});
		return world;
	};

	it('by a gate: every touched agent ends on its previous version', () => {
		const world = badRollout();
		world.start();
		until(world, 'RolledBack', 60);
		expect(world.count('RolledBack')).toBe(20);
		for (const agent of world.agents.values()) expect(agent.assignment?.versionId).toBe(oldVersion);
		expect(world.rollout.back).toEqual({ todo: 0, inFlight: 0, confirmed: 20, listed: 0 });
	});

	it('with 30 % offline lists those, and they get it when they return', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(10);
		world.start();
		world.pass(3);
		for (const agent of agents.slice(0, 3)) agent.session = 'lost';
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.rollout.back).toMatchObject({ confirmed: 7, listed: 3 });
		expect(agents.every((agent) => agent.assignment?.versionId === oldVersion)).toBe(true);
		for (const agent of agents) agent.session = 'live';
		world.pass(3);
		expect(world.count('RolledBack')).toBe(10);
		expect(world.rollout.state).toBe('RolledBack');
	});

	it('leaves agents without a way back as they are, by name', () => {
		const world = new RolloutWorld({ strategy: oneStep, acceptNoWayBack: true, maxInFlight: 'unlimited' });
		world.addAgents(3);
		const [lone] = world.addAgents(1, { provenVersion: null });
		if (lone === undefined) throw new Error('there is one');
		world.start();
		expect(world.rollout.noWayBack).toBe(1);
		world.pass(3);
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(lone)).toMatchObject({ state: 'Applied', back: { state: 'listed', why: 'no-way-back' } });
		expect(lone.assignment?.versionId).toBe(newVersion);
	});

	it('goes on within maxInFlight, may be paused by hand, and times out those that do not confirm', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 4 });
		const agents = world.addAgents(12);
		world.start();
		world.pass(30);
		for (const agent of agents) agent.behaviour = keepsSilent;
		world.ask('rollback');
		world.settle();
		expect(world.rollout.back).toMatchObject({ inFlight: 4, todo: 8 });
		world.ask('pause');
		world.settle();
		expect(world.rollout).toMatchObject({ state: 'Paused', rollingBack: true });
		world.ask('resume');
		world.settle();
		expect(world.rollout.state).toBe('RollingBack');
		until(world, 'RolledBack', 1_200);
		expect(world.rollout.back).toMatchObject({ confirmed: 0, listed: 12 });
	});

	it('counts an agent written to in the very moment of the rollback', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(3, { behaviour: keepsSilent });
		world.ask('start');
		world.tick();
		world.tick();
		const [first] = agents;
		if (first?.assignment == null) throw new Error('it was admitted');
		world.ask('rollback');
		const before = world.snapshot();
		first.assignment.answer = 'offered';
		expect(before.commands.length).toBe(1);
		world.settle();
		for (const agent of agents) agent.behaviour = applies;
		world.deliver();
		applies(first, world);
		until(world, 'RolledBack', 60);
		expect(first.assignment.versionId).toBe(oldVersion);
		expect(agents.every(({ assignment }) => assignment?.versionId !== newVersion)).toBe(true);
	});

	it('of one that was restored before confirms without a second write', () => {
		const world = new RolloutWorld({ strategy: canary([50, 10 * minute], [100, 0]), maxInFlight: 'unlimited' });
		const agents = world.addAgents(20);
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const [failed] = world.agentsIn('Applied');
		if (failed === undefined) throw new Error('one applied');
		fails(failed, world);
		world.pass(2);
		expect(world.targetOf(failed)).toMatchObject({ state: 'Failed', back: { state: 'confirmed' } });
		expect(failed.assignment?.versionId).toBe(oldVersion);
		const seq = failed.assignment?.seq;
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(failed).state).toBe('RolledBack');
		expect(failed.assignment?.seq).toBe(seq);
		expect(agents.every(({ assignment }) => assignment?.versionId !== newVersion)).toBe(true);
	});

	it('by hand of an ended rollout is for a new one', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgent();
		world.start();
		until(world, 'Completed');
		const id = world.ask('rollback');
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
		expect(world.rollout.state).toBe('Completed');
	});
});

describe('single agents', () => {
	it('an old status that crosses the offer changes nothing', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent({ behaviour: keepsSilent });
		world.start();
		world.pass(1);
		expect(world.targetOf(agent).state).toBe('Applying');
		// What it answered to its former assignment is no answer to this one.
		const former = {
			seq: 0,
			versionId: oldVersion,
			rolloutId: world.rollout.id,
			attempt: 1,
			answer: 'applied',
		} as const;
		const { assignment } = agent;
		agent.assignment = { ...former, error: null, effective: 'match' };
		world.pass(5);
		expect(world.targetOf(agent).state).toBe('Applying');
		agent.assignment = assignment;
		until(world, 'Paused', 1_000);
		expect(world.targetOf(agent).state).toBe('TimedOut');
	});

	it('a failed agent gets its previous version back, unless it is to be left', () => {
		for (const [onAgentFailure, version] of [
			['restore', oldVersion],
			['leave', newVersion],
		] as const) {
			const world = new RolloutWorld({ strategy: oneStep, onAgentFailure });
			world.addAgents(9);
			const [bad] = world.addAgents(1, { behaviour: fails });
			if (bad === undefined) throw new Error('there is one');
			world.start();
			until(world, 'Completed');
			expect(world.targetOf(bad)).toMatchObject({ state: 'Failed', error: 'no such exporter' });
			expect(bad.assignment?.versionId).toBe(version);
			expect(bad.quarantined).toBe(true);
		}
	});

	it('a failed agent is tried again when asked, as a new attempt', () => {
		const world = new RolloutWorld({ strategy: canary([100, 5 * minute]) });
		world.addAgents(9);
		const [bad] = world.addAgents(1, { behaviour: fails });
		if (bad === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
		const wrong = world.ask('retry', {
			agentIds: world
				.agentsIn('Applied')
				.slice(0, 1)
				.map(({ agentId }) => agentId),
		});
		world.settle();
		expect(outcomeOf(world, wrong)?.code).toBe('not-allowed');
		bad.behaviour = applies;
		const id = world.ask('retry');
		world.pass(5);
		expect(outcomeOf(world, id)?.accepted).toBe(true);
		expect(world.targetOf(bad)).toMatchObject({ state: 'Applied', attempt: 2, error: null });
		expect(bad.assignment?.attempt).toBe(2);
		expect(bad.quarantined).toBe(false);
		until(world, 'Completed');
	});

	it('a failed agent of an earlier step is tried again there', () => {
		const world = new RolloutWorld({ strategy: canary([50, minute], [100, 5 * minute]), order: 'hostname' });
		const [bad] = world.addAgents(1, { behaviour: fails });
		world.addAgents(19);
		if (bad === undefined) throw new Error('there is one');
		world.start();
		world.passUntil(({ rollout }) => rollout.currentStep === 1);
		bad.behaviour = applies;
		world.ask('retry');
		world.pass(10);
		expect(world.targetOf(bad)).toMatchObject({ state: 'Applied', step: 0 });
	});

	it('an excluded agent is skipped, one that was pushed is not', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]) });
		world.addAgents(4);
		world.start();
		world.pass(3);
		const [waiting] = world.agentsIn('Pending');
		const [pushed] = world.agentsIn('Applied');
		if (waiting === undefined || pushed === undefined) throw new Error('both kinds exist');
		const no = world.ask('exclude', { agentIds: [pushed.agentId] });
		const yes = world.ask('exclude', { agentIds: [waiting.agentId] });
		const who = world.ask('exclude', { agentIds: ['nobody' as typeof waiting.agentId] });
		world.settle();
		expect([no, yes, who].map((id) => outcomeOf(world, id)?.code)).toEqual(['not-allowed', null, 'unknown-agent']);
		until(world, 'Completed');
		expect(world.targetOf(waiting)).toMatchObject({ state: 'Skipped', reason: 'excluded' });
		expect(waiting.assignment).toBeNull();
	});

	it('one that loses its session before its frame was written waits again', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const [agent] = world.addAgents(2);
		if (agent === undefined) throw new Error('there are agents');
		world.ask('start');
		world.tick();
		world.tick();
		agent.session = 'lost';
		world.settle();
		expect(world.targetOf(agent)).toMatchObject({ state: 'Deferred', seq: null });
		expect(agent.assignment?.versionId).toBeNull();
	});

	it('one that another rollout moved on is left', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		const agents = world.addAgents(3);
		world.start();
		world.pass(3);
		const [moved] = agents;
		if (moved?.assignment == null) throw new Error('it was pushed');
		moved.assignment = {
			...moved.assignment,
			seq: moved.assignment.seq + 1,
			rolloutId: 'rollout-2' as typeof world.rollout.id,
		};
		world.pass(1);
		world.ask('rollback');
		until(world, 'RolledBack', 60);
		expect(world.targetOf(moved).back).toEqual({ state: 'listed', why: 'moved-on' });
		expect(moved.assignment.rolloutId).toBe('rollout-2');
	});
});

describe('the tail', () => {
	const withDeferred = (deferred: number, maxDeferredPercent = 20): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent, deferForMs: 3_600_000 });
		world.addAgents(10 - deferred);
		world.addAgents(deferred, { session: 'goodbye' });
		return world;
	};

	it('pushes agents that return, and stays Completed', () => {
		const world = withDeferred(2);
		world.start();
		until(world, 'Completed');
		expect(world.count('Deferred')).toBe(2);
		for (const agent of world.agents.values()) agent.session = 'live';
		world.pass(30);
		expect(world.count('Applied')).toBe(10);
		expect(world.rollout.state).toBe('Completed');
	});

	it('is closed by a gate that fires in it', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent: 100, deferForMs: 3_600_000 });
		world.addAgents(4);
		const late = world.addAgents(6, { session: 'goodbye', behaviour: fails });
		world.start();
		until(world, 'Completed');
		for (const agent of late) agent.session = 'live';
		world.pass(60);
		expect(world.rollout).toMatchObject({ state: 'Completed', tailUntilMs: null });
		expect(world.decisions.flatMap(({ events }) => events).some(({ kind }) => kind === 'tail-closed')).toBe(true);
		expect(world.offers.length).toBeLessThan(10);
	});

	it('ends with its time, and when a newer rollout takes over', () => {
		const world = withDeferred(1);
		world.start();
		until(world, 'Completed');
		world.environment = { ...world.environment, latestOfGroup: false };
		world.pass(10);
		expect(world.rollout.tailUntilMs).toBeNull();
	});

	it('is not reached with too many deferred: that waits for a person', () => {
		const world = withDeferred(3);
		world.start();
		until(world, 'Paused');
		expect(world.rollout.pauseReasons).toEqual(['deferred']);
		world.ask('resume');
		until(world, 'Completed', 10);
		expect(world.rollout.tailUntilMs).not.toBeNull();
	});
});
