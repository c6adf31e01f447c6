import { describe, expect, it } from 'vitest';
import { applies, goesAway, RolloutWorld, reconnects } from './testing/world.js';

const minute = 60_000;

function world(behaviour = reconnects): RolloutWorld {
	const made = new RolloutWorld({
		strategy: { kind: 'percentage', percentages: [50, 100], advance: 'auto', dwellMs: minute, firstAgentAlone: true },
		maxInFlight: 'unlimited',
	});
	made.addAgents(10, { behaviour });
	made.start();
	return made;
}

describe('a change of how agents reach their server', () => {
	it('goes to one agent first, and on once that came back with it', () => {
		const under = world();
		under.pass(30);
		expect(under.offers).toHaveLength(1);
		under.pass(60);
		expect(under.offers).toHaveLength(5);
		expect(under.steps.get(0)).toMatchObject({ name: 'first-agent', phase: 'ended', extendedForCoverage: false });
	});

	it('goes no further when that agent applied it and never came back', () => {
		const under = world(applies);
		under.pass(600);
		expect(under.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'] });
		expect(under.rollout.evidence[0]?.message).toContain('has not come back in a new session');
		expect(under.offers).toHaveLength(1);
	});

	it('goes no further when that agent is gone for good', () => {
		const under = world(goesAway);
		under.pass(1_200);
		expect(under.rollout.state).toBe('Paused');
		expect(under.offers).toHaveLength(1);
	});

	it('goes on when the agent comes back late, within the longer dwell', () => {
		const under = world(applies);
		under.pass(90);
		expect(under.steps.get(0)).toMatchObject({ extendedForCoverage: true });
		const [first] = under.agentsIn('Applied');
		if (first !== undefined) first.sessionEpoch += 1;
		under.pass(60);
		expect(under.rollout.state).toBe('InProgress');
		expect(under.offers).toHaveLength(5);
	});

	it('goes no further when that agent was in another session before it was handed the version', () => {
		const under = world(applies);
		const [first] = under.agentsIn('Applied');
		if (first?.assignment)
			Object.assign(first, { sessionEpoch: 2 }, { assignment: { ...first.assignment, offeredEpoch: 2 } });
		under.pass(600);
		expect(under.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['inconclusive'] });
		expect(under.offers).toHaveLength(1);
	});

	it('takes a new session with the old version for what it is', () => {
		const under = world(applies);
		under.pass(5);
		const [first] = under.agentsIn('Applied');
		if (first?.assignment)
			Object.assign(first, { sessionEpoch: 2 }, { assignment: { ...first.assignment, answer: 'reverted' } });
		under.pass(600);
		expect(under.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		expect(under.offers.filter(({ agentId }) => agentId !== first?.agentId)).toEqual([]);
	});
});
