// What is looked at again when a rollout starts, by hand and by itself, over REST with a deciding engine.
import { expect, test } from 'vitest';
import { ended, reachedAt, useDecidingStage } from './rollout_story.js';
import { type Loose, namedYaml } from './stage.js';

const on = useDecidingStage();
const { create, group, until } = on;

const day = 86_400_000;
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
const freeze = (name: string, groups: readonly string[]) => ({
	...{ name, reason: 'a launch', from: inMs(day), until: inMs(2 * day), groups },
});

test('a protected group is rolled out to by whoever says that it is meant', async () => {
	const { name } = await group(2);
	await until((await create(name, 'first')).id, ended);
	const shown = await on.stage.must('updateGroup', { params: { group: name }, body: { protected: true } });
	expect(shown).toMatchObject({ group: { protected: true } });
	const version = `${name}@1`;
	const { risks } = await on.stage.must('planRollout', { body: { group: name, version } });
	expect(risks).toContainEqual({
		risk: 'protected-group',
		message: expect.stringContaining('protected'),
		action: expect.stringContaining('--accept-protected'),
	});
	const without = await on.stage.call('createRollout', { body: { group: name, version } });
	expect(without).toMatchObject({
		...{ status: 409, body: { code: 'command-refused', details: { reason: 'protected-group' } } },
	});
	expect(without.body.action).toContain('--accept-protected');
	await until(without.body.details.rollout, ended);
	const meant = await create(name, 'second', { acceptProtected: true });
	expect(await until(meant.id, ended)).toMatchObject({ state: 'Completed', spec: { acceptProtected: true } });
	await on.stage.must('updateGroup', { params: { group: name }, body: { protected: false } });
	expect(await until((await create(name, 'third')).id, ended)).toMatchObject({ state: 'Completed' });
});

test('one that was queued starts on what it was created on, or is rejected with what changed', async () => {
	const { name } = await group(4);
	const first = await create(name, 'first', { start: 'manual' });
	const second = await create(name, 'second', { queue: true });
	await on.stage.must('createFreeze', { body: freeze(`for ${name}`, [name]) });
	await on.stage.must('startRollout', { params: { rollout: first.id }, body: { replan: true } });
	expect(await until(first.id, ended)).toMatchObject({ state: 'Completed' });
	const gone = await until(second.id, ended);
	expect(gone.state).toBe('Rejected');
	expect(gone.headline).toContain(`the freeze "for ${name}" was added`);

	const third = await create(name, 'third', { start: 'manual' });
	const fourth = await create(name, 'fourth', { queue: true });
	await on.stage.must('startRollout', { params: { rollout: third.id } });
	expect(await until(fourth.id, ended)).toMatchObject({ state: 'Completed' });
});

/** Assigns `version` of the group's configuration, as if somebody had given it to them. */
const assign = (agents: readonly string[], name: string, number: number) =>
	on.stage.database.sql.query(
		`update assignment set version_id = v.id from configuration_version v join configuration c on c.id = v.configuration_id
		where agent_id = any($1::uuid[]) and c.name = $2 and v.number = $3`,
		[agents, name, number],
	);

test('one that was queued starts when the one before it has changed the way to the server already', async () => {
	const { name, agents } = await group(4);
	await until((await create(name, 'first')).id, ended);
	const second = await create(name, '', { config: reachedAt('b'), start: 'manual' });
	const third = await create(name, '', { config: reachedAt('b').replaceAll('nop', 'nop/third'), queue: true });
	const created = await on.stage.must('getRollout', { params: { rollout: third.id } });
	expect(created.plan.risks).toContain('management-path');
	await assign(agents, name, 2);
	await on.stage.must('cancelRollout', { params: { rollout: second.id }, body: {} });
	const begun = await until(third.id, ({ state }) => state !== 'Queued');
	// The first agent of it has to find back, and none of these does.
	expect(begun.state).toBeOneOf(['InProgress', 'Paused']);
	expect(begun.startedAt).not.toBeNull();
	await on.stage.must('abortRollout', { params: { rollout: third.id }, body: {} });
});

test('one that was queued is rejected when it would change the way to the server now', async () => {
	const { name, agents } = await group(4);
	await until((await create(name, 'first')).id, ended);
	const second = await create(name, '', { config: reachedAt('b'), start: 'manual' });
	const third = await create(name, 'third', { queue: true });
	await assign(agents, name, 2);
	await on.stage.must('cancelRollout', { params: { rollout: second.id }, body: {} });
	const gone = await until(third.id, ended);
	expect(gone.state).toBe('Rejected');
	expect(gone.headline).toContain('a new risk: management-path');
});

test('one that a changed selector made is planned when it is started, and begins with one agent where it has to', async () => {
	const before = await group(12);
	await until((await create(before.name, '', { config: reachedAt('a') })).id, ended);
	await on.stage.must('removeGroupAgents', { params: { group: before.name }, body: { agents: before.agents } });
	const name = `into-${before.name}`;
	await on.stage.must('createGroup', { body: { name } });
	await on.stage.must('createConfiguration', { body: { name } });
	await on.stage.must('createVersion', { params: { configuration: name }, body: { yaml: reachedAt('b') } });
	await on.stage.must('publishVersion', { params: { configuration: name, number: 1 } });
	const params = { group: name };
	await on.stage.must('updateGroup', { params, body: { defaultVersion: `${name}@1` } });
	const { sql } = on.stage.database;
	const held = JSON.stringify({ identifying: {}, nonIdentifying: { held: name } });
	await sql.query('update agent set description = $2 where id = any($1::uuid[])', [before.agents, held]);
	const selector = `agent.attributes.held == "${name}"`;
	const { planned, group: into } = await on.stage.must('updateGroup', { params, body: { selector } });
	const made = { params: { rollout: planned[0].rollout } };
	expect((await on.stage.must('getRollout', made)).plan).toBeNull();
	await sql.query('update agent set group_id = $2 where id = any($1::uuid[])', [before.agents, into.id]);

	await on.stage.must('startRollout', made);
	const started = await until(made.params.rollout, ({ state }) => state !== 'Pending');
	expect(started.plan).toMatchObject({ eligible: 12, risks: expect.arrayContaining(['management-path']) });
	expect(started.steps[0]).toMatchObject({ name: 'first-agent' });
	// A step is filled by the decision after the one that began it; this one stays alone, for it does not come back.
	const placed = async () => {
		const { items } = await on.stage.must('listRolloutTargets', { ...made, query: { limit: 50 } });
		return items.filter(({ step }: Loose) => step !== null);
	};
	await expect.poll(placed, { timeout: 10_000 }).toHaveLength(1);
	await on.stage.must('abortRollout', { ...made, body: {} });
});

test('one that a changed selector made is bound by its start', async () => {
	const { name, agents } = await group(12);
	const made = await create(name, 'first', { start: 'manual' });
	const unbound = "update rollout set spec = spec - 'approved' where id = $1";
	await on.stage.database.sql.query(unbound, [made.id]);
	await on.stage.must('updateGroup', { params: { group: name }, body: { protected: true } });
	const params = { rollout: made.id };
	const refused = await on.stage.call('startRollout', { params, body: {} });
	expect(refused.body).toMatchObject({ code: 'command-refused', details: { reason: 'protected-group' } });
	expect((await on.stage.must('getRollout', { params })).plan).toMatchObject({ eligible: agents.length });
	await on.stage.must('updateGroup', { params: { group: name }, body: { protected: false } });
	await on.stage.must('createFreeze', { body: freeze(`of ${name}`, [name]) });
	const changed = await on.stage.call('startRollout', { params, body: {} });
	expect(changed.body).toMatchObject({ code: 'plan-void' });
	await on.stage.must('cancelRollout', { params, body: {} });
});

test('one with a time is rejected when the group is found by other means by then', async () => {
	const { name } = await group(2);
	const { id } = await create(name, 'timed', { startAt: inMs(2_500) });
	await on.stage.must('updateGroup', { params: { group: name }, body: { selector: 'agent.type == "other"' } });
	const gone = await until(id, ended);
	expect(gone.state).toBe('Rejected');
	expect(gone.headline).toContain('the selector of the group is another one');
});

test('a window that changes between plan and start is named, and looked past only by a new plan', async () => {
	const { name } = await group(4);
	await until((await create(name, 'first')).id, ended);
	await on.stage.must('createVersion', { params: { configuration: name }, body: { yaml: namedYaml('second') } });
	await on.stage.must('publishVersion', { params: { configuration: name, number: 2 } });
	const asked = { group: name, version: `${name}@2` };
	const nights = { name: `of ${name}`, days: ['mon'], from: '00:00', timeZone: 'UTC', groups: [name] };
	const every = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
	await on.stage.must('createChangeWindow', { body: { ...nights, days: every, to: '24:00' } });
	const plan = await on.stage.must('planRollout', { body: asked });
	expect(plan.risks.map(({ risk }: Loose) => risk)).not.toContain('no-window');
	await on.stage.must('deleteChangeWindow', { params: { name: nights.name } });
	const again = await on.stage.must('planRollout', { body: { ...asked, seed: plan.spec.seed } });
	expect(again.digest).not.toBe(plan.digest);
	await on.stage.must('createChangeWindow', { body: { ...nights, days: every, to: '23:00' } });
	const body = { ...asked, plan: plan.id, start: 'manual' };
	const refused = await on.stage.call('createRollout', { body });
	expect(refused).toMatchObject({
		status: 409,
		body: { code: 'plan-void', details: { changes: [`the change window "of ${name}" was changed`] } },
	});
	const made = await on.stage.must('createRollout', { body: { ...body, replan: true } });
	await on.stage.must('deleteChangeWindow', { params: { name: nights.name } });
	const params = { rollout: made.id };
	const start = await on.stage.call('startRollout', { params, body: {} });
	expect(start.body.details.changes).toEqual([`the change window "of ${name}" was taken away`]);
	await on.stage.must('startRollout', { params, body: { replan: true } });
	expect(await until(made.id, ({ startedAt }) => startedAt !== null)).toMatchObject({ state: 'InProgress' });
	await on.stage.must('abortRollout', { params, body: {} });
});

test('a group that will not open soon enough, or not for long enough, is a risk', async () => {
	const { name } = await group(20);
	await until((await create(name, 'first')).id, ended);
	await on.stage.must('createVersion', { params: { configuration: name }, body: { yaml: namedYaml('second') } });
	await on.stage.must('publishVersion', { params: { configuration: name, number: 2 } });
	const body = { group: name, version: `${name}@2`, seed: 'same' };
	const plan = async () => {
		const { risks } = await on.stage.must('planRollout', { body });
		return risks.find(({ risk }: Loose) => risk === 'no-window')?.message;
	};
	expect(await plan()).toBeUndefined();
	const { id, duration } = await on.stage.must('planRollout', { body });
	const soon = { ...freeze(`soon ${name}`, [name]), from: inMs(1_800_000) };
	await on.stage.must('createFreeze', { body: soon });
	expect(await plan()).toContain(
		`it takes at least ${duration.least}, and the group closes at ${soon.from.slice(0, 16)}Z; it goes on by itself`,
	);
	// The freeze is what voids the plan; how much of the hour is left is none of its terms.
	const asked = { group: name, version: `${name}@2`, plan: id, start: 'manual' };
	const refused = await on.stage.call('createRollout', { body: asked });
	expect(refused.body.details.changes).toEqual([`the freeze "soon ${name}" was added`]);
	await on.stage.must('deleteFreeze', { params: { name: soon.name } });
	const long = { ...freeze(`long ${name}`, [name]), from: inMs(-60_000), until: inMs(20 * day) };
	await on.stage.must('createFreeze', { body: long });
	expect(await plan()).toBe(`the group may not change before ${long.until.slice(0, 16)}Z`);
	const closed = await on.stage.must('planRollout', { body });
	const later = { group: name, version: `${name}@2`, plan: closed.id, startAt: inMs(21 * day) };
	const timed = await on.stage.must('createRollout', { body: later });
	const { plan: bound } = await on.stage.must('getRollout', { params: { rollout: timed.id } });
	expect(bound.risks).not.toContain('no-window');
	const early = await on.stage.call('startRollout', { params: { rollout: timed.id } });
	expect(early.body.details.changes).toEqual(['a new risk: no-window']);
	await on.stage.must('cancelRollout', { params: { rollout: timed.id }, body: {} });
	await on.stage.must('deleteFreeze', { params: { name: long.name } });
});
