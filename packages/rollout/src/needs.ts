import { domainCap, inFlightCap, isLastStep } from './cohorts.js';
import { pageTargetsMax, quietTickMs, type SnapshotNeeds, tickIntervalMs } from './decision.js';
import type { Rollout, Step, Target } from './model.js';
import { eligibleOf, inFlightOf, membersOf } from './tally.js';

/** A group is planned in one go: ranks need all its members. */
export const plannedMembersMax = 1_000_000;
/** Agents without a session, or of a full failure domain, take no slot: this many more than there are slots are looked at. */
const beyondSlots = 500;

const nothing: SnapshotNeeds = { members: 0, fill: 0, admit: 0, back: 0 };

/** How much of the group the next decision can use. */
export function snapshotNeeds(rollout: Rollout, steps: readonly Step[]): SnapshotNeeds {
	switch (rollout.state) {
		case 'Pending':
		case 'Queued':
			return { ...nothing, members: plannedMembersMax };
		case 'InProgress':
			return { members: pageTargetsMax, fill: fillNeed(rollout, steps), admit: admitNeed(rollout, steps), back: 0 };
		case 'Paused':
			return rollout.rollingBack ? nothing : { ...nothing, members: pageTargetsMax };
		case 'RollingBack':
			return { ...nothing, back: backNeed(rollout, steps) };
		case 'Completed':
			return rollout.tailUntilMs === null
				? nothing
				: { ...nothing, fill: lateFillNeed(rollout), admit: admitNeed(rollout, steps) };
		default:
			return nothing;
	}
}

function fillNeed(rollout: Rollout, steps: readonly Step[]): number {
	const step = steps.find((candidate) => candidate.index === rollout.currentStep);
	if (step === undefined) return 0;
	const last = isLastStep(rollout.spec.strategy, step.index, rollout.planned);
	if (last || step.phase !== 'pushing') return lateFillNeed(rollout);
	const missing = Math.max(0, step.quota - membersOf(step));
	const available = Math.min(rollout.unplaced.Pending, pageTargetsMax);
	// In the first step sick agents are passed over, however many come first in the order.
	if (isFirstStep(step, steps)) return missing === 0 ? 0 : available;
	return Math.min(missing, available);
}

const lateFillNeed = (rollout: Rollout): number => Math.min(rollout.unplaced.Pending, pageTargetsMax);

export const isFirstStep = (step: Step, steps: readonly Step[]): boolean =>
	steps.every((other) => other.index >= step.index || membersOf(other) === 0);

function admitNeed(rollout: Rollout, steps: readonly Step[]): number {
	const waiting = steps.reduce((sum, step) => sum + step.counters.states.Pending, 0);
	const cap = inFlightCap(rollout.spec, eligibleOf(rollout, steps));
	const mayPassOver = rollout.domains !== undefined && rollout.spec.maxInFlight === null;
	return Math.min(waiting, mayPassOver ? cap + beyondSlots : cap, pageTargetsMax);
}

function backNeed(rollout: Rollout, steps: readonly Step[]): number {
	const free = backSlots(rollout, steps);
	return free <= 0 ? 0 : Math.min(rollout.back.todo, free + beyondSlots, pageTargetsMax);
}

/** Has a target's failure domain as many agents in flight as it may have (R4). */
export function isDomainFull(
	{ spec, domains }: Rollout,
	{ domain }: Target,
	inFlightIn: (domain: number) => number,
): boolean {
	const of = domain === undefined ? undefined : domains?.[domain];
	return domain !== undefined && of !== undefined && inFlightIn(domain) >= domainCap(spec, of.agents);
}

/** Agents that may be sent their way back now. */
export const backSlots = (rollout: Rollout, steps: readonly Step[]): number =>
	inFlightCap(rollout.spec, eligibleOf(rollout, steps)) - rollout.back.inFlight;

/** Nothing is waiting for an answer: clocks may be written less often. */
function isQuiet(rollout: Rollout, steps: readonly Step[]): boolean {
	if (inFlightOf(steps) > 0 || rollout.back.inFlight > 0) return false;
	if (rollout.state === 'Paused') return true;
	const step = steps.find((candidate) => candidate.index === rollout.currentStep);
	return rollout.state !== 'InProgress' || step?.phase === 'dwelling' || step?.phase === 'ended';
}

/** How often a rollout writes its clocks: an interval it was not looked at for longer than twice this does not count (R12). */
export const tickEveryMs = (rollout: Rollout, steps: readonly Step[]): number =>
	isQuiet(rollout, steps) ? quietTickMs : tickIntervalMs;

/** Targets with a `wakeAt` up to here may be due at `nowMs`; one that is not does no harm. On the rollout's observed clock. */
export function dueObservedMs(rollout: Rollout, nowMs: number): number {
	const sinceMs = rollout.lastTickAtMs === null ? 0 : nowMs - rollout.lastTickAtMs;
	return rollout.observedMs + Math.min(Math.max(0, sinceMs), 2 * quietTickMs);
}
