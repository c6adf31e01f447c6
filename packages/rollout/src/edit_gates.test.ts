import { describe, expect, it } from 'vitest';
import { canary, minute, outcomeOf, until } from './testing/scenario.js';
import { applies, type Behaviour, fails, RolloutWorld } from './testing/world.js';

const someFail: Behaviour = (agent, world) => (world.targetOf(agent).rank === 0 ? fails : applies)(agent, world);

function started(): RolloutWorld {
	const world = new RolloutWorld({ strategy: canary([50, 5 * minute], [100, minute]), onAgentFailure: 'leave' });
	world.addAgents(20, { behaviour: someFail });
	world.start();
	world.passUntil(({ steps }) => steps.get(0)?.phase === 'dwelling');
	return world;
}

describe('edit-gates', () => {
	it('makes a gate tighter at any time, and what it then forbids stops the rollout at once', () => {
		const world = started();
		expect(world.rollout.state).toBe('InProgress');
		const id = world.ask('edit-gates', { gates: { 'apply-failed-ratio': { thresholdPercent: 5 } } });
		world.settle();
		expect(outcomeOf(world, id)).toMatchObject({ accepted: true });
		expect(world.rollout.spec.gates['apply-failed-ratio'].thresholdPercent).toBe(5);
		expect(world.rollout).toMatchObject({ state: 'Paused', pauseReasons: ['gate'] });
		const edited = world.decisions.flatMap(({ events }) => events).find(({ kind }) => kind === 'gates-edited');
		expect(edited).toMatchObject({ changes: ['apply-failed-ratio: 20 % → 5 %'] });
	});

	it.each([
		['threshold', { thresholdPercent: 40 }, 'apply-failed-ratio of 40 % is looser than 20'],
		['minSample', { minSample: 30 }, 'apply-failed-ratio of 30 agents before it judges is looser than 0'],
	])('makes a gate looser by its %s only while paused', (_, change, why) => {
		const world = started();
		const refused = world.ask('edit-gates', { gates: { 'apply-failed-ratio': change } });
		world.settle();
		expect(outcomeOf(world, refused)).toMatchObject({ accepted: false, code: 'looser-gate' });
		expect(outcomeOf(world, refused)?.message).toContain(why);
		world.ask('pause');
		until(world, 'Paused', 5);
		const accepted = world.ask('edit-gates', { gates: { 'apply-failed-ratio': change } });
		world.settle();
		expect(outcomeOf(world, accepted)).toMatchObject({ accepted: true });
		expect(world.rollout.spec.gates['apply-failed-ratio']).toMatchObject(change);
	});

	it('is refused without a gate, with one that cannot be, and after the end', () => {
		const world = started();
		const nothing = world.ask('edit-gates');
		world.settle();
		const wrong = world.ask('edit-gates', { gates: { 'disconnect-ratio': { thresholdPercent: -1 } } });
		world.settle();
		world.ask('abort');
		world.settle();
		const late = world.ask('edit-gates', { gates: { 'disconnect-ratio': { thresholdPercent: 1 } } });
		world.settle();
		for (const id of [nothing, wrong, late]) {
			expect(outcomeOf(world, id)).toMatchObject({ accepted: false, code: 'not-allowed' });
		}
	});
});
