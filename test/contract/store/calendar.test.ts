import { newRollout, resolveSpec } from '@ampora/rollout';
import { type GroupId, newId, type RolloutId } from '@ampora/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decisionFrom, journal } from './samples.js';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const hourMs = 3_600_000;

describe.each(adapters)('windows and freezes on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const window = (name: string) =>
		({ name, days: ['mon', 'sun'], from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' }) as const;
	const environment = async (rolloutId: RolloutId) => (await stage.load(rolloutId)).snapshot.environment;

	test('a rollout is given the windows and freezes of its group and of all groups, by name', async () => {
		const one = await stage.running([]);
		const other = await stage.running([]);
		const { nowMs } = (await stage.load(one.rolloutId)).snapshot;
		const suffix = newUid();
		const freeze = (name: string, untilMs: number) => ({
			name: `${name} ${suffix}`,
			reason: 'r',
			fromMs: 1_000,
			untilMs,
		});
		const untilMs = nowMs + hourMs;
		await stores.world.addWindow(window(`b ${suffix}`), [one.groupId]);
		await stores.world.addWindow(window(`a ${suffix}`), null);
		await stores.world.addFreeze(freeze('own', untilMs), [one.groupId, other.groupId]);
		await stores.world.addFreeze(freeze('over', nowMs - 1), null);
		expect((await environment(one.rolloutId)).calendar).toEqual({
			windows: [window(`a ${suffix}`), window(`b ${suffix}`)],
			freezes: [freeze('own', untilMs)],
		});
		expect((await environment(other.rolloutId)).calendar).toEqual({
			windows: [window(`a ${suffix}`)],
			freezes: [freeze('own', untilMs)],
		});
	});

	test('what was decided while it was open is not handed out once it has closed (R1)', async () => {
		const [agent] = await stage.connect(1);
		if (!agent) throw new Error('one was to connect');
		const { rolloutId, groupId, versionId } = await stage.running([agent]);
		const push = { agentId: agent.agentId, versionId, attempt: 1, cause: 'rollout' as const, expectedSeq: null };
		const freeze = (fromMs: number) => ({ name: newUid(), reason: 'r', fromMs, untilMs: fromMs + hourMs });
		const commit = (loaded: Awaited<ReturnType<typeof stage.load>>, closesAtMs: number | null = null) =>
			stores.engine.commitDecision(stage.leader, loaded, decisionFrom(loaded, { assignments: [push] }), {
				...journal(),
				closesAtMs,
			});

		const early = await stage.load(rolloutId);
		const { nowMs } = early.snapshot;
		expect(await commit(early, nowMs - 1)).toEqual({ kind: 'conflict' });
		await stores.world.addFreeze(freeze(nowMs + hourMs), [groupId]);
		await stores.world.addFreeze(freeze(nowMs - hourMs / 2), [newId<GroupId>()]);
		await stores.world.addWindow(window(newUid()), [groupId]);
		expect(await commit(early)).toEqual({ kind: 'conflict' });

		const open = await stage.load(rolloutId);
		expect(await commit(open, nowMs + hourMs)).toMatchObject({ kind: 'committed' });
		const again = await stage.load(rolloutId);
		await stores.world.addFreeze(freeze(nowMs - hourMs / 2), [groupId]);
		expect(await commit(again)).toEqual({ kind: 'conflict' });
		const back = { ...push, cause: 'rollback' as const, expectedSeq: 1 };
		expect(await stage.commit(again, { assignments: [back] })).toMatchObject({ kind: 'committed' });
	});

	test('a rollout is told that its group is protected', async () => {
		const { rolloutId, groupId } = await stage.running([]);
		expect(await environment(rolloutId)).toMatchObject({ protectedGroup: false });
		await stores.world.protectGroup(groupId);
		expect(await environment(rolloutId)).toMatchObject({ protectedGroup: true });
	});

	test('a rollout keeps why it is closed, and when it is to start', async () => {
		const { groupId, versionId } = await stage.running([]);
		const startAtMs = 1_900_000_000_000;
		const spec = resolveSpec({ seed: 'seed', startAtMs });
		const createdAtMs = 1_700_000_000_000;
		const rollout = newRollout({ id: newId<RolloutId>(), groupId, versionId, spec, createdAtMs });
		await stores.world.createRollout({ ...rollout, state: 'Queued' });
		const loaded = await stage.load(rollout.id);
		const closed = { why: 'freeze', untilMs: 5 };
		await stage.commit(loaded, { rollout: { ...loaded.snapshot.rollout, closed } });
		const { rollout: read } = (await stage.load(rollout.id)).snapshot;
		expect(read).toMatchObject({ closed, spec: { startAtMs } });
	});
});
