import type { GateCount, GateEvidence, GateName, GateTally, Rollout, RolloutSpec, Step } from './model.js';
import { gateNames } from './names.js';
import { gateOver, membersOf, unfilledOf } from './tally.js';

export type GateVerdict = 'not-applicable' | 'advisory' | 'inconclusive' | 'pass' | 'fire';

/** How a gate stands, for people: `apply-failed-ratio: 20.4 % > 20 % (51 of 250)`. */
export interface GateView extends GateCount {
	readonly gate: GateName;
	readonly verdict: GateVerdict;
	readonly thresholdPercent: number;
	readonly message: string;
}

/** One lost agent of a handful says little: these count from the second in a cohort under five. */
const fromTheSecond: readonly GateName[] = ['disconnect-ratio', 'apply-timeout-ratio', 'unhealthy-ratio'];
const smallCohort = 5;

/** `cohort`: agents the gate judges or judged, accepted ones included; what is small does not grow smaller by an acceptance. */
export function fires(
	gate: GateName,
	count: GateCount & { readonly cohort: number },
	thresholdPercent: number,
): boolean {
	if (count.k === 0) return false;
	if (count.cohort < smallCohort && fromTheSecond.includes(gate) && count.k < 2) return false;
	return 100 * count.k > thresholdPercent * count.n;
}

/** The fewest of `n` judged agents that fire the gate; null: not even all of them do. */
export function fewestToFire(gate: GateName, n: number, thresholdPercent: number): number | null {
	const above = Math.floor((thresholdPercent * n) / 100) + 1;
	const k = n < smallCohort && fromTheSecond.includes(gate) ? Math.max(2, above) : above;
	return k <= n ? k : null;
}

/** `20.4`, `30`: one decimal, only where it is not a whole number. */
function percentText({ k, n }: GateCount): string {
	if (n === 0) return '0';
	const tenths = Math.floor((2_000 * k + n) / (2 * n));
	return tenths % 10 === 0 ? `${tenths / 10}` : `${Math.floor(tenths / 10)}.${tenths % 10}`;
}

export function gateMessage(gate: GateName, count: GateCount, thresholdPercent: number): string {
	const sign = 100 * count.k > thresholdPercent * count.n ? '>' : '≤';
	return `${gate}: ${percentText(count)} % ${sign} ${thresholdPercent} % (${count.k} of ${count.n})`;
}

interface Cohort extends GateCount {
	readonly kind: 'step' | 'rollout';
	readonly cohort: number;
	/** Too few agents for the gate's `minSample`. */
	readonly advisory: boolean;
}

const cohortOf = (kind: Cohort['kind'], tally: GateTally, unfilled: number, advisory: boolean): Cohort => ({
	kind,
	advisory,
	k: tally.k,
	n: tally.n + unfilled,
	cohort: tally.n + tally.accepted + unfilled,
});

/** The two cohorts every gate judges: the current step, and all agents of the rollout. Places still to be filled count as agents. */
function cohorts(step: Step, steps: readonly Step[], gate: GateName, spec: RolloutSpec): readonly Cohort[] {
	const unfilled = unfilledOf(step);
	return [
		cohortOf('step', step.counters.gates[gate], unfilled, isAdvisory([step], gate, spec)),
		cohortOf('rollout', gateOver(steps, gate), unfilled, isAdvisory(steps, gate, spec)),
	];
}

/**
 * Are these steps smaller than the gate's `minSample`. What was planned decides, not who is left of it: a step does not become too small to
 * judge by losing agents (R7).
 */
export const isAdvisory = (steps: readonly Step[], gate: GateName, spec: RolloutSpec): boolean =>
	steps.reduce((sum, step) => sum + Math.max(step.quota, membersOf(step)), 0) < (spec.gates[gate].minSample ?? 0);

const firingOf = (of: readonly Cohort[], gate: GateName, thresholdPercent: number): Cohort | undefined =>
	of.find((cohort) => !cohort.advisory && fires(gate, cohort, thresholdPercent));

/** The gates above their thresholds now, with the figures. */
export function firingGates(step: Step, steps: readonly Step[], spec: RolloutSpec): readonly GateEvidence[] {
	const found: GateEvidence[] = [];
	for (const gate of gateNames) {
		const { thresholdPercent } = spec.gates[gate];
		const firing = firingOf(cohorts(step, steps, gate, spec), gate, thresholdPercent);
		if (firing === undefined) continue;
		const { kind: cohort, k, n } = firing;
		const message = gateMessage(gate, { k, n }, thresholdPercent);
		found.push({ gate, verdict: 'fire', cohort, step: step.index, k, n, thresholdPercent, message });
	}
	return found;
}

function coverageVerdict(tally: GateTally, coveragePercent: number): GateVerdict {
	if (tally.capable === 0) return 'not-applicable';
	// Everyone it could judge counted against it, and an operator accepted that by name (R5).
	if (tally.n === 0) return tally.accepted > 0 ? 'pass' : 'inconclusive';
	return 100 * tally.judged >= coveragePercent * tally.n ? 'pass' : 'inconclusive';
}

/**
 * What a step's end asks a gate. Where everyone who reports health was sick before, nobody in the step can show harm by it, and its
 * dwell would never bring evidence: what the rollout has seen of all agents so far answers then, and nothing seen stays inconclusive.
 */
function evidenceTally(gate: GateName, step: Step, steps: readonly Step[]): GateTally {
	const own = step.counters.gates[gate];
	const allSick = gate === 'unhealthy-ratio' && own.capable > 0 && own.n + own.accepted === 0;
	return allSick ? gateOver(steps, gate) : own;
}

function viewGate(gate: GateName, step: Step, steps: readonly Step[], rollout: Rollout): GateView {
	const { thresholdPercent } = rollout.spec.gates[gate];
	const latched = rollout.evidence.find((evidence) => evidence.gate === gate && evidence.verdict === 'fire');
	if (latched !== undefined) {
		return { gate, verdict: 'fire', k: latched.k, n: latched.n, thresholdPercent, message: latched.message };
	}
	const both = cohorts(step, steps, gate, rollout.spec);
	const [own] = both;
	const firing = firingOf(both, gate, thresholdPercent);
	const tally = evidenceTally(gate, step, steps);
	const passed = own?.advisory === true ? 'advisory' : coverageVerdict(tally, rollout.spec.coveragePercent);
	const verdict = firing === undefined ? passed : 'fire';
	const count = firing ?? own ?? { k: 0, n: 0 };
	return {
		gate,
		verdict,
		k: count.k,
		n: count.n,
		thresholdPercent,
		message: viewMessage(gate, verdict, tally, count, rollout),
	};
}

function viewMessage(
	gate: GateName,
	verdict: GateVerdict,
	tally: GateTally,
	count: GateCount,
	rollout: Rollout,
): string {
	const { spec } = rollout;
	switch (verdict) {
		case 'not-applicable':
			return `${gate}: not applicable, no agent of the step reports what it needs`;
		case 'advisory':
			return `${gateMessage(gate, count, spec.gates[gate].thresholdPercent)}, advisory: the step is smaller than ${spec.gates[gate].minSample}`;
		case 'inconclusive':
			return `${gate}: inconclusive, judged ${tally.judged} of ${tally.n}, needs ${spec.coveragePercent} %`;
		default:
			return gateMessage(gate, count, spec.gates[gate].thresholdPercent);
	}
}

/** How every gate stands in a step, as interfaces show it and as the end of a step asks it. */
export function gateVerdicts(step: Step, steps: readonly Step[], rollout: Rollout): readonly GateView[] {
	return gateNames.map((gate) => viewGate(gate, step, steps, rollout));
}
