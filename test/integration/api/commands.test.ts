import { createClient } from '@ampora/api-contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decidingFleet, type Fleet } from './deciding.js';
import { type ApiStage, apiStage, goodYaml, type Loose } from './stage.js';

let stage: ApiStage;
let fleet: Fleet;
beforeAll(async () => {
	stage = await apiStage({ decisionWaitMs: 10_000 });
	fleet = await decidingFleet(stage);
});
afterAll(async () => {
	await fleet[Symbol.asyncDispose]();
	await stage[Symbol.asyncDispose]();
});

/** Gates that settle at once, so that a rollout ends when its agents have answered. */
const quick = {
	strategy: { kind: 'canary', steps: [{ size: '50 %' }, { size: '100 %' }] },
	gates: {
		'apply-timeout-ratio': { window: '1m' },
		'disconnect-ratio': { window: '0' },
		'effective-mismatch-ratio': { window: '0' },
		'unhealthy-ratio': { window: '0' },
	},
	bake: '0',
	maxInFlight: 'unlimited',
	acceptNoWayBack: true,
};

let names = 0;
/** A group of its own with connected agents. */
async function group(count: number): Promise<{ name: string; agents: string[] }> {
	names += 1;
	const name = `group-${names}`;
	await stage.must('createGroup', { body: { name } });
	const agents = await fleet.connect(count);
	await stage.must('addGroupAgents', { params: { group: name }, body: { agents } });
	return { name, agents };
}

const withComment = (text: string): string => `# ${text}\n${goodYaml}`;
const create = (group: string, text: string, more: object = {}): Promise<Loose> =>
	stage.must('createRollout', { body: { group, config: withComment(text), ...quick, ...more } });

/** Follows the event stream until the rollout is as wanted. */
async function until(rollout: string, wanted: (rollout: Loose) => boolean): Promise<Loose> {
	const { url } = await listening();
	const watched = await createClient({ server: url, token: stage.admin }).watch(rollout);
	if (!watched.ok) throw new Error(`watching was refused: ${JSON.stringify(watched.error)}`);
	for await (const shown of watched.value) if (wanted(shown)) return shown;
	throw new Error('the stream ended before the rollout was as wanted');
}

let listened: Promise<{ url: string }> | undefined;
const listening = (): Promise<{ url: string }> => {
	listened ??= stage.api.listen();
	return listened;
};
const ended = ({ state }: Loose): boolean =>
	['Completed', 'RolledBack', 'Aborted', 'Failed', 'Cancelled'].includes(state);

test('an archived version is still the way back, kept while it is, and rolled out to nobody', async () => {
	const { name, agents } = await group(2);
	const first = await create(name, 'archived soon');
	await until(first.id, ended);
	const at = { configuration: name, number: 1 };
	expect(await stage.call('archiveVersion', { params: at })).toMatchObject({ body: { code: 'version-in-use' } });
	fleet.behave(agents.slice(1), 'fails');
	const second = await create(name, 'to be undone', { onGate: 'pause', onAgentFailure: 'leave' });
	await until(second.id, ({ state, evidence }) => state === 'Paused' && evidence.length > 0);
	await stage.must('abortRollout', { params: { rollout: second.id }, body: {} });
	fleet.behave(agents, 'applies');
	const third = await create(name, 'the last');
	await until(third.id, ended);
	expect(await stage.must('archiveVersion', { params: at })).toMatchObject({ state: 'Archived' });

	const kept = await stage.call('deleteVersion', { params: at });
	expect(kept).toMatchObject({ status: 409, body: { code: 'version-in-use', details: { rollouts: 1 } } });
	expect(kept.body.details.waysBack).toBeGreaterThan(0);
	const forward = await stage.call('createRollout', { body: { group: name, version: `${name}@1`, ...quick } });
	expect(forward).toMatchObject({ status: 409, body: { code: 'version-not-published' } });
	await stage.must('archiveVersion', { params: { configuration: name, number: 2 } });
	const retried = await stage.call('retryRollout', { params: { rollout: second.id }, body: {} });
	expect(retried).toMatchObject({ status: 409, body: { code: 'version-not-published' } });

	const undone = await stage.must('rollbackRollout', { params: { rollout: third.id }, body: {} });
	await until(undone.rollout.id, ended);
	const back = await Promise.all(agents.map((agent) => stage.must('getAgent', { params: { agent } })));
	expect(back.map(({ config, answer }) => `${config} ${answer}`)).toContain(`${name}@1 applied`);
	expect(await stage.call('deleteVersion', { params: at })).toMatchObject({ status: 409 });
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

	const undone = await stage.must('rollbackRollout', { params: { rollout: second.id }, body: { reason: 'slow' } });
	expect(undone).toMatchObject({ decided: true, created: true, rollout: { rollbackOf: second.id } });
	expect(undone.rollout.id).not.toBe(second.id);
	const back = await until(undone.rollout.id, ended);
	expect(back).toMatchObject({ state: 'RolledBack', back: { confirmed: 4, listed: 0, todo: 0, inFlight: 0 } });
	for (const agent of agents) {
		const shown = await stage.must('getAgent', { params: { agent } });
		expect(shown).toMatchObject({ config: `${name}@1`, answer: 'applied', assignment: { cause: 'rollback' } });
		expect(fleet.received(agent)).toHaveLength(3);
	}
	expect(await stage.must('getRollout', { params: { rollout: second.id } })).toMatchObject({
		state: 'Completed',
		rolledBackBy: undone.rollout.id,
	});
	const again = await stage.call('rollbackRollout', { params: { rollout: undone.rollout.id } });
	expect(again).toMatchObject({ status: 409, body: { code: 'command-not-allowed' } });
	expect(again.body.message).toContain('RolledBack');
});

test('agents that were never given a version make the start need consent, and nothing is left behind', async () => {
	const { name } = await group(2);
	const refused = await stage.call('createRollout', {
		body: { group: name, config: withComment('first'), ...quick, acceptNoWayBack: false },
	});
	expect(refused).toMatchObject({ status: 409, body: { code: 'command-refused', details: { reason: 'no-way-back' } } });
	expect(refused.body.message).toContain('2 of 2 agents');
	expect(refused.body.action).toContain('--accept-no-way-back');
	await until(refused.body.details.rollout, ended);
	expect(await create(name, 'first')).toMatchObject({ version: `${name}@1` });
});

test('a gate pauses; what the state does not allow is refused naming both, the rest goes on', async () => {
	const { name, agents } = await group(6);
	await until((await create(name, 'baseline')).id, ended);
	fleet.behave(agents, 'fails');
	const { id } = await create(name, 'broken');
	const paused = await until(id, ({ state }) => state === 'Paused');
	expect(paused).toMatchObject({
		pauseReasons: ['gate'],
		evidence: [{ gate: 'apply-failed-ratio', cohort: 'step', step: 1, thresholdPercent: 20 }],
		errors: [{ error: 'unknown exporter "oltp"' }],
	});
	expect(paused.evidence[0].message).toMatch(/^apply-failed-ratio: \d+(\.\d)? % > 20 % \(\d of 3\)$/);

	const illegal = await stage.call('startRollout', { params: { rollout: id } });
	expect(illegal).toMatchObject({
		status: 409,
		body: { code: 'command-not-allowed', details: { state: 'Paused', command: 'start' } },
	});
	expect(illegal.body.message).toBe('a rollout that is Paused (gate) cannot be asked to start');
	expect(illegal.body.action).toContain('rollback');
	const second = await stage.call('createRollout', { body: { group: name, config: withComment('next'), ...quick } });
	expect(second).toMatchObject({
		status: 409,
		body: { code: 'rollout-active', details: { rollout: id, state: 'Paused' } },
	});
	expect(second.body.message).toContain(id);

	const targets = await stage.must('listRolloutTargets', { params: { rollout: id }, query: { state: 'Failed' } });
	expect(targets.items.length).toBe(paused.states.Failed);
	expect(targets.items[0]).toMatchObject({ step: 1, error: 'unknown exporter "oltp"', previousVersion: `${name}@1` });

	fleet.behave(agents, 'applies');
	const undone = await stage.must('rollbackRollout', { params: { rollout: id }, key: 'undo' });
	expect(undone).toMatchObject({ decided: true, created: false, command: { kind: 'rollback', state: 'accepted' } });
	expect(await until(id, ended)).toMatchObject({ state: 'RolledBack' });
	const repeated = await stage.must('rollbackRollout', { params: { rollout: id }, key: 'undo' });
	expect(repeated.command.id).toBe(undone.command.id);
	const other = await stage.call('pauseRollout', { params: { rollout: id }, key: 'undo' });
	expect(other).toMatchObject({ status: 409, body: { code: 'idempotency-mismatch' } });

	const events = await stage.must('listRolloutEvents', { params: { rollout: id } });
	expect(events.items.map(({ text }: Loose) => text).join('\n')).toContain('apply-failed-ratio');
	const audit = await stage.must('listAudit', { query: { entityType: 'rollout', entity: id } });
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
	fleet.behave(agents, 'silent');
	const steps = [{ size: 2, dwell: '10m', name: 'few' }, { size: '100 %' }];
	const { id } = await create(name, 'slow', { strategy: { kind: 'canary', steps } });
	const params = { rollout: id };
	expect(await stage.must('pauseRollout', { params })).toMatchObject({
		rollout: { state: 'Paused', pauseReasons: ['manual'] },
	});
	expect(await stage.must('resumeRollout', { params, body: { reasons: ['manual'] } })).toMatchObject({
		rollout: { state: 'InProgress', step: { number: 1, of: 2, name: 'few' } },
	});
	expect(await stage.must('extendRollout', { params, body: { by: '5m' } })).toMatchObject({
		rollout: {
			steps: [
				{ extendedMs: 300_000, dwell: '10m' },
				{ phase: 'waiting', agents: 2 },
			],
		},
	});
	const { items } = await stage.must('listRolloutTargets', { params, query: { state: 'Pending' } });
	const waiting = items.map(({ agent }: Loose) => agent);
	const excluded = await stage.must('excludeRolloutAgents', { params, body: { agents: waiting.slice(0, 1) } });
	expect(excluded.rollout.states.Skipped).toBe(1);
	const pushed = agents.filter((agent) => !waiting.includes(agent));
	const late = await stage.call('excludeRolloutAgents', { params, body: { agents: pushed.slice(0, 1) } });
	expect(late).toMatchObject({ status: 409, body: { code: 'command-refused' } });
	expect(late.body.message).toContain('Applying');
	const early = await stage.call('advanceRollout', { params });
	expect(early).toMatchObject({ status: 409, body: { code: 'command-refused', details: { command: 'advance' } } });
	expect(await stage.must('abortRollout', { params, body: { reason: 'wrong group' } })).toMatchObject({
		rollout: { state: 'Aborted', commands: ['rollback', 'retry'] },
	});
});

test('failed agents of an ended rollout are retried by a rollout of just those', async () => {
	const { name, agents } = await group(4);
	await until((await create(name, 'baseline')).id, ended);
	fleet.behave(agents.slice(0, 1), 'fails');
	const gates = { ...quick.gates, 'apply-failed-ratio': { threshold: 100 } };
	const { id } = await create(name, 'flaky', { gates, onAgentFailure: 'leave' });
	expect(await until(id, ended)).toMatchObject({ state: 'Completed', states: { Applied: 3, Failed: 1 } });
	fleet.behave(agents, 'applies');
	const retried = await stage.must('retryRollout', { params: { rollout: id } });
	expect(retried).toMatchObject({ created: true, rollout: { total: expect.any(Number), spec: { onlyAgents: 1 } } });
	expect(await until(retried.rollout.id, ended)).toMatchObject({ state: 'Completed', total: 1, updated: 1 });
	const nothing = await stage.call('retryRollout', { params: { rollout: retried.rollout.id } });
	expect(nothing).toMatchObject({ status: 409, body: { code: 'nothing-to-do' } });
});

test('started by hand, or cancelled before', async () => {
	const { name } = await group(1);
	const first = await create(name, 'one', { start: 'manual' });
	expect(first.state).toBe('Pending');
	expect(await stage.must('cancelRollout', { params: { rollout: first.id } })).toMatchObject({
		rollout: { state: 'Cancelled' },
	});
	const second = await create(name, 'two', { start: 'manual' });
	const waiting = await stage.must('getRollout', { params: { rollout: second.id } });
	expect(waiting).toMatchObject({ waitsFor: 'start', commands: ['cancel', 'edit-gates', 'start'] });
	await stage.must('startRollout', { params: { rollout: second.id } });
	expect(await until(second.id, ended)).toMatchObject({ state: 'Completed', updated: 1 });
});

test('the same idempotency key creates one rollout, also at once', async () => {
	const { name } = await group(1);
	const body = { group: name, config: withComment('once'), ...quick, start: 'manual' };
	const answers = await Promise.all([1, 2, 3].map(() => stage.call('createRollout', { body, key: `once-${name}` })));
	expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
	expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
	const { name: another } = await group(1);
	const mismatch = await stage.call('createRollout', { body: { ...body, group: another }, key: `once-${name}` });
	expect(mismatch).toMatchObject({ status: 409, body: { code: 'idempotency-mismatch' } });
});
