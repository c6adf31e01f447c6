// Rollouts that wait: for their turn, for their time, for a window; over the REST API, with the engine on Postgres.
import { createClient } from '@ampora/api-contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decidingFleet, type Fleet } from './deciding.js';
import { type ApiStage, apiStage, type Loose, namedYaml } from './stage.js';

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

const gate = { window: '0' };
const quick = {
	strategy: { kind: 'canary', steps: [{ size: '50 %', dwell: '1h' }, { size: '100 %' }] },
	gates: { 'disconnect-ratio': gate, 'effective-mismatch-ratio': gate, 'unhealthy-ratio': gate },
	...{ bake: '0', maxInFlight: 'unlimited', acceptNoWayBack: true },
};

async function group(name: string, count: number): Promise<string> {
	await stage.must('createGroup', { body: { name } });
	const agents = await fleet.connect(count);
	await stage.must('addGroupAgents', { params: { group: name }, body: { agents } });
	return name;
}
const asked = (group: string, text: string, more: object = {}) => ({
	body: { group, config: namedYaml(text), ...quick, ...more },
});
const create = (group: string, text: string, more: object = {}): Promise<Loose> =>
	stage.must('createRollout', asked(group, text, more));

let listened: Promise<{ url: string }> | undefined;
async function until(rollout: string, wanted: (rollout: Loose) => boolean): Promise<Loose> {
	listened ??= stage.api.listen();
	const { url } = await listened;
	const watched = await createClient({ server: url, token: stage.admin }).watch(rollout);
	if (!watched.ok) throw new Error(`watching was refused: ${JSON.stringify(watched.error)}`);
	for await (const shown of watched.value) if (wanted(shown)) return shown;
	throw new Error('the stream ended before the rollout was as wanted');
}
const is =
	(state: string) =>
	({ state: now }: Loose): boolean =>
		now === state;

test('one that supersedes takes the place of the one under way, which shows by which', async () => {
	const name = await group('superseded', 4);
	const first = await create(name, 'first');
	await until(first.id, ({ started }) => started > 0);
	const second = await create(name, 'second', { supersede: true });
	await until(second.id, is('InProgress'));
	expect((await stage.must('getRollout', { params: { rollout: first.id } })).state).toBe('Superseded');
	const events = await stage.must('listRolloutEvents', { params: { rollout: first.id } });
	expect(JSON.stringify(events)).toContain(second.id);
	await stage.must('abortRollout', { params: { rollout: second.id }, body: {} });
});

test('one with a time starts then; one that has passed, or is far ahead, is refused', async () => {
	const name = await group('timed', 2);
	const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
	for (const startAt of [inMs(-60_000), inMs(91 * 86_400_000)])
		expect(await stage.call('createRollout', asked(name, 'never', { startAt }))).toMatchObject({
			body: { code: 'invalid-argument', message: expect.stringContaining(startAt) },
		});
	const startAt = inMs(3_000);
	const { id, state } = await create(name, 'timed', { startAt });
	expect(state).toBe('Pending');
	expect(await stage.must('getRollout', { params: { rollout: id } })).toMatchObject({ startAt, waitsFor: null });
	const shown = await until(id, is('InProgress'));
	expect(Date.parse(shown.startedAt)).toBeGreaterThanOrEqual(Date.parse(startAt));
	await stage.must('abortRollout', { params: { rollout: id }, body: {} });
});

test('a freeze pauses a rollout of its group, nobody resumes past it, and its end lets it go on', async () => {
	const name = await group('frozen', 4);
	const { id } = await create(name, 'frozen');
	await until(id, ({ started }) => started > 0);
	const untilText = new Date(Date.now() + 86_400_000).toISOString();
	const body = {
		name: 'launch',
		reason: 'a launch',
		from: new Date(Date.now() - 60_000).toISOString(),
		until: untilText,
		groups: [name],
	};
	await stage.must('createFreeze', { body });
	expect(await stage.call('createFreeze', { body })).toMatchObject({ body: { code: 'already-exists' } });
	const paused = await until(id, is('Paused'));
	expect(paused).toMatchObject({
		...{ pauseReasons: ['freeze'], waitsFor: null },
		closed: { why: 'freeze "launch": a launch', until: untilText },
	});
	expect(await stage.call('resumeRollout', { params: { rollout: id }, body: {} })).toMatchObject({
		body: { code: 'command-refused', message: expect.stringContaining(untilText) },
	});
	expect((await stage.must('listFreezes')).items).toHaveLength(1);
	await stage.must('deleteFreeze', { params: { name: 'launch' } });
	expect(await until(id, is('InProgress'))).toMatchObject({ closed: null });
	await stage.must('abortRollout', { params: { rollout: id }, body: {} });
});

test('windows are made, listed and deleted, and those that say nothing are refused', async () => {
	const name = await group('windowed', 1);
	const body = { name: 'nights', days: ['mon'], from: '22:00', to: '06:00', timeZone: 'Europe/Berlin', groups: [name] };
	expect(await stage.call('createChangeWindow', { body: { ...body, timeZone: 'Berlin' } })).toMatchObject({
		body: { code: 'invalid-argument', message: expect.stringContaining('IANA') },
	});
	expect(await stage.must('createChangeWindow', { body })).toMatchObject({
		days: ['mon'],
		groups: [expect.any(String)],
	});
	expect((await stage.must('listChangeWindows')).items).toHaveLength(1);
	await stage.must('deleteChangeWindow', { params: { name: 'nights' } });
	expect(await stage.call('deleteChangeWindow', { params: { name: 'nights' } })).toMatchObject({
		body: { code: 'not-found' },
	});
});
