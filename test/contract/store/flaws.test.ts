// The safety checks are there: without any one of them, something forbidden happens. On both adapters.
import { decide } from '@ampora/rollout';
import type { Sql } from '@ampora/store';
import { createMemoryStore, memoryWorld } from '@ampora/store/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { decisionFrom, journal, sampleRollout } from './samples.js';
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

/** A rollout of a group that is frozen does not go on (R1). */
async function frozenGroupGoesOn(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const { rolloutId, groupId } = await stage.running([]);
	await stores.world.addFreeze({ name: newUid(), reason: 'a launch', fromMs: 0, untilMs: 2 ** 41 }, [groupId]);
	return decide((await stage.load(rolloutId)).snapshot).rollout.state !== 'Paused';
}

/** One that is queued does not start before the other one of its group has ended (R15). */
async function queuedStartsEarly(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const { groupId, versionId } = await stage.running([await stage.connectOne()]);
	const queued = sampleRollout(groupId, versionId, { state: 'Queued' });
	await stores.world.createRollout(queued);
	return decide((await stage.load(queued.id)).snapshot).rollout.state !== 'Queued';
}

const rollout = '-- A rollout with everything of it';

/** What failed on an agent is not kept from it when it comes back under another uid (R9). */
async function failureIsForgotten(stores: Stores): Promise<boolean> {
	const stage = await Stage.set(stores);
	const attributes = { identifying: { 'host.name': newUid() }, nonIdentifying: {} };
	await stores.world.identifyBy(['host.name']);
	const come = async () => {
		const request = { instanceUid: newUid(), transport: 'websocket' as const, description: attributes };
		const [agent] = await stores.gateway.connectAgents(stage.lease, [request]);
		if (!agent) throw new Error('nobody connected');
		return agent;
	};
	const agent = await come();
	const description = { ...attributes, agentType: null, agentVersion: null, hostname: null };
	await stage.flush([agent], () => ({ capabilities: 0x1807n, description }));
	const running = await stage.running([agent]);
	await stage.decide(running.rolloutId, { quarantine: [{ agentId: agent.agentId, reason: 'failed' }] });
	await stage.flush([agent], () => ({ disconnected: 'goodbye' }));
	return !(await stores.world.quarantined((await come()).agentId, running.versionId));
}

const connecting = '-- Begins a session for each uid';
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
	{
		name: 'windows and freezes',
		happens: frozenGroupGoesOn,
		onMemory: { ignoreCalendar: true },
		onPostgres: without(rollout, [['r.group_id = any(f.group_ids)', 'false']]),
	},
	{
		name: 'the turn of a queued rollout',
		happens: queuedStartsEarly,
		onMemory: { ignoreBusy: true },
		onPostgres: without(rollout, [['o.id <> r.id', 'false']]),
	},
	{
		name: 'who an agent is by its attributes',
		happens: failureIsForgotten,
		onMemory: { ignoreIdentity: true },
		onPostgres: without(connecting, [['agent_identity(f.description)', 'null::bytea']]),
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
