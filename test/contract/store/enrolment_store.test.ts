import { decideEnrolment, type EnrolmentDecision, resolveSpec } from '@ampora/rollout';
import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import { type ConnectedAgent, ungroupedGroupId } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters, ended, newUid, Stage, type Stores } from './stage.js';

const limits = { watched: 100, waiting: 100 };
const calendar = { windows: [], freezes: [] };
const rules = { spec: resolveSpec({ seed: 'enrolment', maxInFlight: 2 }), calendar };
const nothing = { enrolled: [], dropped: [], settled: [], assignments: [], withdraw: [], quarantine: [], fired: false };

describe.each(adapters)('enrolment store on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const idsOf = (agents: readonly ConnectedAgent[]) => agents.map(({ agentId }) => agentId);
	const load = async (groupId: GroupId) => {
		const loaded = await stores.enrolments.loadEnrolment(groupId, limits);
		if (loaded === null) throw new Error('the group is not there');
		return loaded;
	};
	/** One look, as the keeper does it. */
	const look = async (groupId: GroupId) => {
		const loaded = await load(groupId);
		const decision = decideEnrolment({ ...loaded, ...rules });
		return {
			loaded,
			decision,
			outcome: await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, { decision, calendar }),
		};
	};
	const commit = async (groupId: GroupId, change: Partial<EnrolmentDecision>, lease = stage.leader) => {
		const loaded = await load(groupId);
		return stores.enrolments.commitEnrolment(lease, groupId, loaded, {
			decision: { ...nothing, state: loaded.state, ...change },
			calendar,
		});
	};

	/** A dynamic group with a default, and agents that came to it by its selector. */
	async function settled(count: number): Promise<Settled> {
		const versionId = await stores.world.publish(newUid());
		const groupId = await stores.world.createGroup();
		await stores.world.setSelector(groupId, 'true', 1);
		await stores.world.setDefault(groupId, versionId);
		const agents = await stage.connect(count);
		await moved(agents, groupId);
		return { groupId, versionId, agents };
	}
	const moved = (agents: readonly ConnectedAgent[], moveTo: GroupId, foundIn: GroupId = ungroupedGroupId) =>
		stores.selectors.writeSelection(stage.leader, {
			selections: agents.map(({ agentId }) => ({ agentId, foundIn, moveTo, standing: null })),
			workIds: [],
			sweep: null,
		});

	test('whoever comes to a group with a default waits for it; whoever leaves for one without does not', async () => {
		const { groupId, agents } = await settled(3);
		const ids = idsOf(agents);
		expect(await stores.world.awaitingDefault(ids)).toHaveLength(3);
		expect(await stores.enrolments.enrolmentGroups(1_000)).toContain(groupId);
		const loaded = await load(groupId);
		expect(loaded).toMatchObject({ published: true, members: 3, busyWith: null, watched: [], seq: 0 });
		expect(loaded.waiting.map(({ facts }) => facts.agentId).toSorted()).toEqual(ids.toSorted());
		await moved(agents, ungroupedGroupId, groupId);
		expect(await stores.world.awaitingDefault(ids)).toEqual([]);
		expect(await stores.enrolments.enrolmentGroups(1_000)).not.toContain(groupId);
	});

	test('whom a sweep moves that is left to a planned rollout does not wait', async () => {
		const groupId = await stores.world.createGroup();
		await stores.world.setDefault(groupId, await stores.world.publish(newUid()), true);
		await stores.world.setSelector(groupId, 'true', 1);
		const agents = await stage.connect(2);
		const selections = agents.map(({ agentId }) => ({
			...{ agentId, foundIn: ungroupedGroupId, moveTo: groupId, standing: null },
		}));
		const sweep = { groupId, seq: 1, after: null };
		await stores.selectors.writeSelection(stage.leader, { selections, workIds: [], sweep });
		expect(await stores.world.membership(idsOf(agents)[0] as AgentId)).toBe(groupId);
		expect(await stores.world.awaitingDefault(idsOf(agents))).toEqual([]);
	});

	test('nor does whom another look moves before that sweep gets there, from its group or to it', async () => {
		const versionId = await stores.world.publish(newUid());
		const [holding, other] = [await stores.world.createGroup(), await stores.world.createGroup()];
		for (const groupId of [holding, other]) await stores.world.setSelector(groupId, 'true', 1);
		await stores.world.setDefault(holding, versionId, true);
		await stores.world.setDefault(other, versionId);
		const agents = await stage.connect(2);
		await moved(agents, holding);
		expect(await stores.world.awaitingDefault(idsOf(agents))).toEqual([]);
		await moved(agents, other, holding);
		expect(await stores.world.awaitingDefault(idsOf(agents))).toEqual([]);
		// Once it is over, they wait like anybody.
		const finished = { selections: [], workIds: [], sweep: { groupId: holding, seq: 1, after: null } };
		await stores.selectors.writeSelection(stage.leader, finished);
		await moved(agents, holding, other);
		expect(await stores.world.awaitingDefault(idsOf(agents))).toHaveLength(2);
	});

	test('an assignment of the default is offered, answered, and watched', async () => {
		const { groupId, versionId, agents } = await settled(2);
		expect(await look(groupId)).toMatchObject({ outcome: 'committed', decision: { assignments: [{ versionId }] } });
		const [{ target } = { target: null }] = (await load(groupId)).watched;
		const agent = agents.find(({ agentId }) => agentId === target?.agentId);
		if (agent === undefined) throw new Error('nobody was enrolled');
		expect(await stores.world.assignment(agent.agentId)).toMatchObject({
			cause: 'default',
			versionId,
			seq: 1,
			answer: 'none',
		});
		expect(await stage.claim(agent)).toMatchObject({ offer: { versionId, rolloutId: null } });
		await stage.answer(agent, 1, 'failed');
		const { decision } = await look(groupId);
		expect(decision.quarantine).toEqual([{ agentId: agent.agentId, reason: 'said failed' }]);
		expect(await stores.world.quarantined(agent.agentId, versionId)).toBe(true);
		expect(await stores.world.awaitingDefault(idsOf(agents))).toEqual(
			idsOf(agents).filter((id) => id !== agent.agentId),
		);
	});

	test('who applied what means the same as the default waits no more, and is given nothing', async () => {
		const groupId = await stores.world.createGroup();
		const meaning = newUid();
		await stores.world.setDefault(groupId, await stores.world.publish(newUid(), meaning));
		const agents = await stage.connect(2);
		for (const [index, agent] of agents.entries()) {
			const version = await stores.world.publish(newUid(), index === 0 ? meaning : newUid());
			await stage.admit(await stage.running([agent], {}, version), [agent]);
			await stage.answer(agent, 1, 'applied');
		}
		const [same, other] = idsOf(agents);
		await stores.world.move(idsOf(agents), groupId);
		await stores.world.awaitDefault(idsOf(agents));
		const { outcome, decision } = await look(groupId);
		expect(outcome).toBe('committed');
		expect(decision).toMatchObject({ settled: [same], assignments: [{ agentId: other }] });
	});

	test('what was not offered is taken back, and what was is not', async () => {
		const { groupId, versionId, agents } = await settled(2);
		const former = await stage.proved(agents[0] as ConnectedAgent);
		await stores.world.move(idsOf(agents), groupId);
		await stores.world.awaitDefault(idsOf(agents));
		const snapshot = await load(groupId);
		const facts = snapshot.waiting.find(({ facts: { agentId } }) => agentId === agents[0]?.agentId)?.facts;
		if (facts === undefined) throw new Error('it does not wait');
		const alone = { ...snapshot, ...rules, waiting: [{ facts, placed: false }] };
		const given = decideEnrolment(alone);
		expect(
			await stores.enrolments.commitEnrolment(stage.leader, groupId, snapshot, { decision: given, calendar }),
		).toBe('committed');
		const before = await stores.world.assignment(facts.agentId);
		expect(before).toMatchObject({ cause: 'default', versionId });
		const back = { dropped: [facts.agentId], withdraw: [facts.agentId] };
		expect(await commit(groupId, back)).toBe('committed');
		const after = await stores.world.assignment(facts.agentId);
		expect(after).toMatchObject({
			cause: 'withdrawal',
			versionId: former,
			answer: 'applied',
			seq: (before?.seq ?? 0) + 1,
		});
		expect((await load(groupId)).watched).toEqual([]);

		const again = await look(groupId);
		const [assigned] = again.decision.assignments;
		const agent = agents.find(({ agentId }) => agentId === assigned?.agentId) as ConnectedAgent;
		expect(await stage.claim(agent)).toMatchObject({ offer: { versionId } });
		expect(await commit(groupId, { dropped: [agent.agentId], withdraw: [agent.agentId] })).toBe('conflict');
		expect((await load(groupId)).watched).toHaveLength(1);
	});

	test('of two decisions from the same moment one is written, and none without the lease', async () => {
		const { groupId } = await settled(1);
		const loaded = await load(groupId);
		const decision = decideEnrolment({ ...loaded, ...rules });
		const lost = { ...stage.leader, epoch: stage.leader.epoch - 1 };
		expect(await stores.enrolments.commitEnrolment(lost, groupId, loaded, { decision, calendar })).toBe('lease-lost');
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, { decision, calendar })).toBe(
			'committed',
		);
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, { decision, calendar })).toBe(
			'conflict',
		);
		expect((await load(groupId)).seq).toBe(1);
	});

	test('nobody is given the default of a group that he has left, or that has another by now', async () => {
		const { groupId, agents } = await settled(1);
		const loaded = await load(groupId);
		const decision = decideEnrolment({ ...loaded, ...rules });
		await stores.world.setDefault(groupId, await stores.world.publish(newUid()));
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, { decision, calendar })).toBe(
			'conflict',
		);
		// What failed on the one is not kept from the other.
		const quarantine = agents.map(({ agentId }) => ({ agentId, reason: 'said failed' }));
		const write = { decision: { ...decision, assignments: [], enrolled: [], quarantine }, calendar };
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, write)).toBe('conflict');
		const now = await load(groupId);
		const other = decideEnrolment({ ...now, ...rules });
		await moved(agents, ungroupedGroupId, groupId);
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, now, { decision: other, calendar })).toBe(
			'conflict',
		);
		expect(await stores.world.assignment((agents[0] as ConnectedAgent).agentId)).toBeNull();
	});

	test('what was decided while the group might change is not written once it may not (R1)', async () => {
		const { groupId } = await settled(1);
		const loaded = await load(groupId);
		const decision = decideEnrolment({ ...loaded, ...rules });
		const freeze = { name: newUid(), reason: 'a launch', fromMs: Date.now() - 60_000, untilMs: Date.now() + 3_600_000 };
		await stores.world.addFreeze(freeze, [groupId]);
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, { decision, calendar })).toBe(
			'conflict',
		);
		const frozen = { windows: [], freezes: [freeze] };
		const waits = decideEnrolment({ ...loaded, ...rules, calendar: frozen });
		const write = { decision: waits, calendar: frozen };
		expect(await stores.enrolments.commitEnrolment(stage.leader, groupId, loaded, write)).toBe('committed');
		expect((await load(groupId)).state.waitsFor).toContain('a launch');
	});

	test('a rollout of the group stands before, places whom it reaches, and makes its version the default', async () => {
		const [agent] = await stage.connect(1);
		if (agent === undefined) throw new Error('nobody connected');
		const running = await stage.running([agent]);
		await stores.world.setDefault(running.groupId, await stores.world.publish(newUid()));
		await stores.world.awaitDefault([agent.agentId]);
		expect((await load(running.groupId)).busyWith).toBe(running.rolloutId);
		await stage.admit(running, [agent]);
		expect((await load(running.groupId)).waiting).toMatchObject([{ placed: true }]);
		const loaded = await stage.load(running.rolloutId);
		await stage.commit(loaded, { rollout: ended(loaded) });
		expect(await load(running.groupId)).toMatchObject({ busyWith: null, versionId: running.versionId });
		expect(await stores.world.defaultOf(running.groupId)).toBe(running.versionId);
	});

	test('a group without a default does not get one by a rollout', async () => {
		const { groupId } = await finished(stage);
		expect(await stores.world.defaultOf(groupId)).toBeNull();
	});
});

interface Settled {
	readonly groupId: GroupId;
	readonly versionId: VersionId;
	readonly agents: readonly ConnectedAgent[];
}

async function finished(stage: Stage) {
	const running = await stage.running(await stage.connect(1));
	const loaded = await stage.load(running.rolloutId);
	await stage.commit(loaded, { rollout: ended(loaded) });
	return running;
}
