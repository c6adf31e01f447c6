import type { RolloutAnswer } from '@ampora/api-contract';
import { expect, test } from 'vitest';
import { agentsText, bar, countsOf, dwellText, nowText, tookNobodyBack, updatedText } from './rollout_text.js';

const none: RolloutAnswer['states'] = {
	Pending: 0,
	Applying: 0,
	Applied: 0,
	Failed: 0,
	Reverted: 0,
	TimedOut: 0,
	Disconnected: 0,
	Deferred: 0,
	Skipped: 0,
	AlreadyApplied: 0,
	RolledBack: 0,
};

test('a bar shows what ended well, what was taken back, what went wrong and what is under way', () => {
	const width = 10;
	const at = (states: Partial<RolloutAnswer['states']>) => bar({ agents: 10, states: { ...none, ...states } }, width);
	expect(at({})).toBe('░░░░░░░░░░');
	expect(at({ Applied: 3, AlreadyApplied: 1, Failed: 2, Applying: 1, Pending: 3 })).toBe('████××▒░░░');
	expect(at({ Applied: 4, RolledBack: 6 })).toBe('████<<<<<<');
	expect(bar({ agents: 400, states: { ...none, Applied: 398, Failed: 1, Applying: 1 } }, width)).toBe('█████████×');
	expect(bar({ agents: null, states: null }, width)).toBe('··········');
});

test('counts turn round when agents are taken back', () => {
	expect(countsOf({ agents: null, states: null })).toBe('');
	expect(countsOf({ agents: 15, states: { ...none, Applied: 8, Failed: 4 } })).toBe('8/15');
	expect(countsOf({ agents: 15, states: { ...none, Applied: 6, RolledBack: 9 } })).toBe('9/15 back');
});

test('a dwell shows how much of it has passed, extensions included', () => {
	const step = { phase: 'dwelling', dweltMs: 20_400, dwellMs: 300_000, extendedMs: 0 } as const;
	expect(dwellText(step)).toBe('dwelling 20s of 5m');
	expect(dwellText({ ...step, extendedMs: 60_000 })).toBe('dwelling 20s of 6m');
	expect(dwellText({ ...step, dwellMs: 0 })).toBe('dwelling 20s');
	expect(dwellText({ ...step, phase: 'pushing' })).toBe('');
});

test('in a rollback agents that still run the version are no success', () => {
	const back = { todo: 0, inFlight: 0, confirmed: 0, listed: 40 };
	const rollout = { state: 'RolledBack', back, updated: 40, started: 40, total: 40 } as const;
	expect(updatedText(rollout)).toBe('0/40 back');
	expect(agentsText(rollout)).toBe('0/40 back; 40 of 40 run the version');
	expect(tookNobodyBack(rollout)).toBe(true);
	expect(tookNobodyBack({ ...rollout, back: { ...back, confirmed: 1, listed: 39 } })).toBe(false);
	expect(updatedText({ ...rollout, state: 'Completed' })).toBe('40/40');
});

test('what it waits for, and how long still', () => {
	const dwelling = { number: 1, phase: 'dwelling', dwellMs: 600_000, extendedMs: 60_000, dweltMs: 95_000 };
	const rollout = {
		...{ state: 'InProgress', baking: false, bakedMs: 0, closed: null, spec: { bakeMs: 300_000 } },
		...{ step: { number: 1, of: 2, name: null }, steps: [dwelling] },
	} as unknown as RolloutAnswer;
	const told = (change: Partial<RolloutAnswer>) => {
		const { what, left } = nowText({ ...rollout, ...change });
		return what + left;
	};
	expect(told({})).toBe('dwelling, 9m25s left');
	expect(told({ baking: true, bakedMs: 60_000 })).toBe('baking, 4m left');
	const closed = { why: 'in the freeze "holidays"', until: '2026-01-02T00:00:00Z' };
	expect(told({ state: 'Paused', closed })).toBe('in the freeze "holidays"; goes on 2026-01-02 00:00:00');
	expect(told({ state: 'Completed' })).toBe('');
});
