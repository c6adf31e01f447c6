import type { Rollout, Step } from './model.js';
import { gateNames, targetStates } from './names.js';
import { membersOf } from './tally.js';
import { hasEnded } from './transitions.js';

/** What is broken about a rollout as stored, in words; empty when all is well. Checked before and after every decision. */
export function breaches(rollout: Rollout, steps: readonly Step[]): readonly string[] {
	return [...rolloutBreaches(rollout, steps), ...steps.flatMap(stepBreaches)];
}

function rolloutBreaches(rollout: Rollout, steps: readonly Step[]): readonly string[] {
	const found: string[] = [];
	const check = (holds: boolean, what: string): void => {
		if (!holds) found.push(what);
	};
	const paused = rollout.state === 'Paused';
	check(
		paused === rollout.pauseReasons.length > 0,
		`${rollout.state} with pause reasons [${rollout.pauseReasons}] (R1)`,
	);
	check(
		hasEnded(rollout.state) === (rollout.endedAtMs !== null),
		`${rollout.state} with endedAt ${rollout.endedAtMs} (R8)`,
	);
	check(rollout.state !== 'RollingBack' || rollout.rollingBack, 'RollingBack without its mark');
	check(rollout.observedMs >= 0 && rollout.bakedMs >= 0, 'a clock is negative (R12)');
	const current = rollout.currentStep;
	check(current === null || steps.some(({ index }) => index === current), `current step ${current} does not exist`);
	for (const [kind, count] of Object.entries(rollout.back)) check(count >= 0, `back.${kind} is ${count}`);
	for (const state of targetStates)
		check(rollout.unplaced[state] >= 0, `unplaced.${state} is ${rollout.unplaced[state]}`);
	return found;
}

function stepBreaches(step: Step): readonly string[] {
	const { counters, index } = step;
	const found: string[] = [];
	const check = (holds: boolean, what: string): void => {
		if (!holds) found.push(`step ${index}: ${what}`);
	};
	const members = membersOf(step);
	for (const state of targetStates) check(counters.states[state] >= 0, `${state} is ${counters.states[state]}`);
	check(counters.inFlight >= counters.unanswered && counters.inFlight <= members, `inFlight is ${counters.inFlight}`);
	check(counters.well >= 0 && counters.well <= counters.states.Applied, `well is ${counters.well}`);
	for (const gate of gateNames) {
		const { n, k, accepted, pushed, judged, capable } = counters.gates[gate];
		const ordered =
			0 <= k && k <= judged && judged <= pushed && pushed <= n && accepted >= 0 && n + accepted <= capable;
		check(ordered && capable <= members, `${gate} counts ${JSON.stringify(counters.gates[gate])}`);
	}
	check(step.dweltMs >= 0 && step.extendedMs >= 0, 'its dwell is negative (R12)');
	return found;
}
