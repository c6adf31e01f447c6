import { describe, expect, it } from 'vitest';
import { canary, minute, oneStep } from './testing/scenario.js';
import { applies, keepsSilent, RolloutWorld } from './testing/world.js';

describe('pace', () => {
	it('begins with one and doubles with what was applied', () => {
		const world = new RolloutWorld({ strategy: oneStep, maxInFlight: 50 });
		world.addAgents(40, { behaviour: keepsSilent });
		world.start();
		expect(world.offers.length).toBe(1);
		const answerAll = (): void => {
			for (const agent of world.agents.values()) if (agent.assignment?.answer === 'offered') applies(agent, world);
		};
		const offered: number[] = [];
		for (let turn = 0; turn < 5; turn += 1) {
			answerAll();
			world.pass(1);
			offered.push(world.offers.length);
		}
		expect(offered).toEqual([3, 7, 15, 31, 40]);
	});

	it('never has more in flight than asked for', () => {
		const world = new RolloutWorld({ strategy: canary([5, minute], [100, minute]), maxInFlight: 7 });
		world.addAgents(60, { behaviour: keepsSilent });
		world.start();
		for (let second = 0; second < 200; second += 1) {
			const inFlight = [...world.steps.values()].reduce((sum, { counters }) => sum + counters.inFlight, 0);
			expect(inFlight).toBeLessThanOrEqual(7);
			const [next] = world.agentsIn('Applying');
			if (next !== undefined && second % 2 === 0) applies(next, world);
			world.pass(1);
		}
	});

	it('dispatches again after 1, 2, 4, then every 5 s what no gateway wrote', () => {
		const world = new RolloutWorld({ strategy: oneStep });
		const agent = world.addAgent();
		world.ask('start');
		const at: number[] = [];
		for (let second = 0; second <= 23; second += 1) {
			let decision = world.tick();
			const dispatched = new Set(decision.dispatch);
			while (decision.nextWakeAtMs !== null && decision.nextWakeAtMs <= world.nowMs) {
				decision = world.tick();
				for (const agentId of decision.dispatch) dispatched.add(agentId);
			}
			if (dispatched.has(agent.agentId)) at.push(second);
			world.nowMs += 1_000;
		}
		expect(at).toEqual([0, 1, 3, 7, 12, 17, 22]);
	});
});
