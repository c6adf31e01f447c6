import { TestAgent, TestSocket } from '@ampora/gateway/testing';
import { expect, test } from 'vitest';
import { collectorConfig, useStage } from './stage.js';

const stage = useStage({ agents: 0, seed: 7_301 });

const text = (key: string, value: string) => ({ key, value: { kind: 'string', value } as const });
const saying = (env: string, version = '0.110.0') => ({
	report: {
		agentDescription: {
			identifying: [text('service.name', 'otelcol'), text('service.version', version)],
			nonIdentifying: [text('env', env)],
		},
	},
});

async function connected(env: string, version?: string): Promise<TestAgent> {
	const { stack } = stage();
	const headers = { authorization: `Bearer ${stack.tokens.enrollment}` };
	const agent = new TestAgent(await TestSocket.open(stack.opampUrl, { headers }));
	await agent.say(saying(env, version));
	return agent;
}

const patience = { timeout: 20_000 };
const groupOf = async (agent: TestAgent) => {
	const { items } = await stage().campaign.call('listAgents', { query: { search: agent.uid } });
	return items[0]?.group;
};
const isIn = (agent: TestAgent, group: string) => expect.poll(() => groupOf(agent), patience).toBe(group);

test('an agent is in the dynamic group that its attributes say, and moves when they change', async () => {
	const { campaign } = stage();
	await campaign.call('createGroup', { body: { name: 'prod', selector: 'agent.attributes.env == "prod"' } });
	const agent = await connected('prod');
	await isIn(agent, 'prod');
	await agent.say(saying('test'));
	await isIn(agent, 'ungrouped');

	// A selector that begins to match takes whoever is there already.
	await campaign.call('createGroup', { body: { name: 'test', selector: 'agent.attributes.env == "test"' } });
	await isIn(agent, 'test');
	// The same agents, a higher priority.
	const old = { name: 'old', selector: 'agent.version < semver("0.111.0")', priority: 5 };
	await campaign.call('createGroup', { body: old });
	await isIn(agent, 'old');
	const shown = await campaign.call('getGroup', { params: { group: 'old' } });
	expect(shown.findings).toMatchObject([{ code: 'selector-overlap', agents: 1 }]);
	await campaign.call('updateGroup', { params: { group: 'old' }, body: { priority: -1 } });
	await isIn(agent, 'test');

	// What somebody chose stands.
	await campaign.group('chosen', [agent.uid]);
	await agent.say(saying('prod'));
	const later = await connected('prod');
	await isIn(later, 'prod');
	await isIn(agent, 'chosen');
	await campaign.call('removeGroupAgents', { params: { group: 'chosen' }, body: { agents: [agent.uid] } });
	await isIn(agent, 'prod');
	await Promise.all([agent.socket.close(), later.socket.close()]);
}, 60_000);

test('an agent for which a selector errors stays where it is, and the group says so', async () => {
	const { campaign } = stage();
	const agent = await connected('prod', 'no version');
	await isIn(agent, 'prod');
	const body = { name: 'errs', selector: 'agent.version > semver("0.1.0")', priority: 10 };
	await campaign.call('createGroup', { body });
	const shown = () => campaign.call('getGroup', { params: { group: 'errs' } });
	const finding = expect.objectContaining({ code: 'selector-error', agents: expect.any(Number) });
	await expect.poll(shown, patience).toMatchObject({ settling: false, findings: expect.arrayContaining([finding]) });
	await isIn(agent, 'prod');
	await agent.socket.close();
}, 60_000);

test('whom a selector takes out of a group before the push is skipped by its rollout', async () => {
	const { campaign } = stage();
	await campaign.call('createGroup', {
		body: { name: 'going', selector: 'agent.attributes.env == "going"', priority: 20 },
	});
	const agents = await Promise.all([connected('going'), connected('going')]);
	for (const agent of agents) await isIn(agent, 'going');
	const rollout = await campaign.start({
		group: 'going',
		version: await campaign.publish('going', collectorConfig('v1')),
		strategy: { kind: 'batch', batchSize: 1, advance: 'manual' },
		acceptNoWayBack: true,
	});
	// The first one is pushed and never answers; the other waits for its step.
	const targets = () => campaign.targets(rollout);
	await campaign.until(rollout, ({ started }) => started === 1);
	const waiting = (await targets()).find(({ state }) => state === 'Pending');
	const leaving = agents.find(({ uid }) => uid === waiting?.instanceUid);
	if (!waiting || !leaving) throw new Error('nobody waits');
	await leaving.say(saying('elsewhere'));
	const left = expect.objectContaining({ agent: waiting.agent, state: 'Skipped', reason: 'left-group' });
	await expect.poll(targets, patience).toEqual(expect.arrayContaining([left]));
	await Promise.all(agents.map(({ socket }) => socket.close()));
}, 60_000);
