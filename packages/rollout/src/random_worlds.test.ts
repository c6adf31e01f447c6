import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inFlightCap } from './cohorts.js';
import { decide } from './decide.js';
import type { CommandKind, Snapshot } from './decision.js';
import { decisionDigest, journalInput } from './journal.js';
import type { Strategy } from './model.js';
import { eligibleOf } from './tally.js';
import {
	applies,
	type Behaviour,
	fails,
	goesAway,
	keepsSilent,
	RolloutWorld,
	type WorldAgent,
} from './testing/world.js';
import { hasEnded } from './transitions.js';

const minute = 60_000;

const says = (agent: WorldAgent): void => {
	agent.session = 'goodbye';
};
const shows =
	(effective: 'match' | 'mismatch'): Behaviour =>
	(agent) => {
		if (agent.assignment === null) return;
		agent.assignment.answer = 'applied';
		agent.assignment.effective = effective;
	};
const sickens: Behaviour = (agent, world) => {
	applies(agent, world);
	if (agent.assignment?.versionId === world.rollout.versionId) world.setHealth(agent, false);
	else world.setHealth(agent, true);
};
const crashes: Behaviour = (agent, world) => {
	applies(agent, world);
	if (agent.assignment?.versionId === world.rollout.versionId) agent.restarts += 3;
};
const dawdles: Behaviour = (agent) => {
	if (agent.assignment !== null) agent.assignment.answer = 'applying';
};
const behaviours: readonly Behaviour[] = [
	applies,
	applies,
	applies,
	applies,
	applies,
	fails,
	keepsSilent,
	goesAway,
	says,
	shows('mismatch'),
	sickens,
	crashes,
	dawdles,
];

const strategies: readonly Strategy[] = [
	{ kind: 'batch', batchSize: 3, advance: 'auto', dwellMs: minute },
	{ kind: 'percentage', percentages: [10, 60, 100], advance: 'auto', dwellMs: 0 },
	{ kind: 'percentage', percentages: [50, 100], advance: 'manual', dwellMs: minute },
	{
		kind: 'canary',
		steps: [
			{ size: { kind: 'count', value: 1 }, dwellMs: 30_000 },
			{ size: { kind: 'percent', value: 30 }, dwellMs: minute },
			{ size: { kind: 'percent', value: 100 }, dwellMs: 0 },
		],
	},
];

const specs = fc.record({
	strategy: fc.constantFrom(...strategies),
	onGate: fc.constantFrom('pause' as const, 'rollback' as const),
	onAgentFailure: fc.constantFrom('restore' as const, 'leave' as const),
	maxInFlight: fc.constantFrom(null, 1, 3, 'unlimited' as const),
	unconfirmed: fc.constantFrom('skip' as const, 'push' as const),
	acceptNoWayBack: fc.constant(true),
	deferForMs: fc.constant(20 * minute),
	maxDeferredPercent: fc.constantFrom(20, 100),
});

const agentKinds = fc.record({
	behaviour: fc.nat(behaviours.length - 1),
	session: fc.constantFrom<WorldAgent['session'][]>('live', 'live', 'live', 'live', 'goodbye', 'lost'),
	healthy: fc.constantFrom(true, true, true, false, null),
	confirms: fc.constantFrom('both', 'both', 'status', 'effective', 'none'),
	proven: fc.boolean(),
});

type Step =
	| { readonly do: 'ask'; readonly command: CommandKind; readonly force: boolean }
	| { readonly do: 'session'; readonly agent: number; readonly to: WorldAgent['session'] }
	| { readonly do: 'health'; readonly agent: number }
	| { readonly do: 'leave'; readonly agent: number }
	| { readonly do: 'join' }
	| { readonly do: 'answer'; readonly agent: number; readonly with: number }
	| { readonly do: 'hold'; readonly on: boolean }
	| { readonly do: 'jump'; readonly seconds: number };

const commands: readonly CommandKind[] = [
	'pause',
	'resume',
	'resume',
	'advance',
	'extend',
	'retry',
	'exclude',
	'edit-gates',
	'rollback',
	'abort',
	'cancel',
	'start',
];

const events: fc.Arbitrary<Step> = fc.oneof(
	fc.record({ do: fc.constant('ask' as const), command: fc.constantFrom(...commands), force: fc.boolean() }),
	fc.record({
		do: fc.constant('session' as const),
		agent: fc.nat(),
		to: fc.constantFrom('live' as const, 'live' as const, 'lost' as const, 'goodbye' as const, 'unheard' as const),
	}),
	fc.record({ do: fc.constant('health' as const), agent: fc.nat() }),
	fc.record({ do: fc.constant('leave' as const), agent: fc.nat() }),
	fc.record({ do: fc.constant('join' as const) }),
	fc.record({ do: fc.constant('answer' as const), agent: fc.nat(), with: fc.nat(behaviours.length - 1) }),
	fc.record({ do: fc.constant('hold' as const), on: fc.boolean() }),
	fc.record({ do: fc.constant('jump' as const), seconds: fc.integer({ min: -3_600, max: 3_600 }) }),
);

const scripts = fc.record({
	spec: specs,
	agents: fc.array(agentKinds, { minLength: 1, maxLength: 24 }),
	script: fc.array(fc.tuple(fc.nat(90), events), { maxLength: 12 }),
});

type Script = typeof scripts extends fc.Arbitrary<infer T> ? T : never;

function build({ spec, agents }: Script): RolloutWorld {
	const world = new RolloutWorld(spec);
	for (const { behaviour, session, healthy, confirms, proven } of agents) {
		const agent = world.addAgent({ session, healthy, behaviour: behaviours[behaviour] ?? applies });
		agent.reports = {
			...agent.reports,
			configStatus: confirms === 'both' || confirms === 'status',
			effectiveConfig: confirms === 'both' || confirms === 'effective',
		};
		if (!proven) agent.provenVersion = null;
	}
	return world;
}

function act(world: RolloutWorld, step: Step): void {
	const all = [...world.agents.values()];
	const pick = (index: number): WorldAgent => all[index % all.length] ?? world.addAgent();
	switch (step.do) {
		case 'ask': {
			const first = pick(0).agentId;
			const named = step.command === 'exclude' ? { agentIds: [first] } : {};
			const gates = { 'unhealthy-ratio': { thresholdPercent: step.force ? 5 : 60 } };
			world.ask(step.command, { ...named, gates, force: step.force, reason: 'because', extendMs: minute });
			return;
		}
		case 'session':
			pick(step.agent).session = step.to;
			return;
		case 'health': {
			const agent = pick(step.agent);
			world.setHealth(agent, agent.healthy !== true);
			return;
		}
		case 'leave':
			pick(step.agent).inGroup = false;
			return;
		case 'join':
			world.addAgent();
			return;
		case 'answer': {
			const agent = pick(step.agent);
			const { assignment } = agent;
			if (assignment !== null && (assignment.answer === 'offered' || assignment.answer === 'applying')) {
				(behaviours[step.with] ?? applies)(agent, world);
			}
			return;
		}
		case 'hold':
			world.environment = {
				...world.environment,
				unheardGateways: step.on ? [{ gateway: 'gw-2', why: 'cut off', sinceMs: world.nowMs, agents: 1 }] : [],
			};
			return;
		case 'jump':
			world.nowMs += step.seconds * 1_000;
			return;
	}
}

const awaitsHuman = (world: RolloutWorld): boolean => {
	const { waitsFor, nextWakeAtMs } = decide(world.snapshot());
	return waitsFor !== null || nextWakeAtMs === null;
};

/** What no decision may ever do, whatever happened before. */
function checkDecisions(world: RolloutWorld): void {
	world.decisions.forEach((decision, index) => {
		const snapshot = world.snapshots[index];
		if (snapshot === undefined) throw new Error('every decision has its snapshot');
		const pushes = decision.assignments.filter(({ cause }) => cause === 'rollout' || cause === 'retry');
		if (pushes.length > 0) {
			expect(['InProgress', 'Completed']).toContain(decision.rollout.state);
			const steps = new Map(snapshot.steps.map((step) => [step.index, step]));
			for (const step of decision.steps) steps.set(step.index, step);
			const after = [...steps.values()];
			const inFlight = after.reduce((sum, step) => sum + step.counters.inFlight, 0);
			expect(inFlight).toBeLessThanOrEqual(inFlightCap(decision.rollout.spec, eligibleOf(decision.rollout, after)));
		}
		expect(decision.rollout.observedMs - snapshot.rollout.observedMs).toBeLessThanOrEqual(10_000);
		if (!hasEnded(decision.rollout.state)) {
			expect(decision.nextWakeAtMs !== null || decision.waitsFor !== null).toBe(true);
		}
		if (hasEnded(snapshot.rollout.state)) expect(decision.rollout.state).toBe(snapshot.rollout.state);
		const replayed = decide(JSON.parse(JSON.stringify(journalInput(snapshot))) as Snapshot);
		expect(decisionDigest(replayed)).toEqual(decisionDigest(decision));
	});
}

it('keeps every promise in random worlds, and ends or waits for a person once things calm down', () => {
	fc.assert(
		fc.property(scripts, (script) => {
			const world = build(script);
			world.ask('start');
			world.settle();
			for (const [seconds, step] of script.script) {
				act(world, step);
				world.settle();
				for (let second = 0; second < seconds; second += 5) {
					world.nowMs += 5_000;
					world.settle();
				}
			}
			world.environment = { ...world.environment, unheardGateways: [] };
			for (const agent of world.agents.values()) if (agent.session === 'unheard') agent.session = 'live';
			for (let turn = 0; turn < 4_000 && !hasEnded(world.rollout.state) && !awaitsHuman(world); turn += 1) {
				world.nowMs += 1_000;
				world.settle();
			}
			expect(hasEnded(world.rollout.state) || awaitsHuman(world), world.rollout.state).toBe(true);
			checkDecisions(world);
			if (world.rollout.state === 'RolledBack') {
				for (const agent of world.agents.values()) {
					const target = world.targets.get(agent.agentId);
					if (agent.assignment?.versionId !== world.rollout.versionId || agent.assignment.rolloutId === null) continue;
					expect(target?.back).toEqual({ state: 'listed', why: 'no-way-back' });
				}
			}
		}),
		{ numRuns: Number(process.env.ROLLOUT_RUNS ?? 60) },
	);
}, 120_000);
