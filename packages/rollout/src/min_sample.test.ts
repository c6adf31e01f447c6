import { describe, expect, it } from 'vitest';
import { gateVerdicts } from './gates.js';
import { canary, minute, until } from './testing/scenario.js';
import { applies, type Behaviour, fails, RolloutWorld } from './testing/world.js';

/** Steps of 4, 16 and 20 agents; those of these ranks reject the version. */
function started(minSample: number, isBad: (rank: number) => boolean): RolloutWorld {
	const world = new RolloutWorld({
		strategy: canary([10, minute], [50, minute], [100, minute]),
		onAgentFailure: 'leave',
		gates: { 'apply-failed-ratio': { thresholdPercent: 20, minSample } },
	});
	const behaviour: Behaviour = (agent, of) => (isBad(of.targetOf(agent).rank) ? fails : applies)(agent, of);
	world.addAgents(40, { behaviour });
	world.start();
	return world;
}

describe('minSample', () => {
	it('makes a gate advisory in a smaller step: shown, neither fired nor in the way', () => {
		const world = started(10, (rank) => rank === 0);
		world.passUntil(({ rollout }) => rollout.currentStep === 1, 1_200);
		const first = world.steps.get(0);
		if (first === undefined) throw new Error('there is a first step');
		const view = gateVerdicts(first, [first], world.rollout).find(({ gate }) => gate === 'apply-failed-ratio');
		expect(view).toMatchObject({ verdict: 'advisory', k: 1, n: 4 });
		expect(view?.message).toContain('advisory: the step is smaller than 10');
		expect(world.rollout.evidence).toEqual([]);
	});

	it('judges where the step is large enough', () => {
		const world = started(4, (rank) => rank === 0);
		until(world, 'Paused', 1_200);
		expect(world.rollout.evidence[0]).toMatchObject({ gate: 'apply-failed-ratio', verdict: 'fire', step: 0 });
	});

	it('judges the whole rollout once that is large enough', () => {
		const world = started(30, (rank) => rank % 3 === 0);
		until(world, 'Paused', 3_600);
		expect(world.rollout.evidence[0]).toMatchObject({ verdict: 'fire', cohort: 'rollout', step: 2 });
	});
});
