import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiStage, apiStage, goodYaml } from './stage.js';

let stage: ApiStage;
beforeAll(async () => {
	stage = await apiStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

test('from a configuration to a rollout with its start command', async () => {
	await stage.must('createConfiguration', { body: { name: 'edge' } });
	const draft = await stage.must('createVersion', { params: { configuration: 'edge' }, body: { yaml: goodYaml } });
	expect(draft).toMatchObject({ ref: 'edge@1', state: 'Draft' });
	const { version } = await stage.must('publishVersion', { params: { configuration: 'edge', number: 1 } });
	expect(version).toMatchObject({ ref: 'edge@1', state: 'Published' });
	await stage.must('createGroup', { body: { name: 'shops' } });
	const agents = await stage.agents(3);
	const moved = await stage.must('addGroupAgents', { params: { group: 'shops' }, body: { agents } });
	expect(moved).toMatchObject({ changed: 3, group: { agents: 3, connected: 3 } });

	const created = await stage.call('createRollout', { body: { group: 'shops', version: 'edge@1' } });
	expect(created.status).toBe(202);
	expect(created.body).toMatchObject({ state: 'Pending', group: 'shops', version: 'edge@1' });
	const open = await stage.store.commands.open(created.body.id);
	expect(open.map(({ kind, actor }) => [kind, actor])).toEqual([['start', 'token:first-admin']]);

	const rollout = await stage.must('getRollout', { params: { rollout: created.body.id } });
	expect(rollout).toMatchObject({
		state: 'Pending',
		commands: ['cancel', 'edit-gates', 'start'],
		steps: [{ size: '5 %', dwell: '5m' }, {}, {}, {}],
	});
});
