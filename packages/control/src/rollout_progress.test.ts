import { defaultSpec, emptyCounters, newRollout, type Rollout, resolveSpec, type Step } from '@ampora/rollout';
import { type GroupId, newId, type RolloutId, type VersionId } from '@ampora/runtime';
import { describe, expect, test } from 'vitest';
import { agentTotals, stepViews, timeLeft } from './rollout_progress.js';

const counters = (states: Partial<Step['counters']['states']>): Step['counters'] => ({
	...emptyCounters,
	states: { ...emptyCounters.states, ...states },
});

const step = (index: number, change: Partial<Step>): Step => ({
	index,
	name: null,
	quota: 0,
	exhausted: false,
	phase: 'ended',
	dwellMs: 300_000,
	dweltMs: 0,
	extendedMs: 0,
	extendedForCoverage: false,
	unprovenAccepted: false,
	counters: emptyCounters,
	startedAtMs: 1,
	endedAtMs: null,
	...change,
});

const rollout = (change: Partial<Rollout>): Rollout => ({
	...newRollout({
		id: newId<RolloutId>(),
		groupId: newId<GroupId>(),
		versionId: newId<VersionId>(),
		spec: defaultSpec('seed'),
		createdAtMs: 0,
	}),
	...change,
});

/** 100 agents: 5 in the first step, which dwells; 95 in none yet. */
const dwelling = rollout({
	state: 'InProgress',
	startedAtMs: 1,
	currentStep: 0,
	planned: 100,
	unplaced: { ...emptyCounters.states, Pending: 95 },
});
const first = step(0, { quota: 5, phase: 'dwelling', dweltMs: 60_000, counters: counters({ Applied: 4, Failed: 1 }) });

describe('steps', () => {
	test('before the start they are what was asked for', () => {
		const sizes = stepViews(rollout({}), []).map(({ number, size, phase, agents }) => [number, size, phase, agents]);
		expect(sizes).toEqual([
			[1, '5 %', 'waiting', null],
			[2, '25 %', 'waiting', null],
			[3, '50 %', 'waiting', null],
			[4, '100 %', 'waiting', null],
		]);
	});

	test('once started, those to come say how many agents they add', () => {
		expect(stepViews(dwelling, [first]).map(({ agents, phase }) => [agents, phase])).toEqual([
			[5, 'dwelling'],
			[20, 'waiting'],
			[25, 'waiting'],
			[50, 'waiting'],
		]);
		expect(agentTotals(dwelling, [first])).toMatchObject({ total: 100, started: 5, updated: 4 });
	});

	test('an ended rollout has no steps to come', () => {
		expect(stepViews({ ...dwelling, state: 'Aborted', endedAtMs: 5 }, [first])).toHaveLength(1);
	});
});

describe('time left', () => {
	const { states } = agentTotals(dwelling, [first]);

	test('is dwell and bake still to pass, plus the agents at the present pace, as a range', () => {
		// 4m of this dwell, 10m, 30m, the longest window (10m) for the last step, and 10m of baking; 95 agents at 9.5 a minute.
		const left = timeLeft(dwelling, [first], { states, answeredPerMinute: 9.5 });
		const clocksMs = (4 + 10 + 30 + 10 + 10) * 60_000;
		expect(left).toEqual({ min: '1h11m30s', minMs: clocksMs + 450_000, max: '1h19m', maxMs: clocksMs + 900_000 });
	});

	test('is not guessed while nobody answers, paused, or when a person has to advance', () => {
		expect(timeLeft(dwelling, [first], { states, answeredPerMinute: 0 })).toBeNull();
		expect(timeLeft({ ...dwelling, state: 'Paused' }, [first], { states, answeredPerMinute: 5 })).toBeNull();
		const byHand = resolveSpec({
			seed: 's',
			strategy: { kind: 'percentage', percentages: [5, 100], advance: 'manual', dwellMs: 0 },
		});
		expect(timeLeft({ ...dwelling, spec: byHand }, [first], { states, answeredPerMinute: 5 })).toBeNull();
	});
});
