import type { BackCounters, GateName, GateTally, Rollout, Step, StepCounters, Target, TargetState } from './model.js';
import { byGate, byState, gateNames, targetStates, touchedStates } from './names.js';

export const emptyGateTally: GateTally = { n: 0, k: 0, accepted: 0, pushed: 0, judged: 0, capable: 0 };

export const emptyCounters: StepCounters = {
	states: byState(() => 0),
	inFlight: 0,
	unanswered: 0,
	well: 0,
	gates: byGate(() => emptyGateTally),
};

export const emptyBack: BackCounters = { todo: 0, inFlight: 0, confirmed: 0, listed: 0 };

type AcceptedSeq = Rollout['acceptedSeq'];

/** Not in any gate's N: never pushed, out of the rollout, or gone with a goodbye before it answered. */
function standsAside({ state, reason }: Target): boolean {
	switch (state) {
		case 'Deferred':
		case 'Skipped':
		case 'AlreadyApplied':
		case 'RolledBack':
			return true;
		case 'Disconnected':
			return reason === 'goodbye';
		default:
			return false;
	}
}

/** Has the agent the capability the gate needs. */
export function isCapable(target: Target, gate: GateName): boolean {
	switch (gate) {
		case 'apply-failed-ratio':
		case 'apply-timeout-ratio':
			return target.reports.configStatus;
		case 'disconnect-ratio':
			return true;
		case 'effective-mismatch-ratio':
			return target.reports.effectiveConfig;
		case 'unhealthy-ratio':
			return target.reports.health;
	}
}

/** Can the gate judge this agent: capable, and nothing that takes it out of N. */
export function isJudgeable(target: Target, gate: GateName): boolean {
	if (standsAside(target) || !isCapable(target, gate)) return false;
	if (gate === 'unhealthy-ratio') return !target.sickBefore;
	// An agent that says it did not take the config has no reason to show it as effective.
	if (gate === 'effective-mismatch-ratio') return target.state !== 'Failed' && target.state !== 'Reverted';
	return true;
}

const one = (pushed: 0 | 1, judged: 0 | 1, k: 0 | 1): GateTally => ({
	n: 1,
	k,
	accepted: 0,
	pushed,
	judged,
	capable: 1,
});
const capableOnly: GateTally = { ...emptyGateTally, capable: 1 };
const acceptedOne: GateTally = { ...emptyGateTally, accepted: 1, capable: 1 };
const waitingOne = one(0, 0, 0);
const pushedOne = one(1, 0, 0);
const judgedOne = one(1, 1, 0);
const countedOne = one(1, 1, 1);

function gateTally(target: Target, gate: GateName, acceptedSeq: AcceptedSeq): GateTally {
	if (standsAside(target) || !isCapable(target, gate)) return emptyGateTally;
	const since = target.against[gate];
	if (!isJudgeable(target, gate) || (since === undefined && target.judged[gate] === false)) return capableOnly;
	if (since !== undefined) return since <= (acceptedSeq[gate] ?? -1) ? acceptedOne : countedOne;
	if (target.state === 'Pending') return waitingOne;
	return target.judged[gate] === true ? judgedOne : pushedOne;
}

/** Assignment written and no answer yet. */
const isInFlight = (target: Target): boolean =>
	target.state === 'Applying' || (target.state === 'Pending' && target.seq !== null);

const isWell = (target: Target): boolean =>
	target.state === 'Applied' &&
	target.unhealthySince === null &&
	target.mismatchSince === null &&
	target.goneSince === null &&
	(target.provesAfterSession ?? null) === null;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Counters one decision works on. */
export interface WorkingCounters extends Mutable<Omit<StepCounters, 'states' | 'gates'>> {
	readonly states: Record<TargetState, number>;
	readonly gates: Record<GateName, Mutable<GateTally>>;
}

export const workingCopy = ({ states, gates, ...sums }: StepCounters): WorkingCounters => ({
	...sums,
	states: { ...states },
	gates: byGate((gate) => ({ ...gates[gate] })),
});

/** Adds to (1) or takes from (-1) the counters of a step what one of its targets contributes. */
export function tallyInto(counters: WorkingCounters, target: Target, acceptedSeq: AcceptedSeq, sign: 1 | -1): void {
	counters.states[target.state] += sign;
	if (isInFlight(target)) {
		counters.inFlight += sign;
		if (target.domain !== undefined) countDomain(counters, target.domain, sign);
	}
	if (target.state === 'Applying') counters.unanswered += sign;
	if (isWell(target)) counters.well += sign;
	for (const gate of gateNames) {
		const { n, k, accepted, pushed, judged, capable } = gateTally(target, gate, acceptedSeq);
		const sum = counters.gates[gate];
		sum.n += sign * n;
		sum.k += sign * k;
		sum.accepted += sign * accepted;
		sum.pushed += sign * pushed;
		sum.judged += sign * judged;
		sum.capable += sign * capable;
	}
}

/** How many there are of each failure domain, with one more or less of this one; domains without any are left out. */
export function withDomain(
	counts: Readonly<Record<number, number>> | undefined,
	domain: number,
	sign: 1 | -1,
): Readonly<Record<number, number>> {
	const { [domain]: was = 0, ...others } = counts ?? {};
	return was + sign === 0 ? others : { ...others, [domain]: was + sign };
}

function countDomain(counters: WorkingCounters, domain: number, sign: 1 | -1): void {
	const all = withDomain(counters.inFlightByDomain, domain, sign);
	if (Object.keys(all).length > 0) counters.inFlightByDomain = all;
	else delete counters.inFlightByDomain;
}

/** The step's counters once a target in flight was taken back before it was sent: what a store does by itself (R1). */
export function withoutUnsent(counters: StepCounters, { domain }: Pick<Target, 'domain'>): StepCounters {
	const left = workingCopy(counters);
	left.inFlight -= 1;
	if (domain !== undefined) countDomain(left, domain, -1);
	return left;
}

/** Agents of one failure domain in flight, over all steps. */
export const inFlightIn = (domain: number, steps: readonly Step[]): number =>
	steps.reduce((sum, { counters }) => sum + (counters.inFlightByDomain?.[domain] ?? 0), 0);

/** The counters of a step that holds these targets. */
export function tally(targets: readonly Target[], acceptedSeq: AcceptedSeq): StepCounters {
	const counters = workingCopy(emptyCounters);
	for (const target of targets) tallyInto(counters, target, acceptedSeq, 1);
	return counters;
}

/**
 * An operator accepts what counts against these gates: all of k leaves k and n, without a look at the targets. `fresh` of them began to
 * count in this very decision, after what the operator was shown, and stay.
 */
export function acceptEvidence(
	counters: StepCounters,
	gates: readonly GateName[],
	fresh: (gate: GateName) => number,
): StepCounters {
	return {
		...counters,
		gates: byGate((gate) => {
			const was = counters.gates[gate];
			if (!gates.includes(gate)) return was;
			const taken = was.k - fresh(gate);
			return {
				n: was.n - taken,
				k: was.k - taken,
				accepted: was.accepted + taken,
				pushed: was.pushed - taken,
				judged: was.judged - taken,
				capable: was.capable,
			};
		}),
	};
}

const sumStates = (states: Readonly<Record<TargetState, number>>): number =>
	targetStates.reduce((sum, state) => sum + states[state], 0);

export const membersOf = (step: Pick<Step, 'counters'>): number => sumStates(step.counters.states);

/** Places of the step still to be filled; none once it ran out of candidates. */
export const unfilledOf = (step: Step): number => (step.exhausted ? 0 : Math.max(0, step.quota - membersOf(step)));

export const placedOf = (steps: readonly Step[]): number => steps.reduce((sum, step) => sum + membersOf(step), 0);

export const inFlightOf = (steps: readonly Step[]): number =>
	steps.reduce((sum, step) => sum + step.counters.inFlight, 0);

/** Members that were, or can still be, pushed. */
export const eligibleOf = (rollout: Pick<Rollout, 'unplaced'>, steps: readonly Step[]): number =>
	placedOf(steps) + rollout.unplaced.Pending + rollout.unplaced.Deferred;

/** How many targets a rollback has to take back. */
export const touchedOf = (steps: readonly Step[]): number =>
	steps.reduce(
		(sum, step) => sum + touchedStates.reduce((inStep, state) => inStep + step.counters.states[state], 0),
		0,
	);

export const isTouched = (target: Target): boolean =>
	target.step !== null && (touchedStates as readonly TargetState[]).includes(target.state);

export function stateCounts(rollout: Pick<Rollout, 'unplaced'>, steps: readonly Step[]): Record<TargetState, number> {
	return byState((state) => steps.reduce((sum, step) => sum + step.counters.states[state], rollout.unplaced[state]));
}

export function backTally(target: Target): BackCounters {
	switch (target.back?.state) {
		case undefined:
			return emptyBack;
		case 'todo':
			return { ...emptyBack, todo: 1 };
		case 'assigned':
			return { ...emptyBack, inFlight: 1 };
		case 'confirmed':
			return { ...emptyBack, confirmed: 1 };
		case 'listed':
			return { ...emptyBack, listed: 1 };
	}
}

export const addBack = (a: BackCounters, b: BackCounters, sign: 1 | -1): BackCounters => ({
	todo: a.todo + sign * b.todo,
	inFlight: a.inFlight + sign * b.inFlight,
	confirmed: a.confirmed + sign * b.confirmed,
	listed: a.listed + sign * b.listed,
});

/** The same gate over several steps. */
export function gateOver(steps: readonly Step[], gate: GateName): GateTally {
	const sum = { ...emptyGateTally };
	for (const { counters } of steps) {
		const { n, k, accepted, pushed, judged, capable } = counters.gates[gate];
		sum.n += n;
		sum.k += k;
		sum.accepted += accepted;
		sum.pushed += pushed;
		sum.judged += judged;
		sum.capable += capable;
	}
	return sum;
}
