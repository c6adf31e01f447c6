import type { AgentId } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { factsOf, reportsOf, sessionOf, unheardMs } from './rollout_rows.js';

test('what is concluded about an agent whose session is not live', () => {
	const session = (reason: Parameters<typeof sessionOf>[2], goneMs: number) => sessionOf(false, false, reason, goneMs);
	expect(sessionOf(true, true, null, 0)).toBe('live');
	expect(sessionOf(true, false, null, 0)).toBe('unheard');
	expect(session('goodbye', 0)).toBe('goodbye');
	expect(session('lost', 0)).toBe('lost');
	for (const reason of ['gateway-lost', 'drained'] as const) {
		expect(session(reason, unheardMs - 1)).toBe('unheard');
		expect(session(reason, unheardMs)).toBe('lost');
	}
});

test('capabilities say what an agent can tell', () => {
	expect(reportsOf(0)).toEqual({ remoteConfig: false, configStatus: false, effectiveConfig: false, health: false });
	expect(reportsOf(0x2)).toMatchObject({ remoteConfig: true, configStatus: false });
	expect(reportsOf(0x4)).toMatchObject({ effectiveConfig: true, health: false });
	expect(reportsOf(0x800)).toMatchObject({ health: true });
	expect(reportsOf(0x1000)).toMatchObject({ configStatus: true, remoteConfig: false });
});

test('an agent that does not exist any more says nothing', () => {
	const nothing = [false, false, null, null, null, null, null, null, null, null, false] as const;
	const facts = factsOf('gone' as AgentId, [...nothing, null, null, null, null, null, null, null, null, null, null]);
	expect(facts).toMatchObject({ inGroup: false, session: 'lost', healthy: null, assignment: null });
});
