import type { GateName, RolloutSpec, Step } from './model.js';

/** Gates that watch an agent after it has answered; the apply gates are settled by the answer itself. */
const watching: readonly GateName[] = ['disconnect-ratio', 'effective-mismatch-ratio', 'unhealthy-ratio'];

/** How long an agent is watched at the longest, ms. */
export function longestWindowMs(gates: RolloutSpec['gates']): number {
	return Math.max(0, ...watching.map((gate) => gates[gate].windowMs));
}

/** The window of a gate in a step: never longer than the step's dwell, where it has one. The apply timeout is what makes `TimedOut` and stays. */
export function windowMs(spec: RolloutSpec, gate: GateName, dwellMs: number): number {
	const { windowMs: asked } = spec.gates[gate];
	return gate === 'apply-timeout-ratio' || dwellMs === 0 ? asked : Math.min(asked, dwellMs);
}

/** A step without a dwell lasts until the longest window has passed. */
export function ownDwellMs(spec: RolloutSpec, step: Pick<Step, 'dwellMs'>): number {
	return step.dwellMs > 0 ? step.dwellMs : longestWindowMs(spec.gates);
}

/** How long the step dwells in all, ms, after all its agents have a verdict. */
export function dwellNeededMs(spec: RolloutSpec, step: Pick<Step, 'dwellMs' | 'extendedMs'>): number {
	return ownDwellMs(spec, step) + step.extendedMs;
}

export function bakeNeededMs(spec: RolloutSpec): number {
	return Math.max(spec.bakeMs, longestWindowMs(spec.gates));
}
