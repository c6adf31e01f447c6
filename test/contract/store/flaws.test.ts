// The safety checks are there: without any one of them, something forbidden happens. On both adapters.
import type { Sql } from '@ampora/store';
import { createMemoryStore, memoryWorld } from '@ampora/store/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { decisionFrom, journal } from './samples.js';
import { newUid, openMemory, openPostgres, Stage, type Stores } from './stage.js';

/** Leaves a check out of the statement that carries it; throws when the statement does not say what is to be left out. */
function without(statement: string, cut: readonly (readonly [from: string, to: string])[]) {
	const change = (text: string): string => {
		if (!text.startsWith(statement)) return text;
		return cut.reduce((changed, [from, to]) => {
			if (!changed.includes(from)) throw new Error(`there is no "${from}" in "${statement}"`);
			return changed.replaceAll(from, to);
		}, text);
	};
	const wrap = (sql: Sql): Sql => ({
		query: (text, params) => sql.query(change(text), params),
		transaction: (kind, work) => sql.transaction(kind, (tx) => work(wrap(tx))),
	});
	return wrap;
}

/** A leader whose lease ran out decides nothing (R2). */
async function lateLeaderWrites(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const { rolloutId } = await stage.running([await stage.connectOne()]);
	const name = newUid();
	const old = await stores.engine.takeLease(name, 'old', 60_000);
	await stores.world.expireLease(name);
	await stores.engine.takeLease(name, 'new', 60_000);
	const loaded = await stage.load(rolloutId);
	if (old === null) throw new Error('a fresh lease was refused');
	const outcome = await stores.engine.commitDecision(old, loaded, decisionFrom(loaded), journal());
	return outcome.kind === 'committed';
}

/** Once paused, nobody is given the version (R1), even one whom it was offered before and who comes again. */
async function pausedVersionIsOffered(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const agent = await stage.connectOne();
	const running = await stage.running([agent]);
	await stage.admit(running, [agent]);
	await stage.claim(agent);
	await stage.decide(running.rolloutId, { withdrawUnsent: true }, 'closed');
	return 'offer' in (await stage.claim(agent));
}

/** What was not sent when the rollout paused does not stay wanted (R1). */
async function unsentStaysWanted(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const agent = await stage.connectOne();
	const running = await stage.running([agent]);
	await stage.admit(running, [agent]);
	await stage.decide(running.rolloutId, { withdrawUnsent: true }, 'closed');
	const row = await stores.world.assignment(agent.agentId);
	return row?.versionId === running.versionId;
}

const fence = '-- The fence of a decision';
const claim = '-- Decides, under the lock';
const withdrawal = '-- Takes back what no gateway';

const flaws = [
	{
		name: 'the epoch of the lease',
		happens: lateLeaderWrites,
		onMemory: { ignoreLease: true },
		onPostgres: without(fence, [['exists (select from fence)', 'true']]),
	},
	{
		name: 'what the rollout lets out',
		happens: pausedVersionIsOffered,
		onMemory: { ignoreOffers: true },
		onPostgres: without(claim, [["else 'closed'", 'else null']]),
	},
	{
		name: 'the withdrawal at pause',
		happens: unsentStaysWanted,
		onMemory: { skipWithdrawal: true },
		onPostgres: without(withdrawal, [["s.answer = 'none'", 'false']]),
	},
] as const;

describe.each(flaws)('$name', ({ happens, onMemory, onPostgres }) => {
	let opened: Stores | undefined;
	afterEach(async () => {
		await opened?.close();
		opened = undefined;
	});
	const on = async (stores: Promise<Stores>) => {
		opened = await stores;
		return happens(opened);
	};

	test('is checked in memory', async () => expect(await on(openMemory())).toBe(false));
	test('is missed in memory', async () => expect(await on(openMemory(onMemory))).toBe(true));
	test('is checked on Postgres', async () => expect(await on(openPostgres())).toBe(false));
	test('is missed on Postgres', async () => expect(await on(openPostgres(onPostgres))).toBe(true));
});

describe('faults of the memory store', () => {
	test('away: nothing was written; a lost acknowledgement: it was', async () => {
		let fault: 'before' | 'after' | null = null;
		const strike = (at: 'before' | 'after') => () => {
			if (fault === at) throw new Error(`fault ${at}`);
		};
		const store = createMemoryStore(
			{ nowMs: Date.now },
			{ faults: { before: strike('before'), after: strike('after') } },
		);
		const stores = { ...store, world: memoryWorld(store.state), close: async () => {} };
		const stage = await Stage.set(stores);
		const { rolloutId } = await stage.running([await stage.connectOne()]);
		const loaded = await stage.load(rolloutId);
		fault = 'before';
		await expect(stage.commit(loaded)).rejects.toThrow('fault before');
		expect((await stores.world.rollout(rolloutId)).seq).toBe(1);
		fault = 'after';
		await expect(stage.commit(loaded)).rejects.toThrow('fault after');
		expect((await stores.world.rollout(rolloutId)).seq).toBe(2);
		fault = null;
		expect(await stage.commit(loaded)).toEqual({ kind: 'conflict' });
	});
});
