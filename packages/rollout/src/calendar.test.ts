import type { RolloutId } from '@ampora/runtime';
import { describe, expect, it } from 'vitest';
import { closesAtMs } from './calendar.js';
import { type Calendar, weekdays } from './change_windows.js';
import { canary, minute, oneStep, outcomeOf, until } from './testing/scenario.js';
import { keepsSilent, RolloutWorld } from './testing/world.js';

const hour = 60 * minute;
/** Worlds begin at 00:16:40 UTC of a day. */
const closedUntil = (untilMs: number): Calendar => ({
	windows: [],
	freezes: [{ name: 'launch', reason: 'a launch', fromMs: 0, untilMs }],
});
const open: Calendar = { windows: [], freezes: [] };
const set = (world: RolloutWorld, calendar: Calendar) => {
	world.environment = { ...world.environment, calendar };
};

describe('outside its windows', () => {
	it('a rollout is started and hands the version to nobody, until they open', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(5);
		const nightly = { name: 'nights', days: weekdays, from: '01:00', to: '02:00', timeZone: 'UTC' };
		set(world, { windows: [nightly], freezes: [] });
		world.start();
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['window'], closed: { untilMs: hour } });
		world.passUntil(({ nowMs }) => nowMs >= hour - 1_000);
		expect(world.offers).toEqual([]);
		world.pass(2);
		expect(world.offers.length).toBe(5);
		expect(world.rollout).toMatchObject({ state: 'InProgress', pauseReasons: [], closed: null });
	});

	it('is said beforehand when they close: what is decided now is not handed out from then on', () => {
		const nightly = { name: 'nights', days: weekdays, from: '01:00', to: '02:00', timeZone: 'UTC' };
		const freeze = { name: 'launch', reason: 'a launch', fromMs: 1.5 * hour, untilMs: 3 * hour };
		expect(closesAtMs({ windows: [nightly], freezes: [] }, hour)).toBe(2 * hour);
		expect(closesAtMs({ windows: [nightly], freezes: [freeze] }, hour)).toBe(1.5 * hour);
		expect(closesAtMs({ windows: [nightly], freezes: [] }, 0)).toBeNull();
		expect(closesAtMs({ windows: [], freezes: [freeze] }, 0)).toBe(1.5 * hour);
		expect(closesAtMs(open, 0)).toBeNull();
		expect(closesAtMs(undefined, 0)).toBeNull();
	});

	it('clocks stand still, and what was not sent is taken back', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(200);
		const dwelt = () => world.steps.get(0)?.dweltMs ?? 0;
		set(world, closedUntil(world.nowMs + hour));
		world.pass(2);
		const before = dwelt();
		world.pass(1_000);
		expect(world.rollout.pauseReasons).toEqual(['freeze']);
		expect(dwelt()).toBe(before);
		expect(world.rollout.currentStep).toBe(0);
		set(world, open);
		world.pass(2);
		expect(world.rollout.state).toBe('InProgress');
		expect(dwelt()).toBeLessThan(before + 5_000);
	});

	it('nobody resumes past them, and lifting another reason pushes nothing', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		set(world, closedUntil(10 * hour));
		world.start();
		const alone = world.ask('resume');
		world.settle();
		expect(outcomeOf(world, alone)).toMatchObject({ accepted: false, code: 'outside-window' });
		expect(outcomeOf(world, alone)?.message).toContain('1970-01-01T10:00:00.000Z');
		world.ask('pause');
		world.settle();
		world.ask('resume');
		world.pass(10);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['freeze'] });
		expect(world.offers).toEqual([]);
	});

	it('a freeze that begins while windows are shut takes their place', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		world.addAgents(3);
		const windows = [{ name: 'nights', days: weekdays, from: '05:00', to: '06:00', timeZone: 'UTC' }];
		set(world, { windows, freezes: [] });
		world.start();
		set(world, { windows, freezes: closedUntil(hour).freezes });
		world.pass(1);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['freeze'] });
		expect(world.offers).toEqual([]);
	});

	it('a rollback goes its way', () => {
		const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, 0]) });
		world.addAgents(4);
		world.start();
		world.pass(30);
		set(world, closedUntil(10 * hour));
		world.pass(5);
		world.ask('rollback');
		until(world, 'RolledBack');
	});

	it('the tail waits too', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent: 100, deferForMs: 10 * hour });
		world.addAgents(5);
		const late = world.addAgents(2, { session: 'goodbye' });
		world.start();
		until(world, 'Completed');
		set(world, closedUntil(world.nowMs + hour));
		for (const agent of late) agent.session = 'live';
		world.pass(60);
		expect(world.offers.length).toBe(5);
		set(world, open);
		world.pass(10);
		expect(world.offers.length).toBe(7);
	});

	it('a tail takes back what no gateway has sent', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxDeferredPercent: 100, deferForMs: 10 * hour });
		world.addAgents(5);
		const [late] = world.addAgents(1, { session: 'goodbye', behaviour: keepsSilent });
		world.start();
		until(world, 'Completed');
		if (late === undefined) throw new Error('nobody is late');
		late.session = 'live';
		for (let turn = 0; turn < 10 && late.assignment?.versionId !== world.rollout.versionId; turn += 1) {
			world.nowMs += 1_000;
			world.tick();
		}
		expect(late.assignment?.versionId).toBe(world.rollout.versionId);
		set(world, closedUntil(world.nowMs + hour));
		world.nowMs += 1_000;
		world.tick();
		expect(late.assignment?.versionId).toBeNull();
	});
});

describe('a rollout that waits', () => {
	const other = 'rollout-9' as RolloutId;
	const queued = (startAtMs: number | null = null): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, startAtMs });
		world.addAgents(3);
		world.rollout = { ...world.rollout, state: 'Queued' };
		world.environment = { ...world.environment, busyWith: other };
		return world;
	};

	it('starts by itself when the group is free', () => {
		const world = queued();
		world.pass(10);
		expect(world.rollout.state).toBe('Queued');
		world.environment = { ...world.environment, busyWith: null };
		world.pass(1);
		expect(world.rollout.state).toBe('InProgress');
	});

	it('is not started by hand while the group is busy', () => {
		const world = queued();
		const asked = world.ask('start');
		world.settle();
		expect(outcomeOf(world, asked)).toMatchObject({ accepted: false, code: 'busy' });
		expect(world.rollout.state).toBe('Queued');
	});

	it('starts at its time and not before, or when somebody starts it', () => {
		const startAtMs = 1_000_000 + hour;
		const world = new RolloutWorld({ strategy: oneStep, startAtMs });
		world.addAgents(3);
		expect(world.tick()).toMatchObject({ nextWakeAtMs: startAtMs, waitsFor: null });
		world.passUntil(({ nowMs }) => nowMs >= startAtMs - 1_000);
		expect(world.rollout.state).toBe('Pending');
		world.pass(1);
		expect(world.rollout.state).toBe('InProgress');
		const early = new RolloutWorld({ strategy: oneStep, startAtMs });
		early.addAgents(3);
		early.start();
		expect(early.rollout.state).toBe('InProgress');
	});

	it('waits for both its time and its turn', () => {
		const world = queued(1_000_000 + minute);
		world.environment = { ...world.environment, busyWith: null };
		world.pass(59);
		expect(world.rollout.state).toBe('Queued');
		world.pass(1);
		expect(world.rollout.state).toBe('InProgress');
	});
});

describe('supersede', () => {
	const running = (): RolloutWorld => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 'unlimited' });
		world.addAgents(4);
		world.ask('start');
		world.tick();
		world.tick();
		return world;
	};

	it('ends it, and takes back what no gateway has sent', () => {
		const world = running();
		expect([...world.agents.values()].every(({ assignment }) => assignment !== null)).toBe(true);
		world.ask('supersede', { successor: 'rollout-9' as RolloutId });
		world.settle();
		expect(world.rollout.state).toBe('Superseded');
		expect([...world.agents.values()].every(({ assignment }) => assignment?.versionId === null)).toBe(true);
		world.pass(60);
		expect(world.offers).toEqual([]);
	});

	it('loses to a rollback, an abort and a pause, and wins over resume and advance', () => {
		for (const winner of ['rollback', 'abort', 'pause'] as const) {
			const world = running();
			const asked = world.ask('supersede');
			world.ask(winner);
			world.settle();
			expect(outcomeOf(world, asked)).toMatchObject({ accepted: false, code: 'overruled' });
		}
		const world = running();
		const advance = world.ask('advance');
		world.ask('supersede');
		world.settle();
		expect(outcomeOf(world, advance)).toMatchObject({ accepted: false, code: 'overruled' });
		expect(world.rollout.state).toBe('Superseded');
	});

	it('is refused while it is rolled back', () => {
		const world = running();
		world.deliver();
		world.ask('rollback');
		world.tick();
		const asked = world.ask('supersede');
		world.tick();
		expect(outcomeOf(world, asked)).toMatchObject({ accepted: false, code: 'not-allowed' });
	});
});
