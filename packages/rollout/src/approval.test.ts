import { describe, expect, it } from 'vitest';
import { voidedBy } from './approval.js';
import { outcomeOf } from './testing/scenario.js';
import { RolloutWorld } from './testing/world.js';

describe('a plan', () => {
	const untilMs = 10_000;
	const changes = (eligible: number, now: number, nowMs = 0) =>
		voidedBy({ eligible, untilMs }, { eligible: now, nowMs });

	it('holds while agents come, up to 10 and up to 10 %', () => {
		expect(changes(20, 30)).toEqual([]);
		expect(changes(1_000, 1_100)).toEqual([]);
		expect(changes(20, 31)).toHaveLength(1);
		expect(changes(1_000, 1_101)).toHaveLength(1);
		expect(changes(1_000, 10)).toEqual([]);
	});

	it('lapses', () => {
		expect(changes(5, 5, untilMs)).toEqual([]);
		expect(changes(5, 5, untilMs + 1)).toHaveLength(1);
	});

	it('that does not hold keeps a rollout from starting, unless on the grounds of now', () => {
		const world = new RolloutWorld({ approved: { eligible: 3, untilMs: Number.MAX_SAFE_INTEGER } });
		world.addAgents(20);
		const refused = world.ask('start');
		world.settle();
		expect(outcomeOf(world, refused)).toMatchObject({ accepted: false, code: 'plan-void' });
		expect(outcomeOf(world, refused)?.message).toContain('20 agents are to be pushed, 3 were');
		expect(world.offers).toEqual([]);
		world.ask('start', { replan: true });
		world.settle();
		expect(world.rollout.state).toBe('InProgress');
	});
});
