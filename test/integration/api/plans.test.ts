// What a rollout would do, over REST on a real database, and how its start is bound to that.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reachedAt } from './rollout_story.js';
import { type ApiStage, apiStage, type Loose } from './stage.js';

let stage: ApiStage;
let agents: string[];

/** Agents of the group that a gateway holds, healthy, and proven on edge@1. */
async function join(count: number): Promise<string[]> {
	const ids = await stage.agents(count);
	await stage.must('addGroupAgents', { params: { group: 'shops' }, body: { agents: ids } });
	await stage.database.sql.query(
		`update agent set gateway_incarnation = 1, proven_version = (select id from configuration_version where number = 1)
		where id = any($1::uuid[])`,
		[ids],
	);
	await stage.database.sql.query(
		`insert into assignment (agent_id, version_id, offered_hash, seq, cause, answer)
		select a, (select id from configuration_version where number = 1), '\\x00', 1, 'rollout', 'applied' from unnest($1::uuid[]) a`,
		[ids],
	);
	return ids;
}

beforeAll(async () => {
	stage = await apiStage();
	await stage.must('createConfiguration', { body: { name: 'edge' } });
	const texts = [reachedAt('a'), reachedAt('a').replace('exporters:\n  nop:', 'exporters:\n  nop: {}'), reachedAt('b')];
	for (const [index, yaml] of texts.entries()) {
		const params = { configuration: 'edge' };
		await stage.must('createVersion', { params, body: { yaml } });
		await stage.must('publishVersion', { params: { ...params, number: index + 1 } });
	}
	await stage.database.sql.query(
		`insert into gateway (id, incarnation, expires_at) values ('gw-1', 1, now() + interval '1 hour')`,
	);
	await stage.must('createGroup', { body: { name: 'shops' } });
	agents = await join(40);
});
afterAll(() => stage[Symbol.asyncDispose]());

const asked = { group: 'shops', version: 'edge@2', strategy: { kind: 'percentage', percentages: ['10%', '100%'] } };

test('says who would be pushed when, what would stop it, and what changes', async () => {
	const plan = await stage.must('planRollout', { body: asked });
	expect(plan).toMatchObject({
		...{ group: 'shops', version: 'edge@2', eligible: 40, noWayBack: 0, unknown: 40, advancedByHand: true },
		steps: [
			{ number: 1, agents: 4, deferred: 0 },
			{ number: 2, agents: 36, deferred: 0 },
		],
		comparison: { from: 'edge@1', to: 'edge@2', edits: [{ op: 'change', path: 'exporters.nop' }] },
	});
	const { gates } = plan.steps[0];
	expect(gates.find(({ gate }: Loose) => gate === 'apply-failed-ratio').step).toEqual({
		kind: 'armed',
		k: 1,
		n: 4,
		why: null,
	});
	expect(plan.risks.map(({ risk }: Loose) => risk)).toEqual(['unknown-catalogue']);
	expect(await stage.must('getRolloutPlan', { params: { plan: plan.id } })).toEqual(plan);
	const params = { plan: plan.id };
	const first = await stage.must('listPlanAgents', { params, query: { step: 1 } });
	const pages = [await stage.must('listPlanAgents', { params, query: { limit: 30 } })];
	pages.push(await stage.must('listPlanAgents', { params, query: { limit: 30, cursor: pages[0].nextCursor } }));
	const all = pages.flatMap(({ items }) => items);
	expect(pages[1].nextCursor).toBeNull();
	expect(all.map(({ place }) => place)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
	expect(all.slice(0, 4)).toEqual(first.items);
	expect(all.map(({ id }) => id).toSorted()).toEqual(agents.toSorted());
});

test('a change of the management path begins with one agent', async () => {
	const plan = await stage.must('planRollout', { body: { ...asked, version: 'edge@3' } });
	expect(plan.risks.map(({ risk }: Loose) => risk)).toContain('management-path');
	expect(plan.comparison.managementPath).toEqual(['extensions.opamp.server.ws.endpoint']);
	expect(plan.steps.map(({ name, agents }: Loose) => [name, agents])).toEqual([
		['first-agent', 1],
		[null, 3],
		[null, 36],
	]);
});

test('the same terms have the same digest, others another', async () => {
	const body = { ...asked, seed: 'same' };
	const [one, two] = [await stage.must('planRollout', { body }), await stage.must('planRollout', { body })];
	expect(two.digest).toBe(one.digest);
	expect((await stage.must('planRollout', { body: { ...body, onGate: 'rollback' } })).digest).not.toBe(one.digest);
});

test('lapses after a day', async () => {
	const plan = await stage.must('planRollout', { body: { ...asked, group: 'shops' } });
	await stage.database.sql.query(`update rollout_plan set created_at = now() - interval '25 hours' where id = $1`, [
		plan.id,
	]);
	const refused = await stage.call('createRollout', { body: { group: 'shops', version: 'edge@2', plan: plan.id } });
	expect(refused).toMatchObject({ status: 409, body: { code: 'plan-void' } });
	expect(refused.body.message).toContain('24 hours');
});

test('binds the rollout that is created by it, until the group is another one', async () => {
	const plan = await stage.must('planRollout', { body: asked });
	const body = { group: 'shops', version: 'edge@2', plan: plan.id, start: 'manual' };
	const again = await stage.call('createRollout', { body: { ...body, onGate: 'rollback' } });
	expect(again).toMatchObject({ status: 400, body: { code: 'invalid-argument' } });
	expect(await stage.call('createRollout', { body: { ...body, version: 'edge@3' } })).toMatchObject({ status: 400 });

	await join(11);
	const refused = await stage.call('createRollout', { body });
	expect(refused).toMatchObject({
		status: 409,
		body: { code: 'plan-void', details: { changes: ['51 agents are to be pushed, 40 were when it was planned'] } },
	});
	const made = await stage.must('createRollout', { body: { ...body, replan: true } });
	const rollout = await stage.must('getRollout', { params: { rollout: made.id } });
	expect(rollout.spec.seed).toBe(plan.spec.seed);
});

test('what a rollout was created on is looked at again when it is started by hand', async () => {
	const active = await stage.must('listRollouts', { query: { active: 'true' } });
	for (const { id } of active.items) {
		await stage.database.sql.query(`update rollout set state = 'Cancelled', ended_at = now() where id = $1`, [id]);
	}
	const { id } = await stage.must('createRollout', { body: { ...asked, start: 'manual' } });
	const { plan } = await stage.must('getRollout', { params: { rollout: id } });
	expect(plan).toMatchObject({ eligible: 51, risks: ['unknown-catalogue'] });
	expect(plan.digest).toMatch(/^[0-9a-f]{64}$/);

	// One of them stands elsewhere: going to edge@2 changes its way to its server.
	const third = `(select id from configuration_version where number = 3)`;
	await stage.database.sql.query(`update assignment set version_id = ${third} where agent_id = $1`, [agents[0]]);
	await join(20);
	const params = { rollout: id };
	const refused = await stage.call('startRollout', { params, body: {} });
	expect(refused).toMatchObject({ status: 409, body: { code: 'plan-void' } });
	expect(refused.body.details.changes).toEqual([
		'71 agents are to be pushed, 51 were when it was planned',
		'a new risk: management-path',
		'a new risk: gates-advisory',
	]);
	expect((await stage.must('getRollout', { params })).plan).toEqual(plan);

	expect((await stage.call('startRollout', { params, body: { replan: true } })).status).toBe(202);
	const bound = await stage.must('getRollout', { params });
	expect(bound.plan.eligible).toBe(71);
	expect(bound.plan.digest).not.toBe(plan.digest);
	expect(bound.steps[0]).toMatchObject({ name: 'first-agent' });

	// That start is undecided: what it begins on cannot be exchanged under it.
	const busy = await stage.call('startRollout', { params, body: { replan: true } });
	expect(busy).toMatchObject({ status: 409, body: { code: 'command-refused', details: { reason: 'busy' } } });
	expect(busy.body.message).toContain('another command');
});
