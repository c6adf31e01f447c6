import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecast } from './forecast.js';
import { fewestToFire, fires } from './gates.js';
import type { Member, Strategy } from './model.js';
import { gateNames } from './names.js';
import { RolloutWorld, reconnects, type WorldAgent } from './testing/world.js';

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

	it('stays what happens when agents join and leave: joiners come last, leavers are skipped, nobody changes places', () => {
		fc.assert(
			fc.property(specs, fleet, fc.nat(), (spec, agents, leaving) => {
				const world = worldOf(
					{ ...spec, strategy: { kind: 'percentage', percentages: [20, 60, 100], advance: 'auto', dwellMs } },
					agents.map((agent) => ({ ...agent, session: 'live' as const, quarantined: false, confirms: true })),
				);
				const foreseen = forecast(world.rollout, membersOf(world));
				const first = new Set(foreseen.steps[0]?.agents);
				world.start();
				const joiner = world.addAgent();
				const others = [...world.agents.values()].filter(
					({ agentId }) => !first.has(agentId) && agentId !== joiner.agentId,
				);
				const leaver = others[leaving % Math.max(1, others.length)];
				if (leaver !== undefined) leaver.inGroup = false;
				run(world);
				const places = executed(world);
				const last = Math.max(...places.keys());
				const placeOf = (id: string) => [...places].find(([, ids]) => ids.includes(id))?.[0];
				expect([...(places.get(foreseen.steps[0]?.index ?? 0) ?? [])]).toEqual([...first]);
				if (others.length > 0) expect([undefined, last]).toContain(placeOf(joiner.agentId));
				if (leaver !== undefined) {
					expect(world.targetOf(leaver)).toMatchObject({ state: 'Skipped', reason: 'left-group' });
				}
			}),
			{ numRuns: 60 },
		);
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
