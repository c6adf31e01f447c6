import type { RolloutId } from '@ampora/runtime';
import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import type { Snapshot } from './decision.js';
import { inItsPlace, keepingItsPlace, notStarting, successorIn } from './succession.js';
import { idleEnvironment, RolloutWorld, rolloutId } from './testing/world.js';

const next = 'rollout-2' as RolloutId;

function older(): Snapshot {
	const world = new RolloutWorld();
	world.addAgents(4);
	world.start();
	world.ask('supersede', { successor: next });
	return world.snapshot();
}

function successor(provenVersion: null | undefined): Snapshot {
	const world = new RolloutWorld();
	world.addAgents(4, provenVersion === null ? { provenVersion } : {});
	world.rollout = { ...world.rollout, id: next, state: 'Queued', supersedes: rolloutId };
	world.environment = { ...idleEnvironment, busyWith: rolloutId, superseded: 'InProgress' };
	return world.snapshot();
}

describe('a rollout that is asked to give way', () => {
	it('does to one that starts in the same moment', () => {
		const gives = decide(older());
		expect(gives.rollout.state).toBe('Superseded');
		expect(successorIn(older(), gives)).toBe(next);
		const takes = decide(inItsPlace(successor(undefined), gives));
		expect(takes.rollout.state).toBe('InProgress');
		expect(notStarting(takes)).toBeNull();
	});

	it('goes on where that one cannot start, and says why', () => {
		const takes = decide(inItsPlace(successor(null), decide(older())));
		expect(takes.rollout.state).toBe('Rejected');
		const why = notStarting(takes);
		expect(why).toContain('4 of 4 agents never proved a version');
		const keeps = decide(keepingItsPlace(older(), next, why ?? ''));
		expect(keeps.rollout.state).toBe('InProgress');
		expect(keeps.outcomes.at(-1)).toMatchObject({ accepted: false, code: 'successor-refused' });
		expect(successorIn(older(), keeps)).toBeNull();
	});
});
