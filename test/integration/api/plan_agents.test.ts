// Who a plan is about: over REST and from a shell, on a real database.
import { exitCodes, runCli } from '@ampora/cli';
import { newId } from '@ampora/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, type Loose, namedYaml } from './stage.js';

let stage: ApiStage;
let server: string;
let plan: Loose;
const ids: Record<string, string> = {};
const nameOf = (id: string): string | undefined => Object.keys(ids).find((name) => ids[name] === id);

const versionId = (number: number) => `(select id from configuration_version where number = ${number})`;
const sql = (text: string, params: readonly unknown[]) => stage.database.sql.query(text, params);

beforeAll(async () => {
	stage = await apiStage();
	({ url: server } = await stage.api.listen());
	await stage.must('createGroup', { body: { name: 'shops' } });
	await stage.must('createConfiguration', { body: { name: 'edge' } });
	for (const text of ['one', 'two']) {
		const params = { configuration: 'edge' };
		const { number } = await stage.must('createVersion', { params, body: { yaml: namedYaml(text) } });
		await stage.must('publishVersion', { params: { ...params, number } });
	}
	await sql("insert into gateway (id, incarnation, expires_at) values ('gw-1', 1, now() + interval '1 hour')", []);
	const catalogue = `insert into component_catalogue (distribution, version, hash, components) values ('otelcol', $1, '\\x01', $2)`;
	await sql(catalogue, ['1.0.0', { receivers: ['nop'], exporters: ['nop'] }]);
	await sql(catalogue, ['2.0.0', { receivers: ['nop'], exporters: ['debug'] }]);
	const names = ['well', 'away', 'sick', 'lean', 'mute', 'unproven', 'done', 'closed', 'barred'];
	for (const name of names) {
		const kind = { hostname: name, healthy: name !== 'sick', version: name === 'lean' ? '2.0.0' : '1.0.0' };
		const [id = ''] = await stage.agents(1, { ...kind, gateway: name === 'away' ? null : 'gw-1' });
		ids[name] = id;
	}
	const all = Object.values(ids);
	await stage.must('addGroupAgents', { params: { group: 'shops' }, body: { agents: all } });
	await sql(
		`update agent set gateway_incarnation = 1, proven_version = ${versionId(1)}, components_hash = '\\x01' where id = any($1::uuid[])`,
		[all],
	);
	await sql(
		`insert into assignment (agent_id, version_id, offered_hash, seq, cause, answer)
		select a, ${versionId(1)}, '\\x00', 1, 'rollout', 'applied' from unnest($1::uuid[]) a`,
		[all],
	);
	await sql('update agent set components_hash = null where id = $1', [ids.mute]);
	await sql('update agent set proven_version = null where id = $1', [ids.unproven]);
	await sql(`update assignment set version_id = ${versionId(2)} where agent_id = $1`, [ids.done]);
	await sql('update agent set capabilities = 6149 where id = $1', [ids.closed]);
	await sql(`insert into quarantine (agent_id, version_id, reason) values ($1, ${versionId(2)}, 'failed')`, [
		ids.barred,
	]);
	plan = await stage.must('planRollout', { body: { group: 'shops', version: 'edge@2', order: 'hostname' } });
});
afterAll(() => stage[Symbol.asyncDispose]());

async function listed(query: Record<string, string | number> = {}): Promise<Loose[]> {
	const { items } = await stage.must('listPlanAgents', { params: { plan: plan.id }, query });
	return items;
}
const names = async (query: Record<string, string | number>) => (await listed(query)).map(({ id }) => nameOf(id));

test('who is left out follows those to be pushed, and of each it is said what was known', async () => {
	expect(plan).toMatchObject({
		...{ eligible: 6, alreadyApplied: 1, skipped: { 'no-remote-config': 1, quarantined: 1 } },
		...{ sickBefore: 1, noWayBack: 1, incompatible: 1, unknown: 1 },
	});
	const all = await listed();
	expect(all.map(({ place }) => place)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
	expect(all.slice(0, 6).every(({ step, excluded }) => step !== null && excluded === null)).toBe(true);
	const about = (name: string) => all.find(({ id }) => id === ids[name]);
	const well = { deferred: false, excluded: null, sickBefore: false, fit: 'has', lacks: [], noWayBack: false };
	expect(about('well')).toMatchObject(well);
	expect(about('away')).toMatchObject({ ...well, deferred: true });
	expect(about('sick')).toMatchObject({ ...well, sickBefore: true });
	expect(about('lean')).toMatchObject({ ...well, fit: 'lacks', lacks: ['exporters/nop'] });
	expect(about('mute')).toMatchObject({ ...well, fit: 'unknown' });
	expect(about('unproven')).toMatchObject({ ...well, noWayBack: true });
	expect(about('done')).toMatchObject({ ...well, step: null, excluded: 'already-applied' });
	expect(about('closed')).toMatchObject({ ...well, step: null, excluded: 'no-remote-config' });
	expect(about('barred')).toMatchObject({ ...well, step: null, excluded: 'quarantined' });
});

test('whoever applied a version of the same meaning runs it already', async () => {
	const params = { configuration: 'edge' };
	const { number } = await stage.must('createVersion', { params, body: { yaml: `# one, again\n${namedYaml('one')}` } });
	await stage.must('publishVersion', { params: { ...params, number } });
	const again = await stage.must('planRollout', { body: { group: 'shops', version: `edge@${number}` } });
	expect(again).toMatchObject({ eligible: 1, alreadyApplied: 8, skipped: {} });
});

test('each number of the plan can be asked who it is', async () => {
	expect(await names({ about: 'sick-before' })).toEqual(['sick']);
	expect(await names({ about: 'incompatible' })).toEqual(['lean']);
	expect(await names({ about: 'unknown' })).toEqual(['mute']);
	expect(await names({ about: 'no-way-back' })).toEqual(['unproven']);
	expect(await names({ about: 'excluded' })).toEqual(['barred', 'closed', 'done']);
	expect(await names({ about: 'pushed' })).toHaveLength(6);
	expect(await names({ about: 'excluded', step: 1 })).toEqual([]);
	const perStep = await Promise.all(plan.steps.map(({ number }: Loose) => names({ step: number })));
	expect(perStep.flat()).toEqual(await names({ about: 'pushed' }));
	const wrong = await stage.call('listPlanAgents', { params: { plan: plan.id }, query: { about: 'anything' } });
	expect(wrong).toMatchObject({ status: 400, body: { code: 'invalid-argument' } });
});

test.each([{}, { about: 'pushed' }, { about: 'excluded' }])('pages of %o hold all once', async (query) => {
	const found: Loose[] = [];
	for (let cursor: string | null = ''; cursor !== null; ) {
		const asked = { ...query, limit: 2, ...(cursor !== '' && { cursor }) };
		const page = await stage.must('listPlanAgents', { params: { plan: plan.id }, query: asked });
		found.push(...page.items);
		cursor = page.nextCursor;
	}
	expect(found).toEqual(await listed(query));
});

test('a plan from before this was kept lists whom it pushes, and does not say who is what', async () => {
	const id = newId<string>();
	await sql(
		`insert into rollout_plan (id, group_id, version_id, spec, digest, content, agent_ids, created_by)
		select $1, group_id, version_id, spec, digest, content - 'notes', agent_ids[1:6], created_by from rollout_plan where id = $2`,
		[id, plan.id],
	);
	const { items } = await stage.must('listPlanAgents', { params: { plan: id } });
	expect(items.map(({ id: agent }: Loose) => agent)).toEqual((await listed({ about: 'pushed' })).map(({ id }) => id));
	const refused = await stage.call('listPlanAgents', { params: { plan: id }, query: { about: 'excluded' } });
	expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-argument', details: { field: 'about' } } });
});

/** What a command line says. */
async function ampora(line: string): Promise<{ code: number; out: string; err: string }> {
	const said = { out: '', err: '' };
	const sink = (to: 'out' | 'err') => ({
		write: (chunk: string) => {
			said[to] += chunk;
		},
		isTTY: false,
		columns: 100,
	});
	const code = await runCli(line.split(' '), {
		...{ stdout: sink('out'), stderr: sink('err'), fetch },
		env: { AMPORA_SERVER: server, AMPORA_TOKEN: stage.admin },
		readFile: async () => '',
		signal: new AbortController().signal,
	});
	return { code, ...said };
}

test('the command line says it as a table, as CSV and as JSON', async () => {
	const table = await ampora(`rollouts plan-agents ${plan.id}`);
	expect(table.code).toBe(exitCodes.ok);
	for (const [name, note] of [
		['lean', 'lacks exporters/nop'],
		['mute', 'components unknown'],
		['sick', 'sick before'],
		['unproven', 'no way back'],
		['barred', 'left out: quarantined'],
	] as const) {
		expect(table.out.split('\n').find((row) => row.includes(ids[name] ?? ''))).toContain(note);
	}
	const csv = await ampora(`rollouts plan-agents ${plan.id} --about incompatible --csv`);
	const [head = '', row = '', end] = csv.out.split('\n');
	expect([head.split(',').length, row.split(',').length, end]).toEqual([11, 11, '']);
	expect(head).toContain('excluded,sick_before,fit,lacks,no_way_back');
	expect(row).toContain(`${ids.lean},`);
	expect(row).toContain(',,false,lacks,exporters/nop,false');
	const json = await ampora(`rollouts plan-agents ${plan.id} --about no-way-back --json`);
	expect(JSON.parse(json.out)).toMatchObject([{ id: ids.unproven, noWayBack: true }]);
	expect((await ampora(`rollouts plan-agents ${plan.id} --about anything`)).code).toBe(exitCodes.usage);
	expect((await ampora(`rollouts plan ${plan.id}`)).out).toContain(`rollouts plan-agents ${plan.id}, with --about`);
});
