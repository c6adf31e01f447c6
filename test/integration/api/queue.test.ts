// What becomes of a new rollout on a group that has one already, over REST, with a deciding engine.
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
	['Completed', 'RolledBack', 'Aborted', 'Failed', 'Cancelled', 'Superseded', 'Rejected'].includes(state);

test('a refusal names both ways on; the queue holds one, and it starts by itself when the group is free', async () => {
	const { name } = await group(4);
	const first = await create(name, 'first', { start: 'manual' });
	const body = { group: name, config: withComment('other'), ...quick };
	const refused = await stage.call('createRollout', { body });
	expect(refused).toMatchObject({ status: 409, body: { code: 'rollout-active', details: { rollout: first.id } } });
	expect(refused.body.action).toContain('--queue');
	expect(refused.body.action).toContain('--supersede');

	const second = await create(name, 'second', { queue: true });
	expect(second.state).toBe('Queued');
	const third = await create(name, 'third', { queue: true });
	const gone = await stage.must('getRollout', { params: { rollout: second.id } });
	expect(gone).toMatchObject({ state: 'Cancelled', commands: [] });
	expect(gone.headline).toContain(`replaced in the queue by rollout ${third.id}`);
	const waiting = await stage.must('getRollout', { params: { rollout: third.id } });
	expect(waiting).toMatchObject({ state: 'Queued', waitsFor: 'the rollout before it to end' });
	expect(await stage.call('startRollout', { params: { rollout: third.id } })).toMatchObject({
		...{ status: 409, body: { code: 'command-refused', details: { reason: 'busy' } } },
	});

	await stage.must('startRollout', { params: { rollout: first.id } });
	expect(await until(third.id, ended)).toMatchObject({ state: 'Completed', updated: 4, version: { ref: `${name}@3` } });
	expect(await until(first.id, ended)).toMatchObject({ state: 'Completed' });
});

test('of many that queue at once one is left', async () => {
	const { name } = await group(2);
	const first = await create(name, 'first', { start: 'manual' });
	const config = `${name}@1`;
	const made = await Promise.all(
		Array.from({ length: 6 }, () =>
			stage.must('createRollout', { body: { group: name, version: config, ...quick, queue: true } }),
		),
	);
	const shown = await Promise.all(made.map(({ id }) => stage.must('getRollout', { params: { rollout: id } })));
	expect(shown.map(({ state }) => state).toSorted()).toEqual([...Array(5).fill('Cancelled'), 'Queued']);
	await stage.must('cancelRollout', { params: { rollout: first.id }, body: {} });
});

test('a rollout takes the place of another, and ways back stay what was proved', async () => {
	const { name, agents } = await group(6);
	await until((await create(name, 'baseline')).id, ended);
	fleet.behave(agents, 'fails');
	const broken = await create(name, 'broken', { onAgentFailure: 'leave' });
	await until(broken.id, ({ state }) => state === 'Paused');
	fleet.behave(agents, 'applies');
	const fixed = await create(name, 'fixed', { supersede: true });
	const old = await stage.must('getRollout', { params: { rollout: broken.id } });
	expect(old.state).toBe('Superseded');
	expect(await until(fixed.id, ended)).toMatchObject({ state: 'Completed', updated: 6 });
	const targets = await stage.must('listRolloutTargets', { params: { rollout: fixed.id } });
	expect(new Set(targets.items.map(({ previousVersion }: Loose) => previousVersion))).toEqual(new Set([`${name}@1`]));
	const events = await stage.must('listRolloutEvents', { params: { rollout: broken.id } });
	expect(JSON.stringify(events)).toContain(`rollout ${fixed.id} takes its place`);
});

test('a rollout that is being taken back is not superseded', async () => {
	const { name, agents } = await group(2);
	await until((await create(name, 'baseline')).id, ended);
	const second = await create(name, 'second');
	await until(second.id, ended);
	fleet.behave(agents, 'silent');
	const undone = await stage.must('rollbackRollout', { params: { rollout: second.id }, body: {} });
	const body = { group: name, config: withComment('third'), ...quick, supersede: true };
	const refused = await stage.call('createRollout', { body });
	expect(refused).toMatchObject({
		status: 409,
		body: { code: 'command-not-allowed', details: { state: 'RollingBack' } },
	});
	fleet.behave(agents, 'applies');
	await stage.must('pauseRollout', { params: { rollout: undone.rollout.id }, body: {} });
});

test('a rollout starts when it is to, and not in the past', async () => {
	const { name } = await group(2);
	const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
	const body = { group: name, config: withComment('later'), ...quick };
	for (const startAt of [at(-60_000), at(91 * 86_400_000)]) {
		const refused = await stage.call('createRollout', { body: { ...body, startAt } });
		expect(refused).toMatchObject({ status: 400, body: { code: 'invalid-argument', details: { field: 'startAt' } } });
	}
	const far = await stage.must('createRollout', { body: { ...body, startAt: at(3_600_000) } });
	const shown = await stage.must('getRollout', { params: { rollout: far.id } });
	expect(shown).toMatchObject({ state: 'Pending', waitsFor: null });
	expect(shown.nextWakeAt).not.toBeNull();
	await stage.must('cancelRollout', { params: { rollout: far.id }, body: {} });
	const near = await stage.must('createRollout', { body: { ...body, startAt: at(1_500) } });
	expect(near.state).toBe('Pending');
	expect(await until(near.id, ended)).toMatchObject({ state: 'Completed', updated: 2 });
	const both = await stage.call('createRollout', { body: { ...body, queue: true, supersede: true } });
	expect(both).toMatchObject({ status: 400 });
});
