import type { AgentId } from '@ampora/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cumulativeSize, isLastStep } from './cohorts.js';
import { forecast } from './forecast.js';
import { fewestToFire, fires } from './gates.js';
import { dueMetricGates } from './metric_gates.js';
import type { Member, Strategy, Target } from './model.js';
import { gateNames } from './names.js';
import { resolveSpec, type SpecInput } from './spec.js';
import { applies, keepsSilent, RolloutWorld, reconnects, type WorldAgent } from './testing/world.js';

const dwellMs = 10_000;
/** Short ones, so that many fleets fit into a test. */
const gates = Object.fromEntries(gateNames.map((gate) => [gate, { windowMs: dwellMs }]));

const strategies = fc.oneof(
	fc.record({
		kind: fc.constant('batch' as const),
		batchSize: fc.integer({ min: 1, max: 7 }),
		advance: fc.constant('auto' as const),
		dwellMs: fc.constant(dwellMs),
	}),
	fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4 }).map(
		(sizes): Strategy => ({
			kind: 'percentage',
			percentages: [...sizes.sort((a, b) => a - b), 100],
			advance: 'auto',
			dwellMs,
		}),
	),
	fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 3 }).map(
		(sizes): Strategy => ({
			kind: 'canary',
			steps: [
				...sizes.sort((a, b) => a - b).map((value) => ({ size: { kind: 'count' as const, value }, dwellMs })),
				{ size: { kind: 'percent', value: 100 }, dwellMs: 0 },
			],
		}),
	),
);

const fleet = fc.array(
	fc.record({
		session: fc.constantFrom<WorldAgent['session'][]>('live', 'live', 'live', 'goodbye', 'lost'),
		healthy: fc.constantFrom(true, true, true, false, null),
		confirms: fc.boolean(),
		quarantined: fc.constantFrom(false, false, false, false, true),
		proven: fc.boolean(),
		domain: fc.constantFrom('a', 'a', 'b', 'c', null),
	}),
	{ minLength: 1, maxLength: 40 },
);
const specs = fc.record({
	strategy: fc
		.tuple(strategies, fc.boolean())
		.map(([strategy, firstAgentAlone]): Strategy => ({ ...strategy, firstAgentAlone })),
	order: fc.constantFrom('random' as const, 'hostname' as const),
	seed: fc.stringMatching(/^[a-z]{1,6}$/),
	maxInFlight: fc.constantFrom(null, 1, 3, 'unlimited' as const),
	acceptNoWayBack: fc.constant(true),
	maxDeferredPercent: fc.constant(100),
	coveragePercent: fc.constant(0),
	spreadBy: fc.constantFrom(null, 'zone'),
	bakeMs: fc.constant(dwellMs),
	gates: fc.constant(gates),
});

type Drawn<Source> = Source extends fc.Arbitrary<infer Value> ? Value : never;

function worldOf(spec: Drawn<typeof specs>, agents: Drawn<typeof fleet>): RolloutWorld {
	const world = new RolloutWorld(spec, { examined: false });
	for (const { session, healthy, confirms, quarantined, proven, domain } of agents) {
		world.addAgent({
			...{ session, healthy, quarantined, domain },
			reports: { remoteConfig: true, configStatus: confirms, effectiveConfig: confirms, health: healthy !== null },
			...(proven ? {} : { provenVersion: null }),
			behaviour: reconnects,
		});
	}
	return world;
}

const membersOf = (world: RolloutWorld): readonly Member[] =>
	[...world.agents.values()].map(({ behaviour: _behaviour, former: _former, key, domain, ...facts }) => ({
		...{ facts, key, domain, hostname: key, lastSeenMs: 0 },
	}));

/** Runs to its end: a step that proves too little is accepted, for the fleet itself stays as it is. */
function run(world: RolloutWorld): void {
	world.start();
	for (let turns = 0; turns < 1_000 && ['InProgress', 'Paused'].includes(world.rollout.state); turns += 1) {
		const { state, pauseReasons } = world.rollout;
		if (state === 'Paused' && pauseReasons.includes('inconclusive')) {
			world.ask('advance', { force: true, reason: 'the fleet is what it is' });
		}
		world.pass(10);
	}
}

const executed = (world: RolloutWorld): ReadonlyMap<number, readonly string[]> => {
	const byStep = new Map<number, string[]>();
	const placed = [...world.targets.values()].filter(({ step }) => step !== null).toSorted((a, b) => a.rank - b.rank);
	for (const { step, agentId } of placed) byStep.set(step ?? -1, [...(byStep.get(step ?? -1) ?? []), agentId]);
	return new Map([...byStep].toSorted(([a], [b]) => a - b));
};

/** Agents answer so long after they were offered something; metric gates pass whenever they are asked. */
function passSecond(world: RolloutWorld, answersAfterMs: number): void {
	const due = new Set(
		world.offers.filter(({ atMs }) => world.nowMs - atMs >= answersAfterMs).map(({ agentId }) => agentId),
	);
	for (const agent of world.agents.values()) if (due.has(agent.agentId)) applies(agent, world);
	world.metricResults = dueMetricGates(world.rollout).map(({ gate, stage, dueMs }) => ({
		...{ gate, stage, dueMs },
		verdict: 'pass' as const,
		text: '',
	}));
	world.pass(1);
}

/** What a step proves is no matter here. */
const lenient = { maxDeferredPercent: 100, coveragePercent: 0, bakeMs: dwellMs, gates } as const;

const isLeaver = ({ state, reason }: Target): boolean => state === 'Skipped' && reason === 'left-group';

interface Change {
	readonly second: number;
	readonly joins: number;
	readonly leaves: readonly number[];
}

function comeAndGo(world: RolloutWorld, { joins, leaves }: Change): void {
	world.addAgents(joins, { behaviour: keepsSilent });
	for (const pick of leaves) {
		const members = [...world.agents.values()].filter(({ inGroup }) => inGroup);
		const leaver = members[pick % Math.max(1, members.length)];
		if (leaver !== undefined) leaver.inGroup = false;
	}
}

/** Who left before the push is none; who left after it keeps counting. */
function eligibleNow(world: RolloutWorld): number {
	const pushed = new Set(world.offers.map(({ agentId }) => agentId));
	return [...world.agents.values()].filter(({ agentId, inGroup }) => inGroup || pushed.has(agentId)).length;
}

/** Runs while agents come and go. Answers what each step is to hold, by who is eligible when it starts, last ones left out. */
function runWithChanges(world: RolloutWorld, schedule: readonly Change[]): ReadonlyMap<number, number> {
	const { strategy } = world.rollout.spec;
	const planned = world.agents.size;
	const sizes = new Map<number, number>();
	world.ask('start');
	// Whoever comes as the bake ends is pushed in the tail.
	const isOver = () => world.rollout.endedAtMs !== null && world.rollout.tailUntilMs === null;
	for (let second = 0; second < 1_000 && !isOver(); second += 1) {
		const { state, pauseReasons } = world.rollout;
		if (state === 'Paused' && pauseReasons.includes('inconclusive')) {
			world.ask('advance', { force: true, reason: 'the fleet is what it is' });
		}
		for (const change of schedule) if (change.second === second) comeAndGo(world, change);
		const eligible = eligibleNow(world);
		passSecond(world, 1_000);
		for (const { index } of world.steps.values()) {
			if (sizes.has(index) || isLastStep(strategy, index, planned)) continue;
			const before = [...world.targets.values()].filter(({ step }) => step !== null && step < index).length;
			sizes.set(index, cumulativeSize(strategy, index, { eligible, planned }) - before);
		}
	}
	return sizes;
}

describe('a forecast', () => {
	it('is what happens, agent by agent, as long as the fleet stays as it is', () => {
		fc.assert(
			fc.property(specs, fleet, (spec, agents) => {
				const world = worldOf(spec, agents);
				const foreseen = forecast(world.rollout, membersOf(world));
				run(world);
				const cohorts = foreseen.steps.filter((step) => step.agents.length > 0);
				expect([...executed(world)]).toEqual(cohorts.map(({ index, agents: ids }) => [index, ids]));
				const skipped = [...world.targets.values()].filter(({ state }) => state === 'Skipped').length;
				expect(Object.values(foreseen.skipped).reduce((sum, count) => sum + count, 0)).toBe(skipped);
			}),
			{ numRuns: 100 },
		);
	}, 120_000);

	it('is what happens when agents join and leave, but that steps are cut by who is there, joiners come last and leavers are skipped', () => {
		const change = fc.record({
			second: fc.integer({ min: 1, max: 60 }),
			joins: fc.nat(3),
			leaves: fc.array(fc.nat(), { maxLength: 3 }),
		});
		const how = fc.record({ strategy: strategies, maxInFlight: fc.constantFrom(1, 3, 'unlimited' as const) });
		const agents = fc.integer({ min: 2, max: 30 });
		const seen = { joined: 0, left: 0, cutAnew: 0 };
		fc.assert(
			fc.property(how, agents, fc.array(change, { minLength: 1, maxLength: 5 }), (spec, count, schedule) => {
				const world = new RolloutWorld({ ...spec, ...lenient }, { examined: false });
				world.addAgents(count, { behaviour: keepsSilent });
				const foreseen = forecast(world.rollout, membersOf(world)).steps.map((step) => step.agents);
				const sizes = runWithChanges(world, schedule);
				expect(world.rollout.state).toBe('Completed');

				const targets = [...world.targets.values()].toSorted((a, b) => a.rank - b.rank);
				const left = new Set(targets.filter(isLeaver).map(({ agentId }) => agentId));
				const pushed = new Set(world.offers.map(({ agentId }) => agentId));
				for (const { agentId, inGroup } of world.agents.values()) {
					if (world.targets.has(agentId)) expect(left.has(agentId)).toBe(!inGroup && !pushed.has(agentId));
				}
				const joiners: readonly string[] = targets.slice(count).map(({ agentId }) => agentId);
				const isGone = (id: string): boolean => left.has(id as AgentId);
				const staying: readonly string[] = foreseen.flat().filter((id) => !isGone(id));
				const places = executed(world);
				expect([...places.values()].flat()).toEqual([...staying, ...joiners.filter((id) => !isGone(id))]);
				let placed = 0;
				const last = Math.max(...places.keys());
				for (const [index, ids] of places) {
					const size = sizes.get(index) ?? staying.length;
					const own = staying.slice(placed, placed + size);
					expect(index === last ? ids.filter((id) => !joiners.includes(id)) : ids).toEqual(own);
					placed += own.length;
				}
				seen.joined += joiners.length;
				seen.left += left.size;
				if (![...places.values()].every((ids, at) => ids.length === foreseen[at]?.length)) seen.cutAnew += 1;
			}),
			{ numRuns: 80 },
		);
		expect(seen.joined).toBeGreaterThan(20);
		expect(seen.left).toBeGreaterThan(20);
		expect(seen.cutAnew).toBeGreaterThan(20);
	});

	it('takes no less and no more time than was foreseen', () => {
		const timing = fc.record({
			strategy: strategies,
			maxInFlight: fc.constantFrom(null, 1, 4, 'unlimited' as const),
			spreadBy: fc.constantFrom(null, 'zone'),
			domains: fc.array(fc.constantFrom('a', 'a', 'a', 'b', 'c'), { minLength: 1, maxLength: 30 }),
			answersAfterMs: fc.constantFrom(0, 4_000, dwellMs - 1_000),
			metric: fc.constantFrom(null, 'threshold' as const, 'control' as const),
		});
		fc.assert(
			fc.property(timing, ({ domains, answersAfterMs, metric, ...spec }) => {
				const gate = { name: 'm', query: '$changed', op: '<', value: 1, compare: metric ?? 'threshold' } as const;
				const { metricGates = [] } = resolveSpec({ seed: 's', metricGates: metric === null ? [] : [gate] });
				const world = new RolloutWorld({ ...spec, metricGates, bakeMs: dwellMs, gates }, { examined: false });
				for (const domain of domains) world.addAgent({ domain, behaviour: keepsSilent });
				const { leastMs, mostMs } = forecast(world.rollout, membersOf(world)).duration;
				const startedMs = world.nowMs;
				world.start();
				while (world.rollout.state === 'InProgress') {
					passSecond(world, answersAfterMs);
					expect(world.nowMs - startedMs).toBeLessThan(mostMs + 60_000);
				}
				expect(world.rollout.state).toBe('Completed');
				const tookMs = world.nowMs - startedMs;
				expect(tookMs).toBeGreaterThanOrEqual(leastMs);
				expect(tookMs).toBeLessThanOrEqual(mostMs);
			}),
			{ numRuns: 60 },
		);
	});

	it('counts waves as the caps of failure domains let them go out', () => {
		const oneStep = { kind: 'canary', steps: [{ size: { kind: 'percent', value: 100 }, dwellMs }] } as const;
		const mostMs = (change: Partial<SpecInput>, big: number, small: number): number => {
			const world = new RolloutWorld({ strategy: oneStep, spreadBy: 'zone', bakeMs: dwellMs, gates, ...change });
			world.addAgents(big, { domain: 'big' });
			world.addAgents(small, { domain: 'small' });
			return forecast(world.rollout, membersOf(world)).duration.mostMs;
		};
		const waves = (...args: Parameters<typeof mostMs>) => (mostMs(...args) - 3 * dwellMs) / dwellMs;
		// 1, 2, 4 and then 5 at once; of the four of one domain one at a time is no obstacle.
		expect(waves({}, 96, 4)).toBe(3 + Math.ceil(93 / 5));
		// All of two small domains: one of each at a time.
		expect(waves({}, 3, 3)).toBe(6);
		expect(waves({ maxInFlight: 6 }, 3, 3)).toBe(3);
		expect(waves({ maxInFlight: 'unlimited' }, 50, 50)).toBe(1);
	});

	it('says of each metric gate when it is asked and what fires it', () => {
		const metric = { name: 'm', query: '$changed', op: '<', value: 1, intervalMs: 30_000, failureLimit: 1 } as const;
		const { metricGates = [] } = resolveSpec({
			seed: 's',
			metricGates: [metric, { ...metric, name: 'c', compare: 'control' }],
		});
		const strategy: Strategy = { kind: 'percentage', percentages: [50, 100], advance: 'auto', dwellMs };
		const world = new RolloutWorld({ strategy, metricGates, gates, bakeMs: dwellMs });
		world.addAgents(4);
		const { steps, duration } = forecast(world.rollout, membersOf(world));
		const armed = { kind: 'armed', failures: 2, firstMs: 90_000, everyMs: 30_000 };
		expect(steps.map((step) => step.metricGates)).toEqual([
			[
				{ ...armed, gate: 'metric:m' },
				{ ...armed, gate: 'metric:c' },
			],
			[
				{ ...armed, gate: 'metric:m' },
				{ kind: 'not-applicable', gate: 'metric:c', why: expect.any(String) },
			],
		]);
		expect(duration.leastMs).toBe(2 * 90_000 + dwellMs);
	});

	it('names the fewest that fire a gate', () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...gateNames),
				fc.integer({ min: 1, max: 300 }),
				fc.integer({ min: 0, max: 100 }),
				(gate, n, percent) => {
					const k = fewestToFire(gate, n, percent);
					const firing = Array.from({ length: n }, (_, index) => index + 1).find((count) =>
						fires(gate, { k: count, n, cohort: n }, percent),
					);
					expect(k).toBe(firing ?? null);
				},
			),
		);
	});
});
