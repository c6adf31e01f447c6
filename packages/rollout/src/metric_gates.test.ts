import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import type { MetricVerdict } from './decision.js';
import { decisionDigest } from './journal.js';
import { dueMetricGates } from './metric_gates.js';
import { judgeSample, type MetricAnswer, metricQuery } from './metric_samples.js';
import { resolveMetricGate } from './metric_spec.js';
import { resolveSpec, type SpecInput, validateSpec } from './spec.js';
import { keepsSilent, RolloutWorld } from './testing/world.js';

const gate = resolveMetricGate({
	name: 'points',
	query: 'avg(p * $changed)',
	op: '>=',
	value: 0.9,
	intervalMs: 30_000,
});
const strategy = {
	kind: 'canary',
	steps: [
		{ size: { kind: 'percent', value: 50 }, dwellMs: 60_000 },
		{ size: { kind: 'percent', value: 100 }, dwellMs: 60_000 },
	],
} as const;

function started(input: Partial<SpecInput> = {}, agents = 10): RolloutWorld {
	const world = new RolloutWorld({ strategy, metricGates: [gate], maxInFlight: 'unlimited', ...input });
	world.addAgents(agents);
	world.ask('start');
	return world;
}

/** One second on, what was due before answered; how much that was. */
function passAnswered(world: RolloutWorld, verdict: MetricVerdict | null): number {
	const due = dueMetricGates(world.rollout);
	world.metricResults =
		verdict === null
			? []
			: due.map((ask) => ({ gate: ask.gate, stage: ask.stage, dueMs: ask.dueMs, verdict, text: `said ${verdict}` }));
	world.pass(1);
	return due.length;
}

/** Goes on second by second, answering what is due, until it stands still or `until` says so. */
function run(world: RolloutWorld, verdict: MetricVerdict | null, until: () => boolean = () => false): number {
	let asked = 0;
	for (let second = 0; second < 1_800 && !until(); second += 1) {
		asked += passAnswered(world, verdict);
		if (world.rollout.endedAtMs !== null || world.rollout.state === 'Paused') break;
	}
	return asked;
}

/** Goes on for so many seconds, whatever state it is in. */
function runOn(world: RolloutWorld, verdict: MetricVerdict | null, seconds: number): number {
	let asked = 0;
	for (let second = 0; second < seconds; second += 1) asked += passAnswered(world, verdict);
	return asked;
}

describe('a metric gate', () => {
	it('lets a rollout through whose changed agents do well', () => {
		const world = started();
		run(world, 'pass');
		expect(world.rollout.state).toBe('Completed');
	});

	it('keeps a step from ending until it has passed there', () => {
		const world = started();
		run(world, null);
		expect(world.rollout).toMatchObject({ state: 'InProgress', currentStep: 0 });
		expect(world.steps.get(0)?.dweltMs).toBeGreaterThan(120_000);
		const refused = world.ask('advance');
		world.pass(1);
		expect(
			world.decisions.flatMap(({ outcomes }) => outcomes).find(({ commandId }) => commandId === refused),
		).toMatchObject({
			code: 'inconclusive',
			message: expect.stringContaining('points: inconclusive, has not passed'),
		});
	});

	it.each([
		['pause', 'Paused'],
		['rollback', 'RolledBack'],
	] as const)('fires at the first failure beyond its limit: %s', (onGate, state) => {
		const world = started({ onGate });
		run(world, 'fail');
		for (let tick = 0; tick < 30 && state === 'RolledBack'; tick += 1) world.pass(1);
		expect(world.rollout.state).toBe(state);
		expect(world.rollout.evidence).toMatchObject([
			{ gate: 'metric:points', verdict: 'fire', message: 'points: said fail' },
		]);
		expect(world.rollout.currentStep).toBe(0);
	});

	it.each([
		['inconclusive', 4],
		['error', 5],
	] as const)('pauses after too many in a row that are %s, and never rolls back', (verdict, asked) => {
		const world = started({ onGate: 'rollback' });
		expect(run(world, verdict)).toBe(asked);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'] });
		const { evidence } = world.rollout;
		expect(runOn(world, verdict, 120)).toBeGreaterThan(0);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'], evidence });
	});

	it('asks nothing about a step that is over', () => {
		const world = started();
		run(world, null, () => world.count('Applied') === 5);
		for (const agent of world.agents.values()) if (agent.assignment?.rolloutId == null) agent.behaviour = keepsSilent;
		run(world, 'pass', () => world.rollout.currentStep === 1);
		expect(run(world, 'fail', () => world.rollout.observedMs > 240_000)).toBe(0);
		expect(world.rollout).toMatchObject({ state: 'InProgress', currentStep: 1 });
	});

	it('goes on once begun, also when nobody of the step runs the version any more', () => {
		const world = started({ gates: { 'disconnect-ratio': { thresholdPercent: 100 } } }, 2);
		run(world, null, () => dueMetricGates(world.rollout).length > 0);
		for (const agent of world.agents.values()) if (agent.assignment?.rolloutId != null) agent.session = 'lost';
		run(world, null, () => world.count('Applied') === 0);
		expect(world.rollout.state).toBe('InProgress');
		run(world, 'fail');
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		expect(world.rollout.evidence).toMatchObject([{ gate: 'metric:points', verdict: 'fire' }]);
	});

	it('looks anew after a resume', () => {
		const world = started();
		run(world, 'fail');
		world.ask('resume');
		world.pass(1);
		run(world, 'pass');
		expect(world.rollout.state).toBe('Completed');
	});

	describe('while paused', () => {
		const closed = (world: RolloutWorld, untilMs: number) => {
			const freezes = [{ name: 'launch', reason: 'a launch', fromMs: 0, untilMs }];
			world.environment = { ...world.environment, calendar: { windows: [], freezes } };
		};
		/** Half of the agents run the version, and the gate has been asked for the first time. */
		const begun = (input: Partial<SpecInput> = {}): RolloutWorld => {
			const world = started(input);
			run(world, null, () => dueMetricGates(world.rollout).length > 0);
			expect(world.rollout.state).toBe('InProgress');
			return world;
		};
		const fired = (world: RolloutWorld) =>
			world.decisions.flatMap(({ events }) => events).filter(({ kind }) => kind === 'gate-fired');

		it('adds its reason, once, and is asked no more until somebody resumes', () => {
			const world = begun();
			world.ask('pause');
			world.settle();
			expect(runOn(world, 'fail', 600)).toBe(1);
			expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['manual', 'gate'] });
			expect(world.rollout.evidence).toMatchObject([{ gate: 'metric:points', verdict: 'fire' }]);
			expect(fired(world)).toHaveLength(1);
			world.ask('resume', { reasons: ['manual'] });
			world.settle();
			expect(runOn(world, 'fail', 600)).toBe(0);
			world.ask('resume');
			world.settle();
			run(world, 'fail');
			expect(fired(world)).toHaveLength(2);
			expect(world.rollout.pauseReasons).toEqual(['gate']);
		});

		it('begins with the agents that come to run the version only then', () => {
			const world = started();
			run(world, null, () => world.count('Applying') === 5 || world.offers.length === 5);
			world.ask('pause');
			world.settle();
			expect(runOn(world, 'fail', 300)).toBe(1);
			expect(world.rollout.pauseReasons).toEqual(['manual', 'gate']);
		});

		it('takes the version back outside the window, where it is to', () => {
			const world = begun({ onGate: 'rollback' });
			closed(world, world.nowMs + 36_000_000);
			runOn(world, null, 2);
			expect(world.rollout.pauseReasons).toEqual(['freeze']);
			runOn(world, 'fail', 120);
			expect(world.rollout.state).toBe('RolledBack');
		});

		it.each(['inconclusive', 'error'] as const)(
			'that %s stops it when the window opens, unless it passed since',
			(verdict) => {
				for (const passes of [false, true]) {
					const world = begun();
					closed(world, world.nowMs + 600_000);
					runOn(world, verdict, 500);
					expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['freeze'], evidence: [] });
					const offers = world.offers.length;
					runOn(world, passes ? 'pass' : null, 110);
					if (passes) {
						expect(world.rollout.state).toBe('InProgress');
						continue;
					}
					expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'] });
					expect(world.rollout.evidence).toMatchObject([{ gate: 'metric:points', verdict: 'inconclusive' }]);
					expect(world.offers.length).toBe(offers);
				}
			},
		);

		it('is not asked while our own side cannot hear, nor on the way back', () => {
			const world = begun();
			world.ask('pause');
			world.settle();
			const { environment } = world;
			world.environment = {
				...environment,
				unheardGateways: [{ gateway: 'gw-2', why: 'cut off', sinceMs: world.nowMs, agents: 3 }],
			};
			runOn(world, null, 1);
			expect(runOn(world, 'fail', 300)).toBe(0);
			world.environment = environment;
			for (const agent of world.agents.values()) agent.behaviour = keepsSilent;
			for (const kind of ['rollback', 'pause'] as const) {
				world.ask(kind);
				world.settle();
			}
			expect(world.rollout).toMatchObject({ state: 'Paused', rollingBack: true });
			expect(runOn(world, 'fail', 300)).toBe(0);
			expect(world.rollout.evidence).toEqual([]);
		});

		it('a bake that is ended by force ends, whatever nobody could tell', () => {
			const world = started();
			run(world, 'pass', () => world.rollout.baking);
			run(world, 'error');
			expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'], baking: true });
			world.ask('advance', { force: true, reason: 'the server is down' });
			runOn(world, 'error', 3);
			expect(world.rollout.state).toBe('Completed');
		});
	});

	it('closes the tail', () => {
		const world = new RolloutWorld({
			...{ strategy, metricGates: [gate], maxInFlight: 'unlimited', maxDeferredPercent: 100, deferForMs: 7_200_000 },
		});
		world.addAgents(8);
		const late = world.addAgents(2, { session: 'goodbye' });
		world.ask('start');
		run(world, 'pass');
		expect(world.rollout.state).toBe('Completed');
		expect(runOn(world, 'error', 600)).toBeGreaterThan(5);
		expect(world.rollout.tailUntilMs).not.toBeNull();
		runOn(world, 'fail', 120);
		expect(world.rollout).toMatchObject({ state: 'Completed', tailUntilMs: null });
		expect(world.rollout.evidence).toMatchObject([{ gate: 'metric:points', verdict: 'fire' }]);
		for (const agent of late) agent.session = 'live';
		expect(runOn(world, 'fail', 120)).toBe(0);
		expect(world.offers.length).toBe(8);
	});

	it('that compares with the others is not applicable when nobody waits any more', () => {
		const world = started({ metricGates: [{ ...gate, compare: 'control' }] });
		run(world, 'pass', () => world.rollout.currentStep === 1);
		run(world, null);
		expect(world.rollout.state).toBe('Completed');
	});

	it('judges in the bake too', () => {
		const world = started();
		run(world, 'pass', () => world.rollout.baking);
		run(world, 'fail');
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'], baking: true });
	});

	it('counts a verdict only for the evaluation it was asked for, and decides the same again (R3)', () => {
		const world = started();
		run(world, null, () => dueMetricGates(world.rollout).length > 0);
		const [due] = dueMetricGates(world.rollout);
		world.metricResults = [
			{ gate: 'points', stage: due?.stage ?? 0, dueMs: (due?.dueMs ?? 0) - 1, verdict: 'fail', text: '' },
		];
		world.pass(1);
		expect(world.rollout.state).toBe('InProgress');
		const snapshot = world.snapshots.at(-1);
		if (snapshot === undefined) throw new Error('nothing was decided');
		expect(decisionDigest(decide(snapshot))).toEqual(decisionDigest(decide(snapshot)));
	});

	it('is checked when it is asked for', () => {
		const wrong = { ...gate, query: 'up', intervalMs: 5_000, joinLabel: 'a-b' };
		const paths = validateSpec(resolveSpec({ seed: 's', metricGates: [wrong, wrong] })).map(({ path }) => path);
		expect(paths).toEqual(
			[0, 1]
				.flatMap((index) => ['query', 'intervalMs', 'joinLabel'].map((field) => `metricGates[${index}].${field}`))
				.concat('metricGates'),
		);
		expect(validateSpec(resolveSpec({ seed: 's', metricGates: Array.from({ length: 11 }, () => gate) }))).toHaveLength(
			1,
		);
	});
});

describe('judgeSample', () => {
	const atMs = 1_000_000;
	const one = (value: number, at = atMs): MetricAnswer => ({ kind: 'samples', samples: [{ value, atMs: at }] });
	const none: MetricAnswer = { kind: 'samples', samples: [] };
	const away: MetricAnswer = { kind: 'away', message: 'http://p:9090 does not answer' };
	const judge = (
		changed: MetricAnswer,
		control: MetricAnswer | null = null,
		compare: 'threshold' | 'control' = 'threshold',
	) => judgeSample({ ...gate, compare }, { changed, control, cohort: one(5), atMs });

	it.each<[string, MetricAnswer, MetricVerdict]>([
		['at the value', one(0.9), 'pass'],
		['below it', one(0.7), 'fail'],
		['empty', none, 'inconclusive'],
		[
			'several',
			{
				kind: 'samples',
				samples: [
					{ value: 1, atMs },
					{ value: 1, atMs },
				],
			},
			'inconclusive',
		],
		['NaN', one(Number.NaN), 'inconclusive'],
		['infinite', one(Number.POSITIVE_INFINITY), 'inconclusive'],
		['as old as two intervals', one(1, atMs - 60_000), 'pass'],
		['older than two intervals', one(1, atMs - 60_001), 'inconclusive'],
		['no answer', away, 'error'],
	])('%s', (_, changed, verdict) => expect(judge(changed).verdict).toBe(verdict));

	it('compares with the control agents', () => {
		expect(judge(one(90), one(100), 'control')).toEqual({
			verdict: 'pass',
			text: '90 >= 0.9 × 100 of the control agents',
		});
		expect(judge(one(70), one(100), 'control').text).toBe('70 is not >= 0.9 × 100 of the control agents');
		expect(judge(one(70), none, 'control').verdict).toBe('inconclusive');
		expect(judge(one(70), away, 'control').verdict).toBe('error');
	});

	it('takes silence for a failure only where the others report and the server knows the changed ones', () => {
		expect(judge(none, one(100))).toMatchObject({ verdict: 'fail', text: expect.stringContaining('went silent') });
		const unknown = judgeSample(gate, { changed: none, control: one(100), cohort: none, atMs });
		expect(unknown.verdict).toBe('inconclusive');
	});
});

it('fills the variables of a query in', () => {
	const query = metricQuery(
		{ ...gate, query: 'x{r="$rollout"}[$window] $step $changed $changedish' },
		{ rollout: 'r-1', step: 2, about: 'control' },
	);
	expect(query).toBe(
		'x{r="r-1"}[30s] 2 (max by (service_instance_id) (ampora_rollout_cohort_info{rollout="r-1",cohort="control",service_instance_id!=""})) $changedish',
	);
});
