// Agents that come back under another uid in the middle of a rollout, over real gateways and engines. The story is told once with agents
// known by their uids alone, and has to go wrong then.
import { expect, test } from 'vitest';
import { displaced, expectNothing, handedAgain, type Place } from '../support/judgements.js';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, hashesOf, offersOf, useStage } from './stage.js';

const lanes = ['uid', 'attributes'] as const;
type Lane = (typeof lanes)[number];
const perLane = 10;
const perStep = 4;
/** Every agent of a lane, by its place in the order of hostnames. */
const agentOf = (lane: Lane, place: number): number => place * lanes.length + lanes.indexOf(lane);
const stage = useStage({
	...{ agents: perLane * lanes.length, gateways: 2, engines: 2, seed: 71 },
	attributes: { lane: [...lanes] },
});
const patience = { timeout: 30_000 };

const uidsOf = async (agents: readonly number[]) =>
	(await stage().fleet.agents(agents)).map(({ instanceUid }) => instanceUid);

const members = async (lane: Lane) =>
	(await stage().campaign.call('listAgents', { query: { group: lane, connected: 'true', limit: 500 } })).items.map(
		({ instanceUid }) => instanceUid,
	);

async function placesIn(rollout: string, agents: readonly number[]): Promise<Place[]> {
	const targets = new Map((await stage().campaign.targets(rollout)).map((target) => [target.instanceUid, target.rank]));
	const uids = await uidsOf(agents);
	return agents.map((agent, at) => ({ agent, rank: targets.get(uids[at] ?? '') ?? null }));
}

/** What goes wrong when four agents come back under other uids while the second step is waited for. */
async function comesBack(lane: Lane): Promise<{ displaced: string[]; handedAgain: string[] }> {
	const { fleet, campaign } = stage();
	await campaign.call('createGroup', { body: { name: lane, selector: `agent.attributes.lane == "${lane}"` } });
	await expect.poll(() => members(lane), patience).toHaveLength(perLane);
	await campaign.baseline(lane, await campaign.publish(lane, collectorConfig(`${lane}-v1`)));
	const version = await campaign.publish(lane, collectorConfig(`${lane}-v2`));
	const failing = agentOf(lane, 1);
	const outcome = { kind: 'failed', error: 'no such exporter' } as const;
	await fleet.rules([{ contains: `debug/${lane}-v2`, agents: [failing, failing + 1], outcome }]);
	const rollout = await campaign.start({
		...{
			group: lane,
			version,
			order: 'hostname',
			maxInFlight: 'unlimited',
			bake: '1s',
			maxDeferred: '100 %',
			coverage: '1 %',
		},
		strategy: { kind: 'batch', batchSize: perStep, advance: 'manual' },
		gates: { ...shortWindows('1s'), 'apply-failed-ratio': { threshold: '60 %' } },
	});
	await campaign.until(rollout, ({ states }) => states.Applied === perStep - 1 && states.Failed === 1);
	const [v1 = ''] = await hashesOf(fleet, `${lane}-v1`);
	await expect.poll(async () => (await fleet.agents([failing]))[0]?.running, patience).toBe(v1);

	// One that has the version, one on which it failed, and two whose steps are still to come.
	const some = [0, 1, perStep, perLane - 1].map((place) => agentOf(lane, place));
	const before = await placesIn(rollout, some);
	await fleet.restart(some, 500, true);
	const uids = await uidsOf(some);
	await expect.poll(() => members(lane), patience).toEqual(expect.arrayContaining(uids));
	const after = await placesIn(rollout, some);

	for (let ended = false; !ended; ) {
		const waiting = ({ endedAt, waitsFor }: { endedAt: string | null; waitsFor: string | null }) =>
			endedAt !== null || waitsFor !== null;
		const seen = await campaign.until(rollout, waiting, 120_000);
		ended = seen.endedAt !== null;
		if (!ended) await campaign.call('advanceRollout', { params: { rollout }, body: {} });
	}
	expect((await campaign.get(rollout)).state, await campaign.story(rollout)).toBe('Completed');
	return { displaced: displaced(before, after), handedAgain: handedAgain(await offersOf(fleet, `${lane}-v2`)) };
}

test('known by their uids alone, they lose their places and are handed again what failed', async () => {
	const wrong = await comesBack('uid');
	expect(wrong.displaced).toHaveLength(4);
	expect(wrong.handedAgain).toEqual([`agent ${agentOf('uid', 1)} was handed it again`]);
}, 240_000);

test('known by their attributes, they keep their places, and what failed is not handed to them again', async () => {
	const { campaign } = stage();
	await campaign.call('updateSettings', { body: { agentIdentity: { attributes: ['service.name', 'host.name'] } } });
	const settling = async () => (await campaign.call('getSettings')).agentIdentity.settling;
	await expect.poll(settling, patience).toBe(false);
	const first = agentOf('attributes', 0);
	const [before = ''] = await uidsOf([first]);
	const wrong = await comesBack('attributes');
	expectNothing(wrong.displaced);
	expectNothing(wrong.handedAgain);
	const [after = ''] = await uidsOf([first]);
	const shown = await campaign.call('getAgent', { params: { agent: after } });
	expect(shown).toMatchObject({ instanceUid: after, earlierUids: [before], group: 'attributes', answer: 'applied' });
	const { items } = await campaign.call('listAudit', { query: { entityType: 'agent' } });
	expect(items.filter(({ action }) => action === 'Agent.PlaceTaken')).toHaveLength(4);
}, 240_000);
