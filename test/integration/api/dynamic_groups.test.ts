import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Agents that said so of themselves. */
async function describeThem(ids: readonly string[], attributes: Record<string, unknown>): Promise<void> {
	const description = JSON.stringify({ identifying: {}, nonIdentifying: attributes });
	await stage.database.sql.query('update agent set description = $2::jsonb where id = any($1::uuid[])', [
		ids,
		description,
	]);
}
const preview = (body: Record<string, unknown>) => stage.must('previewGroup', { body });

test('a selector that cannot be used is refused, with where and what to do', async () => {
	const { status, body } = await stage.call('createGroup', {
		body: { name: 'bad', selector: 'agent.attributes.env = 1' },
	});
	expect(status).toBe(422);
	expect(body).toMatchObject({ code: 'selector-invalid', details: { field: 'selector', line: 1, column: 22 } });
	expect((await stage.call('getGroup', { params: { group: 'bad' } })).status).toBe(404);
});

test('a preview says who would come and who would go, page by page, and changes nothing', async () => {
	const [prod, others] = [await stage.agents(7, { hostname: 'p' }), await stage.agents(3, { hostname: 'o' })];
	await describeThem(prod, { env: 'prod' });
	await describeThem(others, { env: 'test' });
	await stage.must('createGroup', { body: { name: 'chosen' } });
	await stage.must('addGroupAgents', { params: { group: 'chosen' }, body: { agents: prod.slice(0, 2) } });

	const selector = 'agent.attributes.env == "prod"';
	const first = await preview({ selector, limit: 3 });
	expect(first.counts).toEqual({
		agents: 10,
		comes: 5,
		goes: 0,
		passes: 0,
		errors: 0,
		errorExample: null,
		errorFix: null,
	});
	const second = await preview({ selector, limit: 3, cursor: first.nextCursor });
	expect([first.items.length, second.items.length, second.counts, second.nextCursor]).toEqual([3, 2, null, null]);
	expect(new Set([...first.items, ...second.items].map(({ agent }) => agent))).toEqual(new Set(prod.slice(2)));
	expect(first.items[0]).toMatchObject({ change: 'comes', from: 'ungrouped', to: '(new)', runs: null, wouldRun: null });
	expect((await stage.must('listAgents', { query: { group: 'ungrouped' } })).items).toHaveLength(8);

	expect((await preview({ selector: 'agent.attributes.zone == "a"' })).counts).toMatchObject({
		...{ comes: 0, errors: 10, errorExample: 'field not found: zone', errorFix: expect.stringContaining('has(') },
	});

	// With the group there, and its members in it, another selector lets them go.
	const { id } = await stage.must('createGroup', { body: { name: 'prod', selector } });
	await stage.database.sql.query(
		'insert into agent_selection (agent_id, matches) select unnest($1::uuid[]), array[$2::uuid]',
		[prod, id],
	);
	await stage.database.sql.query('update agent set group_id = $2 where id = any($1::uuid[])', [prod.slice(2), id]);
	const other = await preview({ group: 'prod', selector: 'agent.attributes.env == "test"' });
	expect(other.counts).toMatchObject({ comes: 3, goes: 5 });
	expect(other.items.find(({ change }: { change: string }) => change === 'goes')).toMatchObject({
		from: 'prod',
		to: 'ungrouped',
	});
	expect((await preview({ group: 'prod', selector: '' })).counts).toMatchObject({ comes: 0, goes: 0 });
	expect((await preview({ group: 'prod', priority: 9 })).counts).toMatchObject({ comes: 0, goes: 0 });
});

test('selector and priority are changed, shown and audited; members of a dynamic group are not chosen', async () => {
	await stage.must('createGroup', { body: { name: 'edge', selector: 'agent.type == "edge"', priority: 3 } });
	const changed = await stage.must('updateGroup', { params: { group: 'edge' }, body: { priority: 4 } });
	expect(changed).toMatchObject({
		group: { selector: 'agent.type == "edge"', priority: 4, settling: true, findings: [] },
		planned: [],
	});
	const [agent] = await stage.agents(1);
	const add = await stage.call('addGroupAgents', { params: { group: 'edge' }, body: { agents: [agent] } });
	expect([add.status, add.body.code]).toEqual([409, 'group-dynamic']);
	expect(await stage.must('updateGroup', { params: { group: 'edge' }, body: { selector: '' } })).toMatchObject({
		group: { selector: null, settling: false },
	});
	const { items } = await stage.must('listAudit', {});
	const actions = items.map(({ action }: { action: string }) => action);
	expect(actions).toEqual(expect.arrayContaining(['Group.Changed', 'Group.Created']));
	expect((await stage.call('updateGroup', { params: { group: 'ungrouped' }, body: { priority: 1 } })).body.code).toBe(
		'group-not-a-target',
	);
});

test('what two selectors match is a finding on both', async () => {
	const ids: Record<string, string> = {};
	for (const name of ['one', 'two'])
		ids[name] = (await stage.must('createGroup', { body: { name, selector: 'true' } })).id;
	const [agent] = await stage.agents(1);
	await stage.database.sql.query(
		'insert into agent_selection (agent_id, matches, errors) values ($1, $2::uuid[], $3::jsonb)',
		[...[agent, [ids.one, ids.two], JSON.stringify({ [String(ids.two)]: 'field not found: zone' })]],
	);
	const shown = await stage.must('getGroup', { params: { group: 'two' } });
	expect(shown.findings).toMatchObject([
		{ code: 'selector-error', agents: 1 },
		{ code: 'selector-tie', agents: 1, message: expect.stringContaining('"one" has them') },
	]);
	expect((await stage.must('getGroup', { params: { group: 'one' } })).findings).toMatchObject([
		{ code: 'selector-tie' },
	]);
});
