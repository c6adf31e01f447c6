import { expect, test } from 'vitest';
import { hostMonotonicMs } from '../support/fleet/ledger.js';
import { collectorConfig, offersOf, reconnectUntil, useStage } from './stage.js';

const newcomers = 8;
const stage = useStage({ agents: 3 * newcomers, seed: 9_402, attributes: { env: ['a', 'b'] } });
const patience = { timeout: 90_000 };

const windows = {
	'unhealthy-ratio': { window: '1s' },
	'disconnect-ratio': { window: '1s' },
	'effective-mismatch-ratio': { window: '1s' },
};
const group = (name: string) => stage().campaign.call('getGroup', { params: { group: name } });
const update = (name: string, body: object) => stage().campaign.call('updateGroup', { params: { group: name }, body });
const runs = async (from: number, to: number, version: string): Promise<number> => {
	const { fleet } = stage();
	const offers = await offersOf(fleet, version);
	return offers.filter(({ agent }) => agent >= from && agent < to).length;
};

test('newcomers are given the default; a bad one stops at the third and is handed to nobody else', async () => {
	const { campaign, fleet, uids } = stage();
	await campaign.call('updateSettings', { body: { gateDefaults: windows } });
	await campaign.call('createGroup', { body: { name: 'edge' } });
	const good = await campaign.publish('edge', collectorConfig('good'));
	// Nobody is in it yet: nothing that would have to be planned.
	expect(await update('edge', { defaultVersion: good })).toMatchObject({
		...{ planned: [], group: { defaultVersion: good, enrolment: { waiting: 0, stopped: null } } },
	});
	const agents = await uids(0, newcomers);
	await campaign.call('addGroupAgents', { params: { group: 'edge' }, body: { agents } });
	await expect
		.poll(async () => (await group('edge')).enrolment, patience)
		.toMatchObject({ waiting: 0, watched: 0, judged: newcomers });
	expect(await runs(0, newcomers, 'good')).toBe(newcomers);

	const bad = await campaign.publish('edge', collectorConfig('bad'));
	await fleet.rules([{ contains: 'debug/bad', outcome: { kind: 'failed', error: 'no such exporter' } }]);
	// All of them run something else: that waits for a person.
	const { planned, group: edge } = await update('edge', { defaultVersion: bad });
	expect([planned, edge.defaultVersion]).toMatchObject([[{ group: 'edge', version: bad, agents: newcomers }], good]);
	expect(await campaign.call('getRollout', { params: { rollout: planned[0]?.rollout ?? '' } })).toMatchObject({
		state: 'Pending',
	});
	await campaign.call('cancelRollout', { params: { rollout: planned[0]?.rollout ?? '' }, body: {} });

	await campaign.call('createGroup', { body: { name: 'hasty' } });
	await update('hasty', { defaultVersion: bad });
	await campaign.call('addGroupAgents', { params: { group: 'hasty' }, body: { agents: await uids(0, 2 * newcomers) } });
	const stopped = { why: '3 bad of the last 3, the last one: failed: no such exporter' };
	await expect.poll(async () => (await group('hasty')).enrolment, patience).toMatchObject({ stopped, judged: 3 });
	// Whoever reconnects is handed nothing either.
	await reconnectUntil(fleet, { from: 0, to: 3 * newcomers }, hostMonotonicMs() + 6_000);
	expect(await runs(0, 3 * newcomers, 'bad')).toBe(3);
	const { items } = await campaign.call('listAudit', { query: { entityType: 'group' } });
	expect(items.map(({ action }) => action)).toContain('Group.EnrolmentStopped');

	// A person names another default, and lets it go on.
	await update('hasty', { defaultVersion: '' });
	expect((await group('hasty')).enrolment).toBeNull();
	const shown = await update('hasty', { defaultVersion: good, acceptNoWayBack: true });
	const rollout = shown.planned[0]?.rollout ?? '';
	await campaign.call('startRollout', { params: { rollout }, body: {} });
	await campaign.until(rollout, ({ state }) => state === 'InProgress');
}, 180_000);

test('a selector that would change what many run is a rollout that waits for a person', async () => {
	const { campaign } = stage();
	await campaign.call('createGroup', {
		body: { name: 'late', selector: 'agent.attributes.env == "none"', priority: 5 },
	});
	const version = await campaign.publish('late', collectorConfig('late'));
	await update('late', { defaultVersion: version });
	const selector = 'agent.attributes.env in ["a", "b"]';
	const { planned } = await update('late', { selector, acceptNoWayBack: true });
	// The others are in groups that somebody chose.
	expect(planned).toMatchObject([{ group: 'late', version, agents: newcomers }]);
	await expect.poll(async () => (await group('late')).agents, patience).toBe(newcomers);
	expect(await group('late')).toMatchObject({ defaultVersion: version, enrolment: { waiting: 0, watched: 0 } });
	expect(await runs(0, 3 * newcomers, 'late')).toBe(0);
	const rollout = planned[0]?.rollout ?? '';
	await campaign.call('startRollout', { params: { rollout }, body: {} });
	await expect.poll(() => runs(0, 3 * newcomers, 'late'), patience).toBeGreaterThan(0);
}, 120_000);
