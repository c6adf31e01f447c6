import { type AgentFacts, forecast, type Member, resolveSpec } from '@ampora/rollout';
import type { AgentId, VersionId } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { risksOf } from './plan_risks.js';

const versionId = 'version-2' as VersionId;

function members(count: number, change: Partial<AgentFacts>): readonly Member[] {
	return Array.from({ length: count }, (_, index) => {
		const agentId = `agent-${index}` as AgentId;
		const facts: AgentFacts = {
			...{ agentId, inGroup: true, session: 'live', sessionEpoch: 1, healthy: true, healthFlips: 0, restarts: 0 },
			reports: { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true },
			...{ provenVersion: 'version-1' as VersionId, quarantined: false, assignment: null, ...change },
		};
		return { facts, key: agentId, hostname: agentId, lastSeenMs: 0 };
	});
}

function gatesRisk(count: number, change: Partial<AgentFacts> = {}) {
	const strategy = { kind: 'canary', steps: [{ size: { kind: 'percent', value: 100 }, dwellMs: 60_000 }] } as const;
	const spec = resolveSpec({ seed: 'risks', strategy });
	const found = {
		...{
			foreseen: forecast({ versionId, spec }, members(count, change)),
			differences: [],
			management: [],
			lacking: [],
		},
		...{ incompatible: 0, unknown: 0, protectedGroup: false, calendar: { windows: [], freezes: [] }, fromMs: 0 },
	};
	return risksOf(found).find(({ risk }) => risk === 'gates-advisory');
}

test('gates that judge nobody are no risk', () => {
	expect(gatesRisk(20)).toBeUndefined();
	const reports = { remoteConfig: true, configStatus: true, effectiveConfig: true, health: false };
	expect(gatesRisk(20, { reports, healthy: null })).toBeUndefined();
});

test('gates that too few agents could fire are one, and larger steps help', () => {
	const risk = gatesRisk(1);
	expect(risk?.message).toContain('disconnect-ratio in step 1');
	expect(risk?.action).toMatch(/^Make the steps larger/);
});

test('a gate that cannot pass is one, and what helps is something else', () => {
	const risk = gatesRisk(20, { healthy: false });
	expect(risk?.message).toBe(
		'gates that cannot fire: unhealthy-ratio in step 1 (cannot pass: every agent was sick before; it will pause)',
	);
	expect(risk?.action).toMatch(/^Mend agents before/);
});
