import type { CommandOutcome } from '../decision.js';
import type { RolloutState, Strategy } from '../model.js';
import type { RolloutWorld, WorldAgent } from './world.js';

export const minute = 60_000;

export const canary = (...steps: readonly (readonly [percent: number, dwellMs: number])[]): Strategy => ({
	kind: 'canary',
	steps: steps.map(([value, dwellMs]) => ({ size: { kind: 'percent', value }, dwellMs })),
});

/** Everybody at once, within `maxInFlight`. */
export const oneStep = canary([100, minute]);

/** The agents of the current step, in rank order. */
export const inStep = (world: RolloutWorld): readonly WorldAgent[] =>
	[...world.targets.values()]
		.filter(({ step }) => step === world.rollout.currentStep)
		.toSorted((a, b) => a.rank - b.rank)
		.flatMap(({ agentId }) => world.agents.get(agentId) ?? []);

/** What became of a command. */
export const outcomeOf = (world: RolloutWorld, id: string): CommandOutcome | undefined =>
	world.decisions.flatMap(({ outcomes }) => outcomes).find(({ commandId }) => commandId === id);

export const until = (world: RolloutWorld, state: RolloutState, seconds?: number): void =>
	world.passUntil(({ rollout }) => rollout.state === state, seconds);
