// How a rollout goes about a group that is spread over failure domains, and what it does when nobody answers. Each scenario is run once
// more with its feature taken out of the rollout, and has to fail then.
import type { RolloutSpec, Target } from '@ampora/rollout';
import { describe, expect, test } from 'vitest';
import { crowds, expectNothing, uneven } from '../support/judgements.js';
import { Directed } from './directed.js';

type Feature = Partial<RolloutSpec>;

const zones = ['a', 'a', 'a', 'a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c'];

/** By hostname the zones come one after the other: without being spread, every step would be a zone. */
async function everyStepHoldsEachZonesShare(feature: Feature): Promise<void> {
	const on = await Directed.set({ agents: zones.length, zone: (index) => zones[index] ?? '', spec: feature });
	const id = await on.begin();
	await on.untilState(id, 'Completed');
	const steps = new Map(on.targets(id).map(({ agentId, step }: Target) => [agentId, step ?? Number.NaN]));
	const agents = zones.map((domain, index) => ({ domain, step: steps.get(on.agentId(index)) ?? Number.NaN }));
	expectNothing(uneven(agents, 3));
	await on.expectRest();
}

/** The first agent takes longer than the deadline: somebody is asked, says to go on, and it goes on. */
async function nothingHappensAndSomebodyIsAsked(feature: Feature): Promise<void> {
	const on = await Directed.set({
		agents: 8,
		outcome: (index) => (index === 0 ? { kind: 'applied', afterMs: 100_000 } : { kind: 'instant' }),
		spec: { gates: patientGates, ...feature },
	});
	const id = await on.begin();
	await on.untilState(id, 'Paused', 90);
	expect(on.rollout(id).pauseReasons).toEqual(['deadline']);
	expect(on.rollout(id)).toMatchObject({ currentStep: 0, evidence: [] });
	await on.ask(id, { kind: 'resume', reasons: ['deadline'] });
	await on.untilState(id, 'InProgress', 5);
	await on.untilState(id, 'Completed');
	expect(on.count(id, 'Applied')).toBe(8);
	await on.expectRest();
}

/** An agent that keeps silent is left to nothing but the deadline. */
const patientGates: RolloutSpec['gates'] = {
	'apply-failed-ratio': { thresholdPercent: 20, windowMs: 0 },
	'apply-timeout-ratio': { thresholdPercent: 20, windowMs: 36_000_000 },
	'disconnect-ratio': { thresholdPercent: 20, windowMs: 3_000 },
	'effective-mismatch-ratio': { thresholdPercent: 20, windowMs: 3_000 },
	'unhealthy-ratio': { thresholdPercent: 20, windowMs: 2_000 },
};

/** One zone in ten is slow to answer: its agents would gather until they have every slot there is. */
async function noMoreThanAQuarterOfAZoneIsInFlight(feature: Feature): Promise<void> {
	const isSlow = (index: number): boolean => index % 10 === 0;
	const on = await Directed.set({
		agents: 80,
		zone: (index) => (isSlow(index) ? 'slow' : 'quick'),
		outcome: (index) => (isSlow(index) ? { kind: 'applied', afterMs: 10_000 } : { kind: 'instant' }),
		spec: { gates: patientGates, spreadBy: 'zone', ...feature },
	});
	const id = await on.begin();
	await on.untilState(id, 'Completed', 300);
	expectNothing(crowds(on.heard('new version'), (index) => (isSlow(index) ? 'slow' : undefined), 2));
	await on.expectRest();
}

/** The agents of one zone in ten fall sick: sickest first they would all be taken back at once. */
async function norOnTheWayBack(feature: Feature): Promise<void> {
	const isSick = (index: number): boolean => index % 10 === 0;
	const on = await Directed.set({
		agents: 80,
		zone: (index) => (isSick(index) ? 'sick' : 'well'),
		outcome: (index) => (isSick(index) ? { kind: 'unhealthy', afterMs: 1_000 } : { kind: 'instant' }),
		spec: { gates: patientGates, spreadBy: 'zone', bakeMs: 60_000, ...feature },
	});
	const id = await on.begin();
	await on.until('the bake', () => on.rollout(id).bakedMs > 5_000, 300);
	const sick = new Set(
		Array.from({ length: 80 }, (_, index) => index)
			.filter(isSick)
			.map((index) => on.agentId(index)),
	);
	let most = 0;
	await on.ask(id, { kind: 'rollback' });
	await on.until(
		'it is rolled back',
		() => {
			const onTheirWay = on.targets(id).filter(({ agentId, back }) => back?.state === 'assigned' && sick.has(agentId));
			most = Math.max(most, onTheirWay.length);
			return on.rollout(id).state === 'RolledBack';
		},
		120,
	);
	expectNothing(most > 2 ? [`${most} of 8 sick agents were on their way back at once`] : []);
	await on.expectRest();
}

/** Nobody ever answers: after a resume the deadline runs anew, and no sooner than that it pauses again. */
async function aResumeStartsTheDeadlineAgain(feature: Feature): Promise<void> {
	const on = await Directed.set({
		agents: 8,
		outcome: () => ({ kind: 'silent' }),
		spec: { gates: patientGates, ...feature },
	});
	const id = await on.begin();
	await on.untilState(id, 'Paused', 90);
	await on.world.runFor(300_000);
	await on.ask(id, { kind: 'resume', reasons: [] });
	await on.untilState(id, 'InProgress', 5);
	const resumedMs = on.world.schedule.nowMs;
	await on.untilState(id, 'Paused', 90);
	expect(on.world.schedule.nowMs - resumedMs).toBeGreaterThan(50_000);
	expect(on.rollout(id).pauseReasons).toEqual(['deadline']);
	expect(on.targets(id).filter(({ seq }) => seq !== null).length).toBeLessThanOrEqual(2);
	on.expectSound();
}

describe.each([
	[
		'every step holds the share of each zone',
		everyStepHoldsEachZonesShare,
		{ spreadBy: 'zone' },
		{ spreadBy: null },
		/their share is/,
	],
	[
		'nobody changes state before the deadline: it pauses, and goes on when told to',
		nothingHappensAndSomebodyIsAsked,
		{ progressDeadlineMs: 60_000 },
		{ progressDeadlineMs: 36_000_000 },
		/not within 90 s: Paused/,
	],
	[
		'a resume starts the deadline again',
		aResumeStartsTheDeadlineAgain,
		{ progressDeadlineMs: 60_000 },
		{ progressDeadlineMs: 36_000_000 },
		/not within 90 s: Paused/,
	],
	[
		'a quarter of a zone at most is in flight where nobody says how many',
		noMoreThanAQuarterOfAZoneIsInFlight,
		{ maxInFlight: null },
		{ maxInFlight: 4 },
		/agents of slow had it at once/,
	],
	[
		'a quarter of a zone at most is on its way back where nobody says how many',
		norOnTheWayBack,
		{ maxInFlight: null },
		{ maxInFlight: 4 },
		/of 8 sick agents were on their way back at once/,
	],
] as const)('%s', (_, scenario, feature, without, lacks) => {
	test('holds', () => scenario(feature));
	test('does not without it', () => expect(scenario(without)).rejects.toThrow(lacks));
});
