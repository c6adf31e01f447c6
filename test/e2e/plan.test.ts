// From an edit of a configuration to agents that got it as foreseen: findings, diff, plan, start.
import { expect, test } from 'vitest';
import { shortWindows } from '../support/stack/campaign.js';
import { collectorConfig, useStage } from './stage.js';

const agents = 60;
const stage = useStage({ agents, gateways: 2, engines: 2, seed: 41 });

const dwell = '1s';
const how = {
	strategy: { kind: 'canary' as const, steps: ['10 %', '50 %', '100 %'].map((size) => ({ size, dwell })) },
	gates: shortWindows(dwell),
	bake: dwell,
	maxInFlight: 'unlimited' as const,
};

test('what is planned is what happens, agent by agent; a plan that no longer holds starts nothing', async () => {
	const { campaign, fleet, uids } = stage();
	await campaign.group('shops', await uids(0, 40));
	const v1 = await campaign.publish('shops', collectorConfig('v1'));
	await campaign.baseline('shops', v1);

	const edited = collectorConfig('v1').replace('verbosity: basic', 'verbosity: normal');
	const typo = await campaign.call('validateFiles', { body: { yaml: edited.replace('[batch]', '[bacth]') } });
	expect(typo.findings).toMatchObject([
		{ code: 'unused-component' },
		{ code: 'undefined-component', severity: 'error' },
	]);
	expect((await campaign.call('validateFiles', { body: { yaml: edited } })).publishable).toBe(true);

	const v2 = await campaign.publish('shops', edited);
	const comparison = await campaign.call('compareVersions', {
		params: { configuration: 'shops', number: 2 },
		query: {},
	});
	expect(comparison.edits).toMatchObject([
		{ op: 'change', path: 'exporters.debug/v1.verbosity', before: '"basic"', after: '"normal"', pipelines: ['traces'] },
	]);

	const asked = { group: 'shops', version: v2 };
	const plan = await campaign.call('planRollout', { body: { ...asked, ...how } });
	expect(plan).toMatchObject({ eligible: 40, noWayBack: 0, steps: [{ agents: 4 }, { agents: 16 }, { agents: 20 }] });
	expect(plan.comparison?.edits).toEqual(comparison.edits);

	await campaign.call('addGroupAgents', { params: { group: 'shops' }, body: { agents: await uids(40, 55) } });
	const refused = await campaign.client.call('createRollout', { body: { ...asked, plan: plan.id } });
	expect(refused).toMatchObject({ ok: false, error: { status: 409, body: { code: 'plan-void' } } });
	await campaign.call('removeGroupAgents', { params: { group: 'shops' }, body: { agents: await uids(40, 55) } });

	const id = await campaign.start({ ...asked, plan: plan.id });
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done.state, await campaign.story(id)).toBe('Completed');
	const foreseen = (await campaign.call('listPlanAgents', { params: { plan: plan.id }, query: { limit: 500 } })).items;
	const pushed = await campaign.targets(id);
	expect(pushed.map(({ agent, step }) => [agent, step])).toEqual(foreseen.map((agent) => [agent.id, agent.step]));
	expect(fleet.stats.violations).toEqual([]);
});

test('replan goes ahead on the grounds of now', async () => {
	const { campaign, uids } = stage();
	const v3 = await campaign.publish('shops', collectorConfig('v3'));
	const plan = await campaign.call('planRollout', {
		body: { group: 'shops', version: v3, ...how, acceptNoWayBack: true },
	});
	await campaign.call('addGroupAgents', { params: { group: 'shops' }, body: { agents: await uids(40, 60) } });
	const id = await campaign.start({ group: 'shops', version: v3, plan: plan.id, replan: true });
	const done = await campaign.until(id, ({ endedAt }) => endedAt !== null);
	expect(done).toMatchObject({ state: 'Completed', states: { Applied: agents } });
});
