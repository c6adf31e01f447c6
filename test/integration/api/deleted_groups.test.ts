import { enrolmentRules } from '@ampora/control';
import { createEngineTelemetry, createMembership } from '@ampora/rollout-engine';
import { systemClock } from '@ampora/runtime';
import { createEngineStore, createEnrolmentStore, createSelectorStore } from '@ampora/store';
import { createMetricsRegistry, createTracer, silentLogger } from '@ampora/telemetry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const named = (group: string) => ({ params: { group } });
const namesOf = async (query: Record<string, string> = {}): Promise<string[]> =>
	(await stage.must('listGroups', { query })).items.map(({ name }: { name: string }) => name);
const actionsOn = async (entity: string): Promise<string[]> =>
	(await stage.must('listAudit', { query: { entity } })).items.map(({ action }: { action: string }) => action);
const end = (rollout: string) =>
	stage.database.sql.query(`update rollout set state = 'Cancelled', ended_at = now() where id = $1`, [rollout]);

test('a deleted group is out of the way, keeps its history and its name, and comes back as it was', async () => {
	const selector = 'agent.attributes.env == "prod"';
	const { id } = await stage.must('createGroup', { body: { name: 'prod', selector, priority: 7 } });
	const calendar = { groups: ['prod'], days: ['mon'], from: '22:00', to: '23:00', timeZone: 'UTC' };
	await stage.must('createChangeWindow', { body: { name: 'nights', ...calendar } });
	const rollout = await stage.must('createRollout', { body: { group: 'prod', config: goodYaml, start: 'manual' } });
	expect(await stage.call('deleteGroup', named('prod'))).toMatchObject({
		...{ status: 409, body: { code: 'group-in-use', details: { rollout: rollout.id } } },
	});
	await end(rollout.id);
	expect(await stage.must('deleteGroup', named('prod'))).toEqual({ planned: [] });

	expect([await namesOf(), await namesOf({ deleted: 'true' })]).toEqual([['ungrouped'], ['prod']]);
	const { byGroup } = await stage.must('getFleet');
	expect(byGroup.map(({ group }: { group: string }) => group)).toEqual(['ungrouped']);
	expect(await stage.must('getGroup', named('prod'))).toMatchObject({ deletedAt: expect.any(String), selector });
	expect((await stage.must('listRollouts', { query: { group: 'prod' } })).items).toHaveLength(1);
	const agents = await stage.agents(1);
	for (const [operation, options] of [
		['createRollout', { body: { group: 'prod', config: goodYaml } }],
		['planRollout', { body: { group: 'prod', version: 'prod@1' } }],
		['addGroupAgents', { ...named('prod'), body: { agents } }],
		['updateGroup', { ...named('prod'), body: { priority: 1 } }],
		['createFreeze', { body: { ...freeze, name: 'f', groups: ['prod'] } }],
		['deleteGroup', named(id)],
	] as const)
		expect((await stage.call(operation, options)).body, operation).toMatchObject({
			code: 'group-deleted',
			action: expect.stringContaining('ampora groups restore prod'),
		});
	expect((await stage.call('createGroup', { body: { name: 'prod' } })).body).toMatchObject({
		code: 'already-exists',
		action: expect.stringContaining('ampora groups restore prod'),
	});

	const restored = await stage.must('restoreGroup', named('prod'));
	expect(restored).toMatchObject({
		group: { id, deletedAt: null, selector, priority: 7, settling: true },
		planned: [],
	});
	expect(await stage.must('restoreGroup', named('prod'))).toMatchObject({ group: { deletedAt: null }, planned: [] });
	expect(await namesOf()).toEqual(['prod', 'ungrouped']);
	expect((await stage.must('listChangeWindows')).items).toMatchObject([{ name: 'nights', groups: [id] }]);
	expect(await actionsOn(id)).toEqual(['Group.Restored', 'Group.Deleted', 'Group.Created']);
	await stage.must('createRollout', { body: { group: 'prod', config: goodYaml, start: 'manual' } });
});

const freeze = { from: '2060-01-01T00:00:00Z', until: '2060-01-02T00:00:00Z', reason: 'a party' };

test('a static group with agents is not deleted, and says how to empty it', async () => {
	await stage.must('createGroup', { body: { name: 'full' } });
	const agents = await stage.agents(2);
	await stage.must('addGroupAgents', { ...named('full'), body: { agents } });
	expect((await stage.call('deleteGroup', named('full'))).body).toMatchObject({
		...{ code: 'group-in-use', message: 'the group "full" is static and has 2 agents' },
		action: expect.stringContaining('ampora groups remove full'),
	});
	await stage.must('removeGroupAgents', { ...named('full'), body: { agents } });
	await stage.must('deleteGroup', named('full'));
	await stage.database.sql.query('delete from selector_work');
});

/** A dynamic group with these members, as the engine leaves it. */
async function settled(name: string, given: { selector: string; priority: number; agents: readonly string[] }) {
	const { selector, priority, agents } = given;
	const { id } = await stage.must('createGroup', { body: { name, selector, priority } });
	await sql('update agent_group set sweep = null where id = $1', [id]);
	await sql('update agent set group_id = $2 where id = any($1::uuid[])', [agents, id]);
	return String(id);
}
const sql = (text: string, params: readonly unknown[] = []) => stage.database.sql.query(text, params);

/** A version that these agents are given when they come to the group. */
async function withDefault(group: string): Promise<string> {
	await stage.must('createConfiguration', { body: { name: group } });
	const draft = typeof goodYaml === 'string' ? { yaml: goodYaml } : goodYaml;
	const { number } = await stage.must('createVersion', { params: { configuration: group }, body: draft });
	await stage.must('publishVersion', { params: { configuration: group, number } });
	const defaultVersion = `${group}@${number}`;
	await stage.must('updateGroup', { ...named(group), body: { defaultVersion } });
	return defaultVersion;
}

test('a dynamic group is deleted with its members, who go where others find them and run what they did', async () => {
	const agents = await stage.agents(12);
	const description = JSON.stringify({ identifying: {}, nonIdentifying: { shop: 'a' } });
	await sql('update agent set description = $2::jsonb where id = any($1::uuid[])', [agents, description]);
	const selector = 'has(agent.attributes.shop)';
	const shops = await settled('shops', { selector, priority: 90, agents });
	await sql('insert into agent_selection (agent_id, matches) select unnest($1::uuid[]), array[$2::uuid]', [
		agents,
		shops,
	]);
	expect(await stage.must('deleteGroup', named('shops'))).toEqual({ planned: [] });
	const held = await sql(
		`select distinct g.name, a.enrolment_due_at is not null as waits from agent a join agent_group g on g.id = a.group_id where a.id = any($1::uuid[])`,
		[agents],
	);
	expect(held).toEqual([{ name: 'ungrouped', waits: false }]);
	const work = 'select agent_id as id, changed from selector_work where agent_id = any($1::uuid[]) order by agent_id';
	expect(await sql(work, [agents])).toEqual(agents.toSorted().map((id) => ({ id, changed: null })));
	expect(await stage.must('getGroup', named('shops'))).toMatchObject({ agents: 0, selector, priority: 90 });
	await sql('delete from selector_work');

	// They come back by its selector, and its default is many of them's: a rollout.
	await stage.must('restoreGroup', named('shops'));
	const version = await withDefault('shops');
	await stage.must('deleteGroup', named('shops'));
	const { group, planned } = await stage.must('restoreGroup', named('shops'));
	expect(group).toMatchObject({ defaultVersion: version, activeRollout: planned[0].rollout, settling: true });
	expect(planned).toMatchObject([{ group: 'shops', version, agents: 12 }]);
	expect(await sql('select sweep, sweep_holds as holds from agent_group where id = $1', [shops])).toEqual([
		{ sweep: 'evaluate', holds: true },
	]);
	await end(planned[0].rollout);
	await stage.must('updateGroup', { ...named('shops'), body: { defaultVersion: '' } });
	await stage.must('deleteGroup', named('shops'));
});

test('members that come to the default of another group by a deletion wait for a rollout there', async () => {
	const agents = await stage.agents(12);
	const description = JSON.stringify({ identifying: {}, nonIdentifying: { till: 'a' } });
	await sql('update agent set description = $2::jsonb where id = any($1::uuid[])', [agents, description]);
	const next = await settled('next', { selector: 'has(agent.attributes.till)', priority: 91, agents: [] });
	const version = await withDefault('next');
	const first = await settled('first', { selector: 'has(agent.attributes.till) && true', priority: 92, agents });
	await sql('insert into agent_selection (agent_id, matches) select unnest($1::uuid[]), array[$2::uuid, $3::uuid]', [
		agents,
		next,
		first,
	]);
	const { planned } = await stage.must('deleteGroup', named('first'));
	expect(planned).toMatchObject([{ group: 'next', version, agents: 12 }]);
	expect(await sql('select sweep, sweep_holds as holds from agent_group where id = $1', [next])).toEqual([
		{ sweep: 'decide', holds: true },
	]);
	await sql('update agent_group set sweep = null');
	await sql('delete from selector_work');
	await end(planned[0].rollout);
	await stage.must('deleteGroup', named('next'));
	await sql('delete from selector_work');
});

test('a preview of a deleted group says who would come back', async () => {
	const [agent] = await stage.agents(1);
	await stage.must('createGroup', { body: { name: 'gone', selector: 'agent.attributes.zone == "z"' } });
	await stage.must('deleteGroup', named('gone'));
	const description = JSON.stringify({ identifying: {}, nonIdentifying: { zone: 'z' } });
	await stage.database.sql.query(`update agent set description = $2::jsonb where id = $1`, [agent, description]);
	// What was found of it does not know the deleted group.
	await stage.database.sql.query('insert into agent_selection (agent_id) values ($1)', [agent]);
	const { items } = await stage.must('previewGroup', { body: { group: 'gone' } });
	expect(items).toMatchObject([{ agent, change: 'comes', to: 'gone' }]);
});

test('whoever uses a group while it is deleted comes first, or is refused', async () => {
	await Promise.all(
		Array.from({ length: 8 }, async (_, n) => {
			const name = `race-${n}`;
			await stage.must('createGroup', { body: { name } });
			const agents = await stage.agents(1);
			const [used, deleted] = await Promise.all([
				n % 2 === 0
					? stage.call('createRollout', { body: { group: name, config: goodYaml, start: 'manual' } })
					: stage.call('addGroupAgents', { ...named(name), body: { agents } }),
				stage.call('deleteGroup', named(name)),
			]);
			const ends = [used.status < 300, deleted.status < 300];
			expect(ends.filter(Boolean), JSON.stringify([used.body, deleted.body])).toHaveLength(1);
			expect((ends[0] ? deleted : used).body.code).toBe(ends[0] ? 'group-in-use' : 'group-deleted');
		}),
	);
});

test('the selector of a deleted group finds nobody; restored, it finds whoever matches by then', async () => {
	const { sql } = stage.database;
	const [tracer, registry] = [createTracer({ service: 'test' }), createMetricsRegistry()];
	const membership = createMembership(
		{
			store: { ...createEngineStore(sql), ...createSelectorStore(sql), ...createEnrolmentStore(sql) },
			...{ rules: enrolmentRules(stage.store), clock: systemClock },
			telemetry: createEngineTelemetry({ logger: silentLogger, tracer, registry, dispatchCountsAs: 'local' }),
		},
		{ leaseTtlMs: 3_000 },
	);
	membership.start();
	const [agent = ''] = await stage.agents(1);
	const selector = 'has(agent.attributes.place) && agent.attributes.place == "here"';
	await stage.must('createGroup', { body: { name: 'found', selector, priority: 9 } });
	await stage.must('deleteGroup', named('found'));
	const description = JSON.stringify({ identifying: {}, nonIdentifying: { place: 'here', env: 'test' } });
	await sql.query('update agent set description = $2::jsonb where id = $1', [agent, description]);
	await sql.query('insert into selector_work (agent_id) values ($1)', [agent]);
	const left = async () => (await sql.query('select from selector_work')).length;
	await expect.poll(left, { timeout: 20_000 }).toBe(0);
	const where = async () => (await stage.must('getAgent', { params: { agent } })).group;
	expect(await where()).not.toBe('found');
	await stage.must('restoreGroup', named('found'));
	await expect.poll(where, { timeout: 20_000 }).toBe('found');
	await membership.stop();
});
