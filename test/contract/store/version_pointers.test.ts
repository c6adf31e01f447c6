// What keeps an archived version, on the repositories over both databases.
import type { VersionId } from '@ampora/runtime';
import { connect, createControlStore, type Database, migrateWith, openEmbeddedPglite } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../support/databases.js';
import { sampleStep, sampleTarget } from './samples.js';
import { ended, Stage, storesOf } from './stage.js';

async function openPostgres(): Promise<Database> {
	const { url, drop } = await createTestDatabase();
	const database = connect({ url });
	return { ...database, close: () => database.close().then(drop) };
}

async function openEmbedded(): Promise<Database> {
	const database = await openEmbeddedPglite();
	await migrateWith(database.sql);
	return database;
}

describe.each([
	{ name: 'Postgres', open: openPostgres },
	{ name: 'embedded Postgres', open: openEmbedded },
])('pointers to a version on $name', ({ open }) => {
	let database: Database;
	let stage: Stage;
	let configurations: ReturnType<typeof createControlStore>['configurations'];
	beforeAll(async () => {
		database = await open();
		const { sql, orm, close } = database;
		configurations = createControlStore(orm).configurations;
		stage = await Stage.set(storesOf(sql, close));
	});
	afterAll(() => database.close());

	const none = { assignments: 0, provenBy: 0, waysBack: 0, rollouts: 0, defaults: 0 };
	const published = (text = `${Math.random()}`): Promise<VersionId> => stage.stores.world.publish(text);

	test('nothing points to a version that was only published', async () => {
		expect(await configurations.pointersTo(await published())).toEqual(none);
	});

	test('an agent that runs it, and its rollout', async () => {
		const version = await stage.proved(await stage.connectOne());
		expect(await configurations.pointersTo(version)).toEqual({ ...none, assignments: 1, provenBy: 1, rollouts: 1 });
	});

	test('a rollout that would take its agents back to it, until it is undone', async () => {
		const agent = await stage.connectOne();
		const back = await published();
		const running = await stage.running([agent]);
		const loaded = await stage.load(running.rolloutId);
		const targets = [sampleTarget(agent.agentId, 0, { state: 'Applied', previousVersion: back })];
		await stage.commit(loaded, { steps: [sampleStep(0)], targets });
		expect(await configurations.pointersTo(back)).toEqual({ ...none, waysBack: 1 });
		const again = await stage.load(running.rolloutId);
		await stage.commit(again, { rollout: ended(again) });
		expect(await configurations.pointersTo(back)).toEqual({ ...none, waysBack: 1 });
		await database.sql.query(`update rollout set state = 'RolledBack' where id = $1`, [running.rolloutId]);
		expect(await configurations.pointersTo(back)).toEqual(none);
	});

	test('a rollout that names it for agents without a way back', async () => {
		const back = await published();
		const running = await stage.running([await stage.connectOne()]);
		await database.sql.query(
			`update rollout set spec = jsonb_set(spec, '{rollbackTo}', to_jsonb($2::text)) where id = $1`,
			[running.rolloutId, back],
		);
		expect(await configurations.pointersTo(back)).toEqual({ ...none, waysBack: 1 });
	});

	test('only what is archived is deleted, and its quarantine with it', async () => {
		const { agentId } = await stage.connectOne();
		const version = await published();
		await database.sql.query(`insert into quarantine (agent_id, version_id, reason) values ($1, $2, 'failed')`, [
			agentId,
			version,
		]);
		expect(await configurations.deleteArchived(version)).toBe(false);
		expect(await stage.stores.world.quarantined(agentId, version)).toBe(true);
		await configurations.archive(version);
		expect(await configurations.deleteArchived(version)).toBe(true);
		expect(await stage.stores.world.quarantined(agentId, version)).toBe(false);
		expect(await configurations.findVersion({ id: version })).toBeNull();
	});

	test('the database itself keeps what agents are assigned', async () => {
		const version = await stage.proved(await stage.connectOne());
		await configurations.archive(version);
		await expect(configurations.deleteArchived(version)).rejects.toThrow();
		expect(await configurations.findVersion({ id: version })).toMatchObject({ state: 'Archived' });
	});
});
