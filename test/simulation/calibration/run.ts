import type { PauseReason, RolloutState } from '@ampora/rollout';
import { RolloutWorld } from '@ampora/rollout/testing';
import { seededRandom } from '@ampora/runtime';
import { CalibrationFleet, type Harm } from './fleet.js';

export interface CalibrationRun {
	readonly seed: number;
	readonly state: RolloutState;
	readonly reasons: readonly PauseReason[];
	/** Counts from 1: the step in which it was when it stopped or completed. */
	readonly step: number;
	readonly evidence: readonly string[];
}

/** Past this a rollout with default steps is not slow but stuck. */
const lastsAtMostMs = 6 * 3_600_000;
const tickMs = 1_000;
/** While nothing waits for an answer the engine ticks this often as well. */
const quietTickMs = 5_000;

/** One rollout with all defaults over `agents` agents, until it completed or stopped. The same seed is the same run. */
export function calibrationRun(agents: number, harm: Harm, seed: number): CalibrationRun {
	const world = new RolloutWorld({ seed: `calibration-${seed}` }, { examined: false });
	const fleet = new CalibrationFleet(world, seededRandom(seed), harm);
	fleet.add(agents);
	const endMs = world.nowMs + lastsAtMostMs;
	world.start();
	while (!isOver(world) && world.nowMs < endMs) {
		world.nowMs += isQuiet(world) ? quietTickMs : tickMs;
		fleet.advance();
		world.settle();
	}
	const { state, pauseReasons, currentStep, evidence } = world.rollout;
	return {
		seed,
		state,
		reasons: pauseReasons,
		step: (currentStep ?? 0) + 1,
		evidence: evidence.map(({ message }) => message),
	};
}

/** A pause with `control-plane` lifts by itself; any other waits for a person. */
function isOver({ rollout: { state, pauseReasons } }: RolloutWorld): boolean {
	if (state === 'Paused') return pauseReasons.some((reason) => reason !== 'control-plane');
	return state !== 'Pending' && state !== 'InProgress';
}

const isQuiet = ({ rollout, steps }: RolloutWorld): boolean => {
	const step = steps.get(rollout.currentStep ?? -1);
	return (
		rollout.state === 'InProgress' && step !== undefined && step.phase !== 'pushing' && step.counters.inFlight === 0
	);
};
