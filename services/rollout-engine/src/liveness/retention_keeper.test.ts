import { systemClock } from '@ampora/runtime';
import type { LeaderLease } from '@ampora/store';
import { expect, test } from 'vitest';
import { RetentionKeeper } from './retention_keeper.js';

const lease: LeaderLease = { name: 'rollout-engine', holder: 'here', epoch: 3 };

/** A keeper whose store archives these numbers of agents, one after the other; 'away' throws. */
function keeping(answers: (number | 'away')[]) {
	const told: unknown[] = [];
	let nowMs = 0;
	const keeper = new RetentionKeeper({
		clock: { ...systemClock, monotonicMs: () => nowMs },
		retention: async () => ({ unseenMs: 7, goodbyeMs: 5 }),
		store: {
			async archiveAgents(given, retention, limit) {
				expect([given, retention, limit]).toEqual([lease, { unseenMs: 7, goodbyeMs: 5 }, 1_000]);
				const answer = answers.shift();
				if (answer === undefined) throw new Error('nobody should have looked');
				if (answer === 'away') throw new Error('the store is away');
				return answer;
			},
		},
		events: {
			agentsArchived: (agents) => told.push(agents),
			storeFailed: (error) => told.push(String(error)),
		},
	});
	return {
		told,
		async lookAt(ms: number) {
			nowMs = ms;
			keeper.look(lease);
			await keeper.idle();
		},
	};
}

test('a full batch is followed by the next at once, any other by a rest', async () => {
	const { told, lookAt } = keeping([1_000, 1_000, 3, 0]);
	for (const ms of [0, 1, 2, 3, 60_001, 60_002, 119_999]) await lookAt(ms);
	expect(told).toEqual([1_000, 1_000, 3]);
});

test('a store that is away is told of, and asked again', async () => {
	const { told, lookAt } = keeping(['away', 2]);
	for (const ms of [0, 59_999, 60_000]) await lookAt(ms);
	expect(told).toEqual(['Error: the store is away', 2]);
});
