import { newRollout, resolveSpec } from '@ampora/rollout';
import { newId, type RolloutId } from '@ampora/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleRollout } from './samples.js';
import { adapters, ended, newUid, Stage, type Stores } from './stage.js';

const hourMs = 3_600_000;

describe.each(adapters)('windows, freezes and the queue on $name', ({ open }) => {
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

	test('a queued rollout knows who has the group, and that a newer one waits; it cannot begin beside the other', async () => {
		const active = await stage.running([]);
		const queue = async (createdAtMs: number) => {
			const rollout = sampleRollout(active.groupId, active.versionId, { state: 'Queued', createdAtMs });
			await stores.world.createRollout(rollout);
			return rollout.id;
		};
		const older = await queue(1_700_000_001_000);
		const newer = await queue(1_700_000_002_000);
		expect(await environment(active.rolloutId)).toMatchObject({ busyWith: null, replacedBy: null });
		expect(await environment(older)).toMatchObject({ busyWith: active.rolloutId, replacedBy: newer });
		expect(await environment(newer)).toMatchObject({ busyWith: active.rolloutId, replacedBy: null });

		const loaded = await stage.load(newer);
		const begun = { ...loaded.snapshot.rollout, state: 'InProgress', currentStep: 0 } as const;
		expect(await stage.commit(loaded, { rollout: begun })).toEqual({ kind: 'conflict' });
		await stage.decide(active.rolloutId, { rollout: ended(await stage.load(active.rolloutId)) });
		expect(await environment(newer)).toMatchObject({ busyWith: null });
		expect(await stage.commit(await stage.load(newer), { rollout: begun })).toMatchObject({ kind: 'committed' });
		expect(await stores.world.rollout(newer)).toMatchObject({ state: 'InProgress' });
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
