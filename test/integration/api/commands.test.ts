import { expect, test } from 'vitest';
import { ended, quick, useDecidingStage } from './rollout_story.js';
import { type Loose, namedYaml } from './stage.js';

const on = useDecidingStage();
const { create, group, until } = on;

test('an archived version is still the way back, kept while it is, and rolled out to nobody', async () => {
	const { name, agents } = await group(2);
	const first = await create(name, 'archived soon');
	await until(first.id, ended);
	const at = { configuration: name, number: 1 };
	expect(await on.stage.call('archiveVersion', { params: at })).toMatchObject({ body: { code: 'version-in-use' } });
	on.fleet.behave(agents.slice(1), 'fails');
	const second = await create(name, 'to be undone', { onGate: 'pause', onAgentFailure: 'leave' });
	await until(second.id, ({ state, evidence }) => state === 'Paused' && evidence.length > 0);
	await on.stage.must('abortRollout', { params: { rollout: second.id }, body: {} });
	on.fleet.behave(agents, 'applies');
	const third = await create(name, 'the last');
	await until(third.id, ended);
	expect(await on.stage.must('archiveVersion', { params: at })).toMatchObject({ state: 'Archived' });

	const kept = await on.stage.call('deleteVersion', { params: at });
	expect(kept).toMatchObject({ status: 409, body: { code: 'version-in-use', details: { rollouts: 1 } } });
	expect(kept.body.details.waysBack).toBeGreaterThan(0);
	const forward = await on.stage.call('createRollout', { body: { group: name, version: `${name}@1`, ...quick } });
	expect(forward).toMatchObject({ status: 409, body: { code: 'version-not-published' } });
	await on.stage.must('archiveVersion', { params: { configuration: name, number: 2 } });
	const retried = await on.stage.call('retryRollout', { params: { rollout: second.id }, body: {} });
	expect(retried).toMatchObject({ status: 409, body: { code: 'version-not-published' } });

	const undone = await on.stage.must('rollbackRollout', { params: { rollout: third.id }, body: {} });
	await until(undone.rollout.id, ended);
	const back = await Promise.all(agents.map((agent) => on.stage.must('getAgent', { params: { agent } })));
	expect(back.map(({ config, answer }) => `${config} ${answer}`)).toContain(`${name}@1 applied`);
	expect(await on.stage.call('deleteVersion', { params: at })).toMatchObject({ status: 409 });
});

test('a rollout completes, and rolling it back afterwards is a rollout of its own', async () => {
	const { name, agents } = await group(4);
	const first = await create(name, 'baseline');
	expect(await until(first.id, ended)).toMatchObject({ state: 'Completed', updated: 4, total: 4 });
	const second = await create(name, 'better');
	expect(await until(second.id, ended)).toMatchObject({
		state: 'Completed',
		updated: 4,
		commands: ['rollback', 'retry'],
	});

	const undone = await on.stage.must('rollbackRollout', { params: { rollout: second.id }, body: { reason: 'slow' } });
	expect(undone).toMatchObject({ decided: true, created: true, rollout: { rollbackOf: second.id } });
	expect(undone.rollout.id).not.toBe(second.id);
	const back = await until(undone.rollout.id, ended);
	expect(back).toMatchObject({ state: 'RolledBack', back: { confirmed: 4, listed: 0, todo: 0, inFlight: 0 } });
	for (const agent of agents) {
		const shown = await on.stage.must('getAgent', { params: { agent } });
		expect(shown).toMatchObject({ config: `${name}@1`, answer: 'applied', assignment: { cause: 'rollback' } });
		expect(on.fleet.received(agent)).toHaveLength(3);
	}
	expect(await on.stage.must('getRollout', { params: { rollout: second.id } })).toMatchObject({
		state: 'Completed',
		rolledBackBy: undone.rollout.id,
	});
	const again = await on.stage.call('rollbackRollout', { params: { rollout: undone.rollout.id } });
	expect(again).toMatchObject({ status: 409, body: { code: 'command-not-allowed' } });
	expect(again.body.message).toContain('RolledBack');
});

test('agents that were never given a version make the start need consent, and nothing is left behind', async () => {
	const { name } = await group(2);
	const refused = await on.stage.call('createRollout', {
		body: { group: name, config: namedYaml('first'), ...quick, acceptNoWayBack: false },
	});
	expect(refused).toMatchObject({ status: 409, body: { code: 'command-refused', details: { reason: 'no-way-back' } } });
	expect(refused.body.message).toContain('2 of 2 agents');
	expect(refused.body.action).toContain('--accept-no-way-back');
	await until(refused.body.details.rollout, ended);
	expect(await create(name, 'first')).toMatchObject({ version: `${name}@1` });
});

test('a rollback that could take nobody back is refused, and changes nothing', async () => {
	const { name } = await group(2);
	const { id } = await create(name, 'the very first');
	await until(id, ended);
	const refused = await on.stage.call('rollbackRollout', { params: { rollout: id }, body: {} });
	expect(refused).toMatchObject({ status: 409, body: { code: 'nothing-to-do' } });
	expect(refused.body.message).toBe('0 of 2 agents can go back: none has a version it proved before');
	expect(refused.body.action).toContain('--rollback-to');
	expect(await on.stage.must('getRollout', { params: { rollout: id } })).toMatchObject({ rolledBackBy: null });
});

test('a gate pauses; what the state does not allow is refused naming both, the rest goes on', async () => {
	const { name, agents } = await group(6);
	await until((await create(name, 'baseline')).id, ended);
	on.fleet.behave(agents, 'fails');
	const { id } = await create(name, 'broken');
	const paused = await until(id, ({ state }) => state === 'Paused');
	expect(paused).toMatchObject({
		pauseReasons: ['gate'],
		evidence: [{ gate: 'apply-failed-ratio', cohort: 'step', step: 1, thresholdPercent: 20 }],
		errors: [{ error: 'unknown exporter "oltp"' }],
	});
	expect(paused.evidence[0].message).toMatch(/^apply-failed-ratio: \d+(\.\d)? % > 20 % \(\d of 3\)$/);

	const illegal = await on.stage.call('startRollout', { params: { rollout: id } });
	expect(illegal).toMatchObject({
		status: 409,
		body: { code: 'command-not-allowed', details: { state: 'Paused', command: 'start' } },
	});
	expect(illegal.body.message).toBe('a rollout that is Paused (gate) cannot be asked to start');
	expect(illegal.body.action).toContain('rollback');
	const second = await on.stage.call('createRollout', { body: { group: name, config: namedYaml('next'), ...quick } });
	expect(second).toMatchObject({
		status: 409,
		body: { code: 'rollout-active', details: { rollout: id, state: 'Paused' } },
	});
	expect(second.body.message).toContain(id);

	const targets = await on.stage.must('listRolloutTargets', { params: { rollout: id }, query: { state: 'Failed' } });
	expect(targets.items.length).toBe(paused.states.Failed);
	expect(targets.items[0]).toMatchObject({ step: 1, error: 'unknown exporter "oltp"', previousVersion: `${name}@1` });

	on.fleet.behave(agents, 'applies');
	const undone = await on.stage.must('rollbackRollout', { params: { rollout: id }, key: 'undo' });
	expect(undone).toMatchObject({ decided: true, created: false, command: { kind: 'rollback', state: 'accepted' } });
	expect(await until(id, ended)).toMatchObject({ state: 'RolledBack' });
	const repeated = await on.stage.must('rollbackRollout', { params: { rollout: id }, key: 'undo' });
	expect(repeated.command.id).toBe(undone.command.id);
	const other = await on.stage.call('pauseRollout', { params: { rollout: id }, key: 'undo' });
	expect(other).toMatchObject({ status: 409, body: { code: 'idempotency-mismatch' } });

	const events = await on.stage.must('listRolloutEvents', { params: { rollout: id } });
	expect(events.items.map(({ text }: Loose) => text).join('\n')).toContain('apply-failed-ratio');
	const audit = await on.stage.must('listAudit', { query: { entityType: 'rollout', entity: id } });
	const actions = audit.items.map(({ action }: Loose) => action);
	expect(actions).toEqual(expect.arrayContaining(['Rollout.Created', 'Rollout.Paused', 'Rollout.RollbackRequested']));
	expect(audit.items.find(({ action }: Loose) => action === 'Rollout.RollbackRequested')).toMatchObject({
		actor: 'token:first-admin',
		role: 'Admin',
		before: { state: 'Paused' },
	});
});

test('pause, resume, extend, exclude and abort are decided while the caller waits', async () => {
	const { name, agents } = await group(4);
	await until((await create(name, 'baseline')).id, ended);
	on.fleet.behave(agents, 'silent');
	const steps = [{ size: 2, dwell: '10m', name: 'few' }, { size: '100 %' }];
	const { id } = await create(name, 'slow', { strategy: { kind: 'canary', steps } });
	const params = { rollout: id };
	expect(await on.stage.must('pauseRollout', { params })).toMatchObject({
		rollout: { state: 'Paused', pauseReasons: ['manual'] },
	});
	expect(await on.stage.must('resumeRollout', { params, body: { reasons: ['manual'] } })).toMatchObject({
		rollout: { state: 'InProgress', step: { number: 1, of: 2, name: 'few' } },
	});
	expect(await on.stage.must('extendRollout', { params, body: { by: '5m' } })).toMatchObject({
		rollout: {
			steps: [
				{ extendedMs: 300_000, dwell: '10m' },
				{ phase: 'waiting', agents: 2 },
			],
		},
	});
	const { items } = await on.stage.must('listRolloutTargets', { params, query: { state: 'Pending' } });
	const waiting = items.map(({ agent }: Loose) => agent);
	const excluded = await on.stage.must('excludeRolloutAgents', { params, body: { agents: waiting.slice(0, 1) } });
	expect(excluded.rollout.states.Skipped).toBe(1);
	const pushed = agents.filter((agent) => !waiting.includes(agent));
	const late = await on.stage.call('excludeRolloutAgents', { params, body: { agents: pushed.slice(0, 1) } });
	expect(late).toMatchObject({ status: 409, body: { code: 'command-refused' } });
	expect(late.body.message).toContain('Applying');
	const early = await on.stage.call('advanceRollout', { params });
	expect(early).toMatchObject({ status: 409, body: { code: 'command-refused', details: { command: 'advance' } } });
	expect(await on.stage.must('abortRollout', { params, body: { reason: 'wrong group' } })).toMatchObject({
		rollout: { state: 'Aborted', commands: ['rollback', 'retry'] },
	});
});

test('failed agents of an ended rollout are retried by a rollout of just those', async () => {
	const { name, agents } = await group(4);
	await until((await create(name, 'baseline')).id, ended);
	on.fleet.behave(agents.slice(0, 1), 'fails');
	const gates = { ...quick.gates, 'apply-failed-ratio': { threshold: 100 } };
	const { id } = await create(name, 'flaky', { gates, onAgentFailure: 'leave' });
	expect(await until(id, ended)).toMatchObject({ state: 'Completed', states: { Applied: 3, Failed: 1 } });
	on.fleet.behave(agents, 'applies');
	const retried = await on.stage.must('retryRollout', { params: { rollout: id } });
	expect(retried).toMatchObject({ created: true, rollout: { total: expect.any(Number), spec: { onlyAgents: 1 } } });
	expect(await until(retried.rollout.id, ended)).toMatchObject({ state: 'Completed', total: 1, updated: 1 });
	const nothing = await on.stage.call('retryRollout', { params: { rollout: retried.rollout.id } });
	expect(nothing).toMatchObject({ status: 409, body: { code: 'nothing-to-do' } });
});

test('started by hand, or cancelled before', async () => {
	const { name } = await group(1);
	const first = await create(name, 'one', { start: 'manual' });
	expect(first.state).toBe('Pending');
	expect(await on.stage.must('cancelRollout', { params: { rollout: first.id } })).toMatchObject({
		rollout: { state: 'Cancelled' },
	});
	const second = await create(name, 'two', { start: 'manual' });
	const waiting = await on.stage.must('getRollout', { params: { rollout: second.id } });
	expect(waiting).toMatchObject({ waitsFor: 'start', commands: ['cancel', 'edit-gates', 'start'] });
	await on.stage.must('startRollout', { params: { rollout: second.id } });
	expect(await until(second.id, ended)).toMatchObject({ state: 'Completed', updated: 1 });
});

test('the same idempotency key creates one rollout, also at once', async () => {
	const { name } = await group(1);
	const body = { group: name, config: namedYaml('once'), ...quick, start: 'manual' };
	const answers = await Promise.all([1, 2, 3].map(() => on.stage.call('createRollout', { body, key: `once-${name}` })));
	expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
	expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
	const { name: another } = await group(1);
	const mismatch = await on.stage.call('createRollout', { body: { ...body, group: another }, key: `once-${name}` });
	expect(mismatch).toMatchObject({ status: 409, body: { code: 'idempotency-mismatch' } });
});
