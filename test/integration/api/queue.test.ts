// What becomes of a new rollout on a group that has one already, over REST, with a deciding engine.
import { expect, test } from 'vitest';
import { ended, quick, useDecidingStage } from './rollout_story.js';
import { type Loose, namedYaml } from './stage.js';

const on = useDecidingStage();
const { create, group, until } = on;

test('a refusal names both ways on; the queue holds one, and it starts by itself when the group is free', async () => {
	const { name } = await group(4);
	const first = await create(name, 'first', { start: 'manual' });
	const body = { group: name, config: namedYaml('other'), ...quick };
	const refused = await on.stage.call('createRollout', { body });
	expect(refused).toMatchObject({ status: 409, body: { code: 'rollout-active', details: { rollout: first.id } } });
	expect(refused.body.action).toContain('--queue');
	expect(refused.body.action).toContain('--supersede');

	const second = await create(name, 'second', { queue: true });
	expect(second.state).toBe('Queued');
	const third = await create(name, 'third', { queue: true });
	const gone = await on.stage.must('getRollout', { params: { rollout: second.id } });
	expect(gone).toMatchObject({ state: 'Cancelled', commands: [] });
	expect(gone.headline).toContain(`replaced in the queue by rollout ${third.id}`);
	const waiting = await on.stage.must('getRollout', { params: { rollout: third.id } });
	expect(waiting).toMatchObject({ state: 'Queued', waitsFor: 'the rollout before it to end' });
	expect(await on.stage.call('startRollout', { params: { rollout: third.id } })).toMatchObject({
		...{ status: 409, body: { code: 'command-refused', details: { reason: 'busy' } } },
	});

	await on.stage.must('startRollout', { params: { rollout: first.id } });
	expect(await until(third.id, ended)).toMatchObject({ state: 'Completed', updated: 4, version: { ref: `${name}@3` } });
	expect(await until(first.id, ended)).toMatchObject({ state: 'Completed' });
});

test('of many that queue at once one is left', async () => {
	const { name } = await group(2);
	const first = await create(name, 'first', { start: 'manual' });
	const config = `${name}@1`;
	const made = await Promise.all(
		Array.from({ length: 6 }, () =>
			on.stage.must('createRollout', { body: { group: name, version: config, ...quick, queue: true } }),
		),
	);
	const shown = await Promise.all(made.map(({ id }) => on.stage.must('getRollout', { params: { rollout: id } })));
	expect(shown.map(({ state }) => state).toSorted()).toEqual([...Array(5).fill('Cancelled'), 'Queued']);
	await on.stage.must('cancelRollout', { params: { rollout: first.id }, body: {} });
});

test('a rollout takes the place of another, and ways back stay what was proved', async () => {
	const { name, agents } = await group(6);
	await until((await create(name, 'baseline')).id, ended);
	on.fleet.behave(agents, 'fails');
	const broken = await create(name, 'broken', { onAgentFailure: 'leave' });
	await until(broken.id, ({ state }) => state === 'Paused');
	on.fleet.behave(agents, 'applies');
	const fixed = await create(name, 'fixed', { supersede: true });
	const old = await on.stage.must('getRollout', { params: { rollout: broken.id } });
	expect(old.state).toBe('Superseded');
	expect(await until(fixed.id, ended)).toMatchObject({ state: 'Completed', updated: 6 });
	const targets = await on.stage.must('listRolloutTargets', { params: { rollout: fixed.id } });
	expect(new Set(targets.items.map(({ previousVersion }: Loose) => previousVersion))).toEqual(new Set([`${name}@1`]));
	const events = await on.stage.must('listRolloutEvents', { params: { rollout: broken.id } });
	expect(JSON.stringify(events)).toContain(`rollout ${fixed.id} takes its place`);
});

test('nobody gives way to a rollout that cannot start', async () => {
	const { name, agents } = await group(3);
	on.fleet.behave(agents, 'silent');
	const first = await create(name, 'first', {});
	await until(first.id, ({ state }) => state === 'InProgress');
	const body = { group: name, config: namedYaml('second'), ...quick, acceptNoWayBack: false, supersede: true };
	const refused = await on.stage.call('createRollout', { body });
	expect(refused).toMatchObject({
		...{ status: 409, body: { code: 'command-refused', details: { rollout: first.id, reason: 'successor-refused' } } },
	});
	expect(refused.body.message).toContain('3 of 3 agents never proved a version');
	const { items } = await on.stage.must('listRollouts', { query: { group: name } });
	expect(items.map(({ state }: Loose) => state).toSorted()).toEqual(['InProgress', 'Rejected']);
	await on.stage.must('abortRollout', { params: { rollout: first.id }, body: {} });
});

test('a rollout that is being taken back is not superseded', async () => {
	const { name, agents } = await group(2);
	await until((await create(name, 'baseline')).id, ended);
	const second = await create(name, 'second');
	await until(second.id, ended);
	on.fleet.behave(agents, 'silent');
	await on.stage.must('rollbackRollout', { params: { rollout: second.id }, body: {} });
	const body = { group: name, config: namedYaml('third'), ...quick, supersede: true };
	const refused = await on.stage.call('createRollout', { body });
	expect(refused).toMatchObject({
		status: 409,
		body: { code: 'command-not-allowed', details: { state: 'RollingBack' } },
	});
});

test('a rollout starts when it is to, and not in the past', async () => {
	const { name } = await group(2);
	const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
	const body = { group: name, config: namedYaml('later'), ...quick };
	for (const startAt of [at(-60_000), at(91 * 86_400_000)]) {
		const refused = await on.stage.call('createRollout', { body: { ...body, startAt } });
		expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-argument', details: { field: 'startAt' } } });
	}
	const far = await on.stage.must('createRollout', { body: { ...body, startAt: at(3_600_000) } });
	const shown = await on.stage.must('getRollout', { params: { rollout: far.id } });
	expect(shown).toMatchObject({ state: 'Pending', waitsFor: null });
	expect(shown.nextWakeAt).not.toBeNull();
	await on.stage.must('cancelRollout', { params: { rollout: far.id }, body: {} });
	const near = await on.stage.must('createRollout', { body: { ...body, startAt: at(1_500) } });
	expect(near.state).toBe('Pending');
	expect(await until(near.id, ended)).toMatchObject({ state: 'Completed', updated: 2 });
	const both = await on.stage.call('createRollout', { body: { ...body, queue: true, supersede: true } });
	expect(both).toMatchObject({ status: 400 });
});
