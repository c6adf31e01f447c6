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
