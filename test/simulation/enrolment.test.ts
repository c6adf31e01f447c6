// Agents that come to a group with a default, through everything that dies meanwhile. The scenarios are run once more with an enrolment
// gate that forgets, and have to fail then.
import { type RolloutSpec, resolveSpec } from '@ampora/rollout';
import { createMembership } from '@ampora/rollout-engine';
import type { AgentId, GroupId } from '@ampora/runtime';
import { type Flaws, memoryWorld } from '@ampora/store/testing';
import { expect, test } from 'vitest';
import type { Outcome } from '../support/fleet/outcome.js';
import { expectNothing, handedAgain } from '../support/judgements.js';
import { calmSpec, Directed } from './directed.js';
import { silentEngineTelemetry } from './world/silent.js';

const newcomers = 30;
const fails: Outcome = { kind: 'failed', error: 'no such exporter' };
const rules: RolloutSpec = resolveSpec({ seed: 'enrolment', gates: calmSpec.gates, maxInFlight: 5 });

/** All of the first group come to the second one, whose default is the new version. */
async function relabelled(outcome: (index: number) => Outcome, flaws?: Flaws) {
	const on = await Directed.set({ agents: newcomers + 1, secondGroup: 1, outcome, ...(flaws && { flaws }) });
	const { servers, engines, groups, versions } = on.world;
	if (!groups || !versions) throw new Error('the world was not prepared');
	const rows = memoryWorld(servers.state);
	for (const { process } of engines) {
		const keeper = createMembership(
			{
				store: servers.membershipStore(process),
				rules: { calendarOf: async () => ({ windows: [], freezes: [] }), spec: async () => rules },
				clock: process.clock,
				telemetry: silentEngineTelemetry({ rolloutFailed: () => {} }),
			},
			{ leaseTtlMs: 3_000 },
		);
		keeper.start();
	}
	const [, group] = groups;
	await rows.setDefault(group, versions.new[0]);
	const ids = Array.from({ length: newcomers }, (_, index) => on.agentId(index));
	await rows.move(ids, group);
	await rows.awaitDefault(ids);
	return { on, group, ids };
}

const enrolmentOf = (on: Directed, group: GroupId) => on.world.servers.state.groups.get(group)?.enrolment ?? null;
const runs = (on: Directed, ids: readonly AgentId[]): number =>
	ids.filter((id) => on.world.servers.state.assignments.get(id)?.answer === 'applied').length;

/** Never more than `most` of them are handed it. */
async function stopsAtTheThird(flaws?: Flaws): Promise<void> {
	const { on, group, ids } = await relabelled(() => fails, flaws);
	await on.until(
		'it has stopped',
		() => enrolmentOf(on, group)?.stopped !== null || on.handed('new version').length > 5,
		300,
	);
	await on.world.runFor(60_000);
	expect(on.handed('new version').map(({ agent }) => agent)).toHaveLength(3);
	expect(enrolmentOf(on, group)?.stopped?.why).toContain('3 bad of the last');
	// Everybody else keeps what they run.
	expect(runs(on, ids)).toBe(newcomers - 3);
}

test('a default that breaks agents stops at the third, and everybody else keeps what they run', () =>
	stopsAtTheThird());

test('it does not with a gate that forgets', () =>
	expect(stopsAtTheThird({ forgetVerdicts: true })).rejects.toThrow(/to have a length of 3/));

test('a gateway and the leader that die meanwhile cost nobody anything: all come, each is handed it once', async () => {
	const { on, group, ids } = await relabelled(() => ({ kind: 'instant' }));
	const { servers, gateways, engines } = on.world;
	await on.until('some have come', () => (enrolmentOf(on, group)?.verdicts.length ?? 0) >= 4, 300);
	on.world.expectExceptions();
	gateways[0]?.process.kill();
	await on.world.runFor(10_000);
	const leading = servers.state.leases.get('group-membership')?.holder;
	engines.find(({ process }) => leading !== undefined && process.alive)?.process.kill();
	await on.until(
		'all have come',
		() => ids.every((id) => servers.state.agents.get(id)?.enrolmentDueAtMs === null),
		900,
	);
	expect(enrolmentOf(on, group)?.stopped).toBeNull();
	expect(runs(on, ids)).toBe(newcomers);
	expectNothing(handedAgain(on.handed('new version')));
}, 60_000);
