import type { Violation } from '../checkers/checkers.js';
import { planWorld, type WorldPlan } from './plan.js';
import { World, type WorldOptions } from './world.js';

export interface RunResult {
	readonly seed: number;
	readonly violations: readonly Violation[];
	/** Hash over everything that happened: the same in every run of a seed. */
	readonly digest: string;
	readonly events: number;
	readonly virtualMs: number;
	readonly lines: readonly string[];
	/** How the rollouts ended. */
	readonly states: readonly string[];
}

/** Faults and meddling first, then neither: from then on every rollout has to end, and every agent to run what it should. */
export async function runSeed(seed: number, options: WorldOptions = {}): Promise<RunResult> {
	return runPlan(planWorld(seed), options);
}

const careEveryMs = 15_000;
const liveRoundsMax = 120;
const quietMs = 45_000;

async function runPlan(plan: WorldPlan, options: WorldOptions = {}): Promise<RunResult> {
	const world = new World(plan, options);
	await world.prepare();
	if (!world.checkers.failed) {
		await trouble(world);
		await recover(world);
	}
	return resultOf(world);
}

const resultOf = (world: World): RunResult => ({
	seed: world.plan.seed,
	violations: world.checkers.violations,
	digest: world.trace.digest(),
	events: world.schedule.events,
	virtualMs: world.schedule.nowMs,
	lines: world.trace.tail(),
	states: [...world.servers.state.rollouts.values()].map(({ rollout }) => rollout.state),
});

async function trouble(world: World): Promise<void> {
	const { plan, schedule, people } = world;
	await world.beginEnrolment();
	world.startFaults();
	for (const rollout of plan.rollouts) schedule.after(rollout.startMs, null, () => void world.begin(rollout));
	for (const [index, follower] of (plan.followers ?? []).entries())
		schedule.after(follower.startMs, null, () => void world.follow(follower, index));
	const chance = world.streams.named('meddling');
	const meddle = () => {
		if (!Number.isFinite(plan.commandEveryMs)) return;
		schedule.after(chance.next() * 2 * plan.commandEveryMs, null, () => {
			if (schedule.nowMs > endMs) return;
			void people.meddle();
			meddle();
		});
	};
	const endMs = schedule.nowMs + plan.faults.forMs;
	meddle();
	keepCalendar(world, endMs);
	rename(world, endMs);
	await world.runUntil(endMs);
}

/** People who change when the groups may change. */
function keepCalendar({ plan: { calendar = null }, schedule, groups, keepers, streams }: World, endMs: number): void {
	if (calendar === null || groups === null) return;
	keepers.begin(groups, calendar);
	const chance = streams.named('calendar edits');
	const edit = () => {
		if (!Number.isFinite(calendar.editEveryMs)) return;
		schedule.after(chance.next() * 2 * calendar.editEveryMs, null, () => {
			if (schedule.nowMs > endMs) return;
			keepers.edit(groups);
			edit();
		});
	};
	edit();
}

/** Agents that restart under other uids. */
function rename({ plan: { identity = null }, schedule, agents, streams }: World, endMs: number): void {
	if (identity === null) return;
	const chance = streams.named('other uids');
	const next = () =>
		schedule.after(chance.next() * 2 * identity.rebornEveryMs, null, () => {
			if (schedule.nowMs > endMs) return;
			chance.pick(agents).reborn(chance.between(50, 5_000), { unheard: chance.chance(identity.unheard) });
			next();
		});
	next();
}

/** From this round of care on nobody waits for a window. */
const openUpRound = 16;

async function recover(world: World): Promise<void> {
	world.stopFaults();
	for (let round = 0; round < liveRoundsMax && !world.allEnded() && !world.checkers.failed; round += 1) {
		await world.runFor(careEveryMs, () => world.allEnded());
		if (round >= openUpRound) world.keepers.openUp();
		await world.people.care(round);
	}
	await world.runFor(quietMs);
	if (!world.checkers.failed) world.checkEnd();
}
