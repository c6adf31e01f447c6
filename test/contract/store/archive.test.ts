import type { AgentId, GroupId } from '@ampora/runtime';
import type { ConnectedAgent, Retention } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleRollout } from './samples.js';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const hourMs = 3_600_000;
const retention: Retention = { unseenMs: 30 * 24 * hourMs, goodbyeMs: hourMs };
const description = {
	...{ identifying: {}, nonIdentifying: { env: 'prod' } },
	...{ agentType: 'a', agentVersion: '1.0.0', hostname: 'h' },
};

describe.each(adapters)('the archive on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const archive = (limit = 100) => stores.engine.archiveAgents(stage.leader, retention, limit);
	const archived = async ({ agentId }: ConnectedAgent) => (await stores.world.agent(agentId)).archived;
	/** Agents whose session ended that long ago. */
	const gone = async (count: number, how: 'goodbye' | 'lost' | 'drained', ms: number) => {
		const agents = await stage.connect(count);
		await leave(agents, how, ms);
		return agents;
	};
	const leave = async (agents: readonly ConnectedAgent[], how: 'goodbye' | 'lost' | 'drained', ms: number) => {
		await stage.flush(agents, () => ({ disconnected: how, description }));
		for (const { agentId } of agents) await stores.world.ageDisconnect(agentId, ms);
	};
	const back = async (agent: ConnectedAgent) => {
		const { instanceUid } = agent;
		const [again] = await stores.gateway.connectAgents(stage.lease, [{ instanceUid, transport: 'websocket' }]);
		if (again === undefined) throw new Error('nobody connected');
		return again;
	};
	/** Whom a rollout of the group that has not started sees, at any time. */
	const waiting = async (groupId: GroupId): Promise<() => Promise<readonly AgentId[]>> => {
		const rollout = sampleRollout(groupId, await stores.world.publish(newUid()));
		await stores.world.createRollout(rollout);
		return async () => {
			const { snapshot } = await stage.load(rollout.id);
			return snapshot.members.map(({ facts }) => facts.agentId).toSorted();
		};
	};

	test('takes whoever was away for long enough, by how the session ended, and nobody else', async () => {
		const connected = await stage.connectOne();
		const due = [...(await gone(1, 'goodbye', hourMs)), ...(await gone(1, 'lost', 30 * 24 * hourMs))];
		const kept = [
			...(await gone(1, 'goodbye', hourMs - 60_000)),
			...(await gone(1, 'lost', 29 * 24 * hourMs)),
			...(await gone(1, 'drained', 300 * 24 * hourMs)),
			connected,
		];
		expect(await archive()).toBe(2);
		expect(await Promise.all(due.map(archived))).toEqual([true, true]);
		expect(await Promise.all(kept.map(archived))).toEqual([false, false, false, false]);
		expect(await archive()).toBe(0);
		expect((await stores.world.audit()).filter(({ action }) => action === 'Agents.Archived')).toEqual([
			{ actor: 'ampora', action: 'Agents.Archived' },
		]);
	});

	test('takes at most as many as it is asked to, and the last of them later', async () => {
		const agents = [...(await gone(2, 'goodbye', 2 * hourMs)), ...(await gone(1, 'lost', 31 * 24 * hourMs))];
		expect([await archive(2), await archive(2), await archive(2)]).toEqual([2, 1, 0]);
		expect(await Promise.all(agents.map(archived))).toEqual([true, true, true]);
	});

	test('leaves targets to their rollout until it has ended (R7)', async () => {
		const agents = await stage.connect(2);
		const running = await stage.running(agents);
		await leave(agents, 'goodbye', 2 * hourMs);
		expect(await archive()).toBe(0);
		const { rollout } = (await stage.load(running.rolloutId)).snapshot;
		await stage.decide(running.rolloutId, {
			rollout: { ...rollout, state: 'Aborted', endedAtMs: rollout.createdAtMs + 1 },
		});
		expect(await archive()).toBe(2);
	});

	test('without the lease nobody is taken (R2)', async () => {
		const [agent] = await gone(1, 'goodbye', 2 * hourMs);
		const name = newUid();
		const old = await stores.engine.takeLease(name, 'old', 60_000);
		if (old === null || agent === undefined) throw new Error('a fresh lease was refused');
		await stores.world.expireLease(name);
		expect(await stores.engine.archiveAgents(old, retention, 100)).toBe(0);
		expect(await archived(agent)).toBe(false);
		await archive();
	});

	test('an archived agent counts nowhere and is a member of nothing; its next session brings it back as it was', async () => {
		const agent = await stage.connectOne();
		const running = await stage.running([agent]);
		await stage.admit(running, [agent]);
		const { rollout } = (await stage.load(running.rolloutId)).snapshot;
		await stage.decide(running.rolloutId, {
			rollout: { ...rollout, state: 'Aborted', endedAtMs: rollout.createdAtMs + 1 },
		});
		const { groupId } = running;
		const members = await waiting(groupId);
		expect(await members()).toEqual([agent.agentId]);
		const assignment = await stores.world.assignment(agent.agentId);
		const counted = async () => (await stores.engine.figures()).agents.reduce((sum, { count }) => sum + count, 0);
		await leave([agent], 'lost', 31 * 24 * hourMs);
		const before = await counted();

		expect(await archive()).toBe(1);
		expect(await counted()).toBe(before - 1);
		expect(await members()).toEqual([]);
		const subjects = () => stores.selectors.subjects([agent.agentId]);
		expect(await subjects()).toEqual([]);
		const seq = await stores.world.membershipSeq(groupId);
		const work = (await stores.selectors.selectorWork(1_000)).flatMap(({ workIds }) => workIds);
		await stores.selectors.writeSelection(stage.leader, { selections: [], workIds: work, sweep: null });

		const again = await back(agent);
		expect(await archived(agent)).toBe(false);
		expect(again).toMatchObject({ agentId: agent.agentId, isNew: false, described: true });
		expect(await members()).toEqual([agent.agentId]);
		expect(await stores.world.membershipSeq(groupId)).toBe(seq + 1);
		expect(await stores.world.assignment(agent.agentId)).toEqual(assignment);
		expect(await subjects()).toMatchObject([{ agentId: agent.agentId }]);
		expect(await stores.selectors.selectorWork(1_000)).toMatchObject([{ agentId: agent.agentId, changed: null }]);
		expect(await back(agent)).toMatchObject({ agentId: agent.agentId });
		expect(await stores.world.membershipSeq(groupId)).toBe(seq + 1);
	});

	test('a rollout has an archived agent neither at its start, nor when others come, but when it is back', async () => {
		const [one, two] = await gone(2, 'lost', 31 * 24 * hourMs);
		if (one === undefined || two === undefined) throw new Error('two agents should be gone');
		const groupId = await stores.world.createGroup();
		await stores.world.move([one.agentId, two.agentId], groupId);
		const members = await waiting(groupId);
		await archive();
		await back(two);
		expect(await members()).toEqual([two.agentId]);
		await back(one);
		expect(await members()).toEqual([one.agentId, two.agentId].toSorted());
	});

	test('a new uid of the same identity takes the place of an archived agent, which is back by that', async () => {
		await stores.world.identifyBy(['place']);
		const own = { ...description, nonIdentifying: { place: newUid() } };
		const old = await stage.connectOne();
		await stage.flush([old], () => ({ description: own }));
		await stage.flush([old], () => ({ disconnected: 'lost' }));
		await stores.world.ageDisconnect(old.agentId, 31 * 24 * hourMs);
		await archive();
		expect(await archived(old)).toBe(true);
		const request = { instanceUid: newUid(), transport: 'websocket' as const, description: own };
		const [heir] = await stores.gateway.connectAgents(stage.lease, [request]);
		expect(heir).toMatchObject({ agentId: old.agentId, placeOf: old.instanceUid });
		expect(await archived(old)).toBe(false);
		await stores.world.identifyBy([]);
	});

	test('one whose gateway was cut off all the time comes back with the session it had', async () => {
		const agent = await stage.connectOne();
		await stage.flush([agent], () => ({ description }));
		await leave([agent], 'lost', 31 * 24 * hourMs);
		await archive();
		expect(await archived(agent)).toBe(true);
		const { agentId, sessionEpoch } = agent;
		expect(await stores.gateway.readmitAgents(stage.lease, [{ agentId, sessionEpoch }])).toEqual({ refused: [] });
		expect(await archived(agent)).toBe(false);
		expect((await stores.selectors.selectorWork(1_000)).map((work) => work.agentId)).toContain(agentId);
	});
});
