import { newEnrolment } from '@ampora/rollout';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, type Loose, namedYaml } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const sql = (text: string, params: readonly unknown[] = []) => stage.database.sql.query<Loose>(text, params);
const update = (group: string, body: object) => stage.must('updateGroup', { params: { group }, body });
const refused = async (group: string, body: object) =>
	(await stage.call('updateGroup', { params: { group }, body })).body;

let names = 0;
/** A group with members that are assigned `assigned`, and a version to give to it. */
async function prepared(members: number, assigned: string | null = null) {
	names += 1;
	const name = `group-${names}`;
	const { id } = await stage.must('createGroup', { body: { name } });
	await stage.must('createConfiguration', { body: { name } });
	const versions: string[] = [];
	for (const text of ['one', 'two']) {
		const body = { yaml: namedYaml(text) };
		const { number } = await stage.must('createVersion', { params: { configuration: name }, body });
		await stage.must('publishVersion', { params: { configuration: name, number } });
		versions.push(`${name}@${number}`);
	}
	const agents = members === 0 ? [] : await stage.agents(members);
	await sql('update agent set group_id = $2 where id = any($1::uuid[])', [agents, id]);
	if (assigned !== null) await assign(agents, versions[0] ?? '');
	return { name, id, agents, versions: versions as [string, string] };
}

const parts = (version: string) => ({
	configuration: version.split('@')[0] ?? '',
	number: Number(version.split('@')[1]),
});
const idOf = async (version: string): Promise<string> =>
	(await stage.must('getVersion', { params: parts(version) })).id;

async function assign(agents: readonly string[], version: string) {
	const id = await idOf(version);
	await sql(
		`insert into assignment (agent_id, version_id, attempt, seq, cause) select unnest($1::uuid[]), $2::uuid, 1, 1, 'rollout'
		on conflict (agent_id) do update set version_id = excluded.version_id`,
		[agents, id],
	);
}
const waiting = async (group: string): Promise<number> => {
	const rows = await sql('select count(*)::int as n from agent where group_id = $1 and enrolment_due_at is not null', [
		group,
	]);
	return rows[0].n;
};

test('a default that changes what few agents run is set, and those wait for it', async () => {
	const { name, id, agents, versions } = await prepared(1_000, 'one');
	expect(await update(name, { defaultVersion: versions[0] })).toMatchObject({
		...{ planned: [], group: { defaultVersion: versions[0], enrolment: { waiting: 0, stopped: null } } },
	});
	await assign(agents.slice(0, 10), versions[1]);
	await update(name, { defaultVersion: '' });
	expect((await update(name, { defaultVersion: versions[0] })).planned).toEqual([]);
	expect(await waiting(id)).toBe(10);
	expect((await stage.must('getGroup', { params: { group: name } })).enrolment).toMatchObject({
		waiting: 10,
		watched: 0,
	});
	await update(name, { defaultVersion: '' });
	expect(await waiting(id)).toBe(0);
	const { items } = await stage.must('listAudit', { query: { entity: id } });
	expect(items.filter(({ action }: Loose) => action === 'Group.DefaultChanged')).toHaveLength(4);
});

test('one that changes what more than ten, or one of a hundred, run is a rollout that waits', async () => {
	const { name, id, agents, versions } = await prepared(1_200, 'one');
	await assign(agents.slice(0, 11), versions[1]);
	const { planned, group } = await update(name, { defaultVersion: versions[0] });
	expect(planned).toMatchObject([{ group: name, version: versions[0], agents: 11 }]);
	expect(group).toMatchObject({ defaultVersion: null, activeRollout: planned[0].rollout });
	expect(await stage.must('getRollout', { params: { rollout: planned[0].rollout } })).toMatchObject({
		state: 'Pending',
	});
	expect(await waiting(id)).toBe(0);
	// While that one waits, another would have no place.
	const busy = await refused(name, { defaultVersion: versions[1] });
	expect(busy).toMatchObject({ code: 'rollout-active' });
	expect(busy.action).not.toContain('--queue');

	const small = await prepared(99, 'one');
	await assign(small.agents.slice(0, 1), small.versions[1]);
	expect((await update(small.name, { defaultVersion: small.versions[0] })).planned).toHaveLength(1);
	const large = await prepared(100, 'one');
	await assign(large.agents.slice(0, 1), large.versions[1]);
	expect((await update(large.name, { defaultVersion: large.versions[0] })).planned).toEqual([]);
});

test('a default is a published version, is set alone, and keeps its version from being deleted', async () => {
	const { name, versions } = await prepared(0);
	expect(await refused(name, { defaultVersion: 'nobody@1' })).toMatchObject({ code: 'not-found' });
	expect(await refused(name, { defaultVersion: versions[0], priority: 1 })).toMatchObject({
		...{ code: 'invalid-argument', details: { field: 'defaultVersion' } },
	});
	expect(await refused('ungrouped', { defaultVersion: versions[0] })).toMatchObject({ code: 'group-not-a-target' });
	await update(name, { defaultVersion: versions[0] });
	await stage.must('archiveVersion', { params: parts(versions[0]) });
	await sql(
		'update agent_group set default_version = (select id from configuration_version where configuration_id = (select id from configuration where name = $1) and number = 1) where name = $1',
		[name],
	);
	expect((await stage.call('deleteVersion', { params: parts(versions[0]) })).body).toMatchObject({
		...{ code: 'version-in-use', message: expect.stringContaining('the default of 1 group') },
	});
	await update(name, { defaultVersion: '' });
	expect(await refused(name, { defaultVersion: versions[0] })).toMatchObject({ code: 'version-not-published' });
	await stage.must('deleteVersion', { params: parts(versions[0]) });
});

test('a selector that brings many into a group with a default holds them for a rollout', async () => {
	const { name, id, versions } = await prepared(0);
	await update(name, { defaultVersion: versions[0] });
	const agents = await stage.agents(12);
	await sql(
		`update agent set description = '{"identifying": {}, "nonIdentifying": {"held": "yes"}}' where id = any($1::uuid[])`,
		[agents],
	);
	const { planned } = await update(name, { selector: 'agent.attributes.held == "yes"' });
	expect(planned).toMatchObject([{ group: name, version: versions[0], agents: 12 }]);
	expect(await sql('select sweep, sweep_holds from agent_group where id = $1', [id])).toEqual([
		{ sweep: 'evaluate', sweep_holds: true },
	]);
	// It is for agents that have still to come: what holds then is asked when it starts.
	await sql('update agent set group_id = $2 where id = any($1::uuid[])', [agents, id]);
	const started = await stage.call('startRollout', { params: { rollout: planned[0].rollout }, body: {} });
	expect(started.body.code).not.toBe('plan-void');
});

/** Agents that say so of themselves, in no group. */
async function saying(count: number, attributes: Record<string, unknown>): Promise<readonly string[]> {
	const agents = await stage.agents(count);
	const description = JSON.stringify({ identifying: {}, nonIdentifying: attributes });
	await sql('update agent set description = $2::jsonb where id = any($1::uuid[])', [agents, description]);
	return agents;
}

test('a selector that brings many into a rollout under way is refused, also without a default', async () => {
	const { name, id, versions } = await prepared(10);
	await saying(12, { joins: 'yes' });
	const { id: rollout } = await stage.must('createRollout', {
		body: { group: name, version: versions[0], start: 'manual' },
	});
	const selector = 'agent.attributes.joins == "yes"';
	const becomes = (state: string, rollingBack = false) =>
		sql(
			`update rollout set state = $2, machine = machine || jsonb_build_object('rollingBack', $3::boolean) where id = $1`,
			[rollout, state, rollingBack],
		);
	for (const state of ['InProgress', 'Paused']) {
		await becomes(state);
		expect(await refused(name, { selector, priority: 50 })).toMatchObject({
			...{ code: 'rollout-active', details: { rollout, state, agents: 12 } },
		});
		const { items } = await stage.must('previewGroup', { body: { group: name, selector, priority: 50 } });
		expect(items.map(({ wouldRun }: Loose) => wouldRun)).toEqual(Array(12).fill(versions[0]));
	}
	expect(await sql('select selector, sweep from agent_group where id = $1', [id])).toEqual([
		{ selector: null, sweep: null },
	]);
	// One that goes back, or has ended, takes nobody in: they keep what they run.
	await becomes('Paused', true);
	expect((await update(name, { selector, priority: 50 })).planned).toEqual([]);
	await becomes('Completed');
	const again = await stage.must('previewGroup', { body: { group: name, selector: `${selector} || false` } });
	expect(again.items.map(({ wouldRun }: Loose) => wouldRun)).toEqual(Array(12).fill(null));
});

test('whom a corrected selector lets go to another group are counted there, held, and shown', async () => {
	const target = await prepared(0);
	await update(target.name, { defaultVersion: target.versions[0] });
	await update(target.name, { selector: 'has(agent.attributes.held_back)' });
	const { name, id } = await prepared(0);
	await update(name, { selector: 'agent.attributes.tier == "gold"', priority: 10 });
	const agents = await saying(12, { held_back: 'yes' });
	await sql('update agent_group set sweep = null where id = any($1::uuid[])', [[id, target.id]]);
	await sql(
		`insert into agent_selection (agent_id, matches, errors) select unnest($1::uuid[]), array[$2::uuid], $3::jsonb`,
		[agents, target.id, JSON.stringify({ [id]: 'no such key: tier' })],
	);
	const selector = 'has(agent.attributes.tier) && agent.attributes.tier == "gold"';
	const shown = await stage.must('previewGroup', { body: { group: name, selector } });
	expect(shown.counts).toMatchObject({ comes: 0, goes: 0, passes: 12, errors: 0 });
	expect(shown.items[0]).toMatchObject({
		...{ change: 'passes', from: 'ungrouped', to: target.name, runs: null, wouldRun: target.versions[0] },
	});
	expect((await update(name, { selector })).planned).toMatchObject([{ group: target.name, agents: 12 }]);
	const sweeps = 'select sweep, sweep_holds from agent_group where id = any($1::uuid[]) order by id = $2';
	expect(await sql(sweeps, [[id, target.id], id])).toEqual([
		{ sweep: 'decide', sweep_holds: true },
		{ sweep: 'evaluate', sweep_holds: true },
	]);
	// They are spoken for: they are no part of what another change brings about.
	const other = await prepared(0);
	expect((await update(other.name, { selector: 'agent.attributes.nobody == "x"' })).planned).toEqual([]);
});

test('a change on top of one that is still being swept does not take its hold away', async () => {
	const { name, id, versions } = await prepared(0);
	await update(name, { defaultVersion: versions[0] });
	const agents = await saying(12, { twice: 'yes' });
	await sql('insert into agent_selection (agent_id) select unnest($1::uuid[])', [agents]);
	const holds = async () => (await sql('select sweep_holds as holds from agent_group where id = $1', [id]))[0].holds;
	expect((await update(name, { selector: 'agent.attributes.twice == "yes"', priority: 60 })).planned).toHaveLength(1);
	expect((await update(name, { priority: 65 })).planned).toEqual([]);
	expect(await holds()).toBe(true);
	await sql('update agent_group set sweep = null where id = $1', [id]);
	await sql('update agent set group_id = $2 where id = any($1::uuid[])', [agents, id]);
	await update(name, { priority: 66 });
	expect(await holds()).toBe(false);
});

test('a person lets a stopped enrolment go on, once', async () => {
	const { name, id, versions } = await prepared(0);
	await update(name, { defaultVersion: versions[0] });
	const versionId = await idOf(versions[0]);
	const verdicts = [{ agentId: id, bad: 'failed: no such exporter' }];
	const stopped = { atMs: Date.now(), why: '3 bad of the last 3' };
	await sql('update agent_group set enrolment = $2 where id = $1', [
		id,
		JSON.stringify({ ...newEnrolment, versionId, verdicts, stopped }),
	]);
	expect((await stage.must('getGroup', { params: { group: name } })).enrolment).toMatchObject({
		...{ judged: 1, bad: [{ agent: id, why: 'failed: no such exporter' }], stopped: { why: '3 bad of the last 3' } },
	});
	for (const _ of ['once', 'and again']) {
		const { enrolment } = await stage.must('resumeEnrolment', { params: { group: name } });
		expect(enrolment).toMatchObject({ judged: 0, bad: [], stopped: null });
	}
	const { items } = await stage.must('listAudit', { query: { entity: id } });
	expect(items.filter(({ action }: Loose) => action === 'Group.EnrolmentResumed')).toHaveLength(1);
});
