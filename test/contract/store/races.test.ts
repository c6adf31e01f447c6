// What only a real server can show: two things at once, in both orders. A transaction is held open just before its commit, and the
// other side is seen waiting for its locks.
import { type GatewayId, seededRandom } from '@ampora/runtime';
import { type ConnectedAgent, connect, createEngineStore, createGatewayStore, migrate, type Sql } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/databases.js';
import { decisionFrom, journal } from './samples.js';
import { newUid, type Running, Stage, type Stores, storesOf } from './stage.js';

describe('races on Postgres', () => {
	let database: TestDatabase;
	let opened: ReturnType<typeof connect>;
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		database = await createTestDatabase();
		opened = connect({ url: database.url, connectionsMax: 12 });
		stores = storesOf(opened.sql, opened.close);
		stage = await Stage.set(stores);
	});
	afterAll(async () => {
		await stores.close();
		await database.drop();
	});

	/** Runs `work` in a transaction that commits only when `release` is called. */
	function held<T>(work: (sql: Sql) => Promise<T>) {
		const { promise: gate, resolve: release } = deferred<void>();
		const { promise: ready, resolve: done } = deferred<void>();
		const result = opened.sql.transaction('write', async (tx) => {
			const value = await work(tx);
			done();
			await gate;
			return value;
		});
		return { ready: Promise.race([ready, result]), release, result };
	}

	/** Somebody waits for a lock of this database. */
	async function somebodyWaits(): Promise<void> {
		for (;;) {
			const rows = await opened.sql.query(
				`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
			);
			if (rows.length > 0) return;
		}
	}

	/** The engine inside a transaction that somebody else commits. */
	const engineIn = (tx: Sql) => createEngineStore({ query: tx.query, transaction: (_kind, work) => work(tx) });

	const admittedOne = async (): Promise<Running & { agent: ConnectedAgent }> => {
		const agent = await stage.connectOne();
		const running = await stage.running([agent]);
		await stage.admit(running, [agent]);
		return { ...running, agent };
	};

	test('a claim that meets a withdrawal waits for it, and is given nothing (R1)', async () => {
		const { rolloutId, agent } = await admittedOne();
		const loaded = await stage.load(rolloutId);
		const pausing = held((tx) =>
			engineIn(tx).commitDecision(
				stage.leader,
				loaded,
				decisionFrom(loaded, { withdrawUnsent: true }),
				journal('closed'),
			),
		);
		await pausing.ready;
		const claiming = stage.claim(agent);
		await somebodyWaits();
		pausing.release();
		expect(await pausing.result).toMatchObject({ kind: 'committed' });
		expect(await claiming).toMatchObject({ refused: 'no-assignment', seq: 2 });
		expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 2, answer: 'none', versionId: null });
	});

	test('a withdrawal that meets a claim waits for it, and leaves what was offered (R1)', async () => {
		const { rolloutId, agent } = await admittedOne();
		const request = {
			agentId: agent.agentId,
			sessionEpoch: agent.sessionEpoch,
			reportedHash: null,
			alreadyOffered: null,
		};
		const claiming = held((tx) => createGatewayStore(tx).claimOffers(stage.lease, [request]));
		await claiming.ready;
		const pausing = stage.decide(rolloutId, { withdrawUnsent: true }, 'closed');
		await somebodyWaits();
		claiming.release();
		expect(await claiming.result).toMatchObject([{ offer: { seq: 1 } }]);
		expect(await pausing).toMatchObject({ kind: 'committed' });
		expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 1, answer: 'offered' });
		expect(await stores.world.inFlight(rolloutId)).toEqual([1]);
	});

	test('a takeover waits for a decision that found its lease in time, and ends the next (R2)', async () => {
		const { rolloutId } = await admittedOne();
		const name = newUid();
		const old = await stores.engine.takeLease(name, 'old', 200);
		if (old === null) throw new Error('a fresh lease was refused');
		const loaded = await stage.load(rolloutId);
		const commit = (lease: typeof old, from: typeof loaded, on = stores.engine) =>
			on.commitDecision(lease, from, decisionFrom(from), journal());
		const deciding = held((tx) => commit(old, loaded, engineIn(tx)));
		await deciding.ready;
		const taking = stores.engine.takeLease(name, 'new', 60_000);
		await somebodyWaits();
		// Now the lease runs out while the decision is still to be committed.
		await opened.sql.query('select pg_sleep_until(expires_at) from leader_lease where name = $1', [name]);
		deciding.release();
		expect(await deciding.result).toMatchObject({ kind: 'committed' });
		const next = (await taking) ?? (await stores.engine.takeLease(name, 'new', 60_000));
		expect(next).toMatchObject({ holder: 'new', epoch: 2 });
		expect(await commit(old, await stage.load(rolloutId))).toEqual({ kind: 'lease-lost' });
	});

	test('of two decisions from one snapshot one is committed', async () => {
		const { rolloutId } = await admittedOne();
		const loaded = await stage.load(rolloutId);
		const outcomes = await Promise.all(Array.from({ length: 8 }, () => stage.commit(loaded)));
		expect(outcomes.map(({ kind }) => kind).sort()).toEqual([
			...Array(1).fill('committed'),
			...Array(7).fill('conflict'),
		]);
		expect(await stores.world.journal(rolloutId)).toHaveLength(3);
	});

	test('one uid connecting everywhere at once is one agent with an epoch for each', async () => {
		const gateways = await Promise.all(
			Array.from({ length: 6 }, (_, n) =>
				stores.gateway.renewGateway(`gw-${n}-${newUid()}` as GatewayId, null, 60_000),
			),
		);
		const uids = Array.from({ length: 50 }, newUid);
		const connected = await Promise.all(
			gateways.map(({ lease }, n) => {
				const order = n % 2 === 0 ? uids : [...uids].reverse();
				return stores.gateway.connectAgents(
					lease,
					order.map((instanceUid) => ({ instanceUid, transport: 'websocket' })),
				);
			}),
		);
		for (const uid of uids) {
			const sessions = connected.flat().filter(({ instanceUid }) => instanceUid === uid);
			expect(new Set(sessions.map(({ agentId }) => agentId)).size).toBe(1);
			expect(sessions.map(({ sessionEpoch }) => sessionEpoch).sort()).toEqual([1, 2, 3, 4, 5, 6]);
			expect(sessions.filter(({ isNew }) => isNew)).toHaveLength(1);
		}
	});

	/** An agent that is known by its host, and is gone where so said. */
	async function ofHost(host: string, gone: boolean): Promise<ConnectedAgent> {
		const description = { identifying: { 'host.name': host }, nonIdentifying: {} };
		const [agent] = await stores.gateway.connectAgents(stage.lease, [
			{ instanceUid: newUid(), transport: 'websocket', description },
		]);
		if (!agent) throw new Error('nobody connected');
		const told = { ...description, agentType: null, agentVersion: null, hostname: host };
		await stage.flush([agent], () => ({ description: told }));
		if (gone) await stage.flush([agent], () => ({ disconnected: 'goodbye' }));
		return agent;
	}

	test('of two that come at once for one place, the second waits and is another agent', async () => {
		await stores.world.identifyBy(['host.name']);
		const host = newUid();
		const { agentId } = await ofHost(host, true);
		const description = { identifying: { 'host.name': host }, nonIdentifying: {} };
		const request = () => ({ instanceUid: newUid(), transport: 'websocket' as const, description });
		const first = held((tx) => createGatewayStore(tx).connectAgents(stage.lease, [request()]));
		await first.ready;
		const second = stores.gateway.connectAgents(stage.lease, [request()]);
		await somebodyWaits();
		first.release();
		expect(await first.result).toMatchObject([{ agentId, isNew: false, sessionEpoch: 2 }]);
		expect(await second).toMatchObject([{ isNew: true, heirOf: agentId, sessionEpoch: 1 }]);
	});

	test('an agent that is being assigned something while its place becomes free stays what it is', async () => {
		await stores.world.identifyBy(['host.name']);
		const host = newUid();
		const old = await ofHost(host, false);
		const heir = await ofHost(host, false);
		await stage.flush([old], () => ({ disconnected: 'goodbye' }));
		const assigning = held((tx) =>
			tx.query(`insert into assignment (agent_id, seq, cause) values ($1, 1, 'rollout')`, [heir.agentId]),
		);
		await assigning.ready;
		const settling = stores.gateway.settleIdentities(stage.lease);
		await somebodyWaits();
		assigning.release();
		await assigning.result;
		expect(await settling).toEqual([]);
		expect(await stores.world.assignment(heir.agentId)).toMatchObject({ seq: 1 });
		expect((await stores.world.agent(old.agentId)).sessionEpoch).toBe(1);
	});

	test('flushes, claims and decisions over the same agents neither deadlock nor lose anything', async () => {
		const seed = Date.now() % 1_000_000;
		const random = seededRandom(seed);
		const agents = await stage.connect(60);
		const running = await stage.running(agents);
		await stage.admit(running, agents);
		const shuffled = () => [...agents].sort(() => random.next() - 0.5).slice(0, 30);
		const said = new Map<string, number>();
		const seqs = new Map<string, number>();
		const claimSome = async () => {
			const wanted = shuffled().map(({ agentId, sessionEpoch }) => ({
				...{ agentId, sessionEpoch, reportedHash: null, alreadyOffered: null },
			}));
			for (const decision of await stores.gateway.claimOffers(stage.lease, wanted)) {
				if (!('offer' in decision)) continue;
				const { agentId, seq } = decision.offer;
				expect(seq, `seed ${seed}`).toBeGreaterThanOrEqual(seqs.get(agentId) ?? 0);
				seqs.set(agentId, seq);
			}
		};
		const flushSome = async () => {
			const group = shuffled();
			await stage.flush(group, ({ agentId }) => ({
				health: { healthy: true, tree: {}, flips: 1, restarts: 0, startTimeNanos: '1' },
				answers: [{ seq: seqs.get(agentId) ?? 1, answer: 'applying', error: null, ageMs: 0 }],
			}));
		};
		const decideSome = async () => {
			const loaded = await stage.load(running.rolloutId);
			const { changed } = loaded.snapshot;
			for (const { facts } of changed) said.set(facts.agentId, facts.assignment?.seq ?? 0);
			await stage.commit(loaded, {
				withdrawUnsent: random.next() < 0.3,
				assignments: changed.slice(0, 10).map(({ facts }) => ({
					...{ agentId: facts.agentId, versionId: running.versionId, attempt: 1, cause: 'retry' as const },
					expectedSeq: facts.assignment?.seq ?? null,
				})),
				targets: changed
					.slice(0, 10)
					.map(({ target, facts }) => ({ ...target, seq: (facts.assignment?.seq ?? 0) + 1 })),
			});
		};
		for (let round = 0; round < 15; round += 1) {
			// Facts of one session are numbered in order, so only one flush at a time; everything else at once.
			await Promise.all([flushSome(), claimSome(), claimSome(), decideSome(), decideSome()]);
		}
		const journalled = (await stores.world.journal(running.rolloutId)).map(({ seq }) => seq);
		expect(journalled, `seed ${seed}`).toEqual(journalled.map((_, index) => index + 1));
		expect(said.size, `seed ${seed}`).toBeGreaterThan(0);
	}, 60_000);

	test('two processes that migrate at once do it once', async () => {
		await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
		const rows = await opened.sql.query<{ hash: string }>('select hash from drizzle.__drizzle_migrations');
		expect(rows.length).toBeGreaterThan(0);
		expect(new Set(rows.map(({ hash }) => hash)).size).toBe(rows.length);
	});

	describe('when Postgres is away', () => {
		const away = { name: 'StoreUnavailable', reason: 'away' };

		test('nobody listens: unavailable', async () => {
			const { sql, close } = connect({ url: 'postgres://nobody@127.0.0.1:1/none' });
			await expect(sql.query('select 1')).rejects.toMatchObject(away);
			await expect(sql.transaction('write', (tx) => tx.query('select 1'))).rejects.toMatchObject(away);
			await close();
		});

		test('too slow: unavailable, and the connection is used again', async () => {
			const { sql, close } = connect({ url: database.url, connectionsMax: 1, statementTimeoutMs: 50 });
			await expect(sql.query('select pg_sleep(10)')).rejects.toMatchObject(away);
			expect(await sql.query('select 1 as one')).toEqual([{ one: 1 }]);
			await close();
		});

		test('cut off in a transaction: unavailable, nothing written, and the next one works', async () => {
			const { sql, close } = connect({ url: database.url, connectionsMax: 2 });
			const id = newUid();
			const cut = sql.transaction('write', async (tx) => {
				await tx.query('insert into setting (name, value) values ($1, $2::jsonb)', [id, '1']);
				const [me] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
				await opened.sql.query('select pg_terminate_backend($1)', [me?.pid]);
				await tx.query('select 1');
			});
			await expect(cut).rejects.toMatchObject(away);
			expect(await sql.query('select from setting where name = $1', [id])).toHaveLength(0);
			await close();
		});

		test('a mistake of ours is not taken for that', async () => {
			await expect(opened.sql.query('select nonsense')).rejects.not.toMatchObject(away);
		});
	});
});

function deferred<T>() {
	let resolve: (value: T) => void = () => {};
	const promise = new Promise<T>((settle) => {
		resolve = settle;
	});
	return { promise, resolve };
}
