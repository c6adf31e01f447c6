import type { AgentId, GroupId } from '@ampora/runtime';
import { type AgentReport, type ConnectedAgent, type SelectorWork, ungroupedGroupId } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const saying = (attributes: Record<string, unknown>, more: Partial<NonNullable<AgentReport['description']>> = {}) => ({
	description: {
		...{ identifying: {}, nonIdentifying: attributes },
		...{ agentType: 'a', agentVersion: '1.0.0', hostname: 'h', ...more },
	},
});

describe.each(adapters)('selector store on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const selectors = () => stores.selectors;
	const workOf = async ({ agentId }: ConnectedAgent): Promise<SelectorWork | undefined> =>
		(await selectors().selectorWork(10_000)).find((work) => work.agentId === agentId);
	const done = async () => {
		const workIds = (await selectors().selectorWork(10_000)).flatMap((work) => work.workIds);
		await selectors().writeSelection(stage.leader, { selections: [], workIds, sweep: null });
	};
	const subjectOf = async ({ agentId }: ConnectedAgent) => (await selectors().subjects([agentId]))[0];
	const groupWith = async (selector: string, priority = 0): Promise<GroupId> => {
		const id = await stores.world.createGroup();
		await stores.world.setSelector(id, selector, priority);
		return id;
	};
	const write = (
		agent: ConnectedAgent,
		{ foundIn = ungroupedGroupId, moveTo, matches }: { foundIn?: GroupId; moveTo: GroupId | null; matches?: GroupId[] },
		lease = stage.leader,
	) => {
		const standing = matches ? { matches, errors: {} } : null;
		const selections = [{ agentId: agent.agentId, foundIn, moveTo, standing }];
		return selectors().writeSelection(lease, { selections, workIds: [], sweep: null });
	};

	test('a report leaves word of exactly what it changed', async () => {
		const agent = await stage.connectOne();
		await stage.flush([agent], () => saying({ env: 'prod', zone: 1 }));
		expect((await workOf(agent))?.changed).toEqual(
			expect.arrayContaining(['attribute:env', 'attribute:zone', 'type', 'version']),
		);
		await done();
		await stage.flush([agent], () => saying({ env: 'prod', zone: 1 }));
		expect(await workOf(agent)).toBeUndefined();
		await stage.flush([agent], () => saying({ env: 'test', zone: 1 }));
		await stage.flush([agent], () => saying({ env: 'test', zone: 1, more: [1, { a: 2 }] }));
		const work = await workOf(agent);
		expect(work?.changed?.toSorted()).toEqual(['attribute:env', 'attribute:more']);
		expect(work?.workIds).toHaveLength(2);
		await done();
		await stage.flush([agent], () => saying({ zone: 1, more: [1, { a: 2 }] }, { identifying: { env: 'test' } }));
		expect(await workOf(agent)).toBeUndefined();
		await stage.flush([agent], () => ({ capabilities: 1n }));
		expect((await workOf(agent))?.changed).toEqual(['capabilities']);
		await stage.flush([agent], () => ({
			health: { healthy: false, tree: {}, flips: 1, restarts: 0, startTimeNanos: '1' },
		}));
		expect((await workOf(agent))?.workIds).toHaveLength(1);
		await done();
	});

	test('an agent that says nothing of itself has still to be placed', async () => {
		const agent = await stage.connectOne();
		await done();
		await stage.flush([agent], () => saying({}, { agentType: null, agentVersion: null, hostname: null }));
		expect((await workOf(agent))?.changed).toEqual(['attributes']);
		await done();
	});

	test('a subject is what selectors read, where it is, and what they found', async () => {
		const agent = await stage.connectOne();
		await stage.flush([agent], () => saying({ n: '5' }, { identifying: { id: 'x' } }));
		const group = await groupWith('true');
		expect(await subjectOf(agent)).toEqual({
			...{
				agentId: agent.agentId,
				groupId: ungroupedGroupId,
				where: 'ungrouped',
				agentType: 'a',
				agentVersion: '1.0.0',
			},
			...{
				description: { identifying: { id: 'x' }, nonIdentifying: { n: '5' } },
				capabilities: 0x1807,
				components: null,
			},
			...{ matches: null, errors: null },
		});
		expect(await write(agent, { moveTo: group, matches: [group] })).toEqual({ held: true, moved: 1 });
		expect(await subjectOf(agent)).toMatchObject({ groupId: group, where: 'dynamic', matches: [group], errors: {} });
		const chosen = await stores.world.createGroup();
		await stores.world.move([agent.agentId], chosen);
		expect(await subjectOf(agent)).toMatchObject({ where: 'chosen' });
	});

	test('a move is noticed by the rollouts of both groups, and by no other', async () => {
		const [one, two, three] = [await groupWith('true'), await groupWith('true'), await groupWith('true')];
		const agent = await stage.connectOne();
		await write(agent, { moveTo: one });
		const before = await Promise.all([one, two, three].map(stores.world.membershipSeq));
		await write(agent, { foundIn: one, moveTo: two });
		const after = await Promise.all([one, two, three].map(stores.world.membershipSeq));
		expect(after.map((seq, at) => seq - (before[at] ?? 0))).toEqual([1, 1, 0]);
		expect(await stores.world.membership(agent.agentId)).toBe(two);
	});

	test('nobody is moved from where they are not, or to a group that is not dynamic any more', async () => {
		const [dynamic, chosen] = [await groupWith('true'), await stores.world.createGroup()];
		const agent = await stage.connectOne();
		expect(await write(agent, { moveTo: chosen })).toMatchObject({ moved: 0 });
		await stores.world.move([agent.agentId], chosen);
		expect(await write(agent, { moveTo: dynamic })).toMatchObject({ moved: 0 });
		expect(await stores.world.membership(agent.agentId)).toBe(chosen);
		await stores.world.move([agent.agentId], dynamic);
		await stores.world.setSelector(dynamic, null, 0);
		expect(await write(agent, { foundIn: dynamic, moveTo: ungroupedGroupId })).toMatchObject({ moved: 1 });
	});

	test('a deleted group finds nobody, and nobody is moved into it', async () => {
		const [group, other] = [await groupWith('true'), await groupWith('true')];
		const agent = await stage.connectOne();
		await stores.world.deleteGroup(group);
		const ids = (await selectors().dynamicGroups()).map(({ id }) => id);
		expect([ids.includes(group), ids.includes(other)]).toEqual([false, true]);
		expect(await write(agent, { moveTo: group })).toMatchObject({ held: true, moved: 0 });
		expect(await stores.world.membership(agent.agentId)).toBe(ungroupedGroupId);
	});

	test('without the lease nothing is written (R2)', async () => {
		const group = await groupWith('true');
		const agent = await stage.connectOne();
		await stage.flush([agent], () => saying({ env: 'x' }));
		const name = newUid();
		const old = await stores.engine.takeLease(name, 'old', 60_000);
		await stores.world.expireLease(name);
		await stores.engine.takeLease(name, 'new', 60_000);
		if (old === null) throw new Error('a fresh lease was refused');
		const work = await workOf(agent);
		const selections = [
			{ agentId: agent.agentId, foundIn: ungroupedGroupId, moveTo: group, standing: { matches: [group], errors: {} } },
		];
		const written = await selectors().writeSelection(old, { selections, workIds: work?.workIds ?? [], sweep: null });
		expect(written).toEqual({ held: false, moved: 0 });
		expect(await subjectOf(agent)).toMatchObject({ groupId: ungroupedGroupId, matches: null });
		expect(await workOf(agent)).toEqual(work);
		await done();
	});

	test('a change begins a sweep, pages go on, and one for an older change ends nothing', async () => {
		const id = await groupWith('true', 3);
		const sweepOf = async () => (await selectors().dynamicGroups()).find((group) => group.id === id);
		const begun = await sweepOf();
		expect(begun).toMatchObject({ selector: 'true', priority: 3, sweep: { kind: 'evaluate', after: null } });
		const page: readonly AgentId[] = await selectors().describedAgents(null, 2);
		const [first, second] = page;
		expect(await selectors().describedAgents(first ?? null, 1)).toEqual([second]);
		const seq = begun?.sweep?.seq ?? -1;
		const progress = (at: number, after: AgentId | null) =>
			selectors().writeSelection(stage.leader, { selections: [], workIds: [], sweep: { groupId: id, seq: at, after } });
		await progress(seq, second ?? null);
		expect((await sweepOf())?.sweep).toMatchObject({ after: second });
		await stores.world.setSelector(id, 'true', 4);
		await progress(seq, null);
		expect((await sweepOf())?.sweep).toMatchObject({ kind: 'evaluate', after: null });
		await progress(seq + 1, null);
		expect((await sweepOf())?.sweep).toBeNull();
		await stores.world.setSelector(id, 'true', 5);
		expect((await sweepOf())?.sweep).toMatchObject({ kind: 'decide' });
	});
});
