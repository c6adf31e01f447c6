import type { AgentId, GatewayId, VersionId } from '@ampora/runtime';
import type { ConnectedAgent } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adapters, ended, newUid, Stage, type Stores } from './stage.js';

describe.each(adapters)('gateway store on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	const otherGateway = async () =>
		(await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000)).lease;

	describe('lease', () => {
		test('is kept while it is renewed in time, and begins a new incarnation when it lapsed', async () => {
			const id = `gw-${newUid()}` as GatewayId;
			const first = await stores.gateway.renewGateway(id, null, 60_000);
			expect(first.lapsed).toBe(false);
			const kept = await stores.gateway.renewGateway(id, first.lease.incarnation, 60_000);
			expect(kept).toEqual({ lease: first.lease, lapsed: false });
			await stores.world.expireGateway(id);
			const again = await stores.gateway.renewGateway(id, first.lease.incarnation, 60_000);
			expect(again.lapsed).toBe(true);
			expect(again.lease.incarnation).toBeGreaterThan(first.lease.incarnation);
		});

		test('of a new process replaces that of the old one', async () => {
			const id = `gw-${newUid()}` as GatewayId;
			const old = await stores.gateway.renewGateway(id, null, 60_000);
			const next = await stores.gateway.renewGateway(id, null, 60_000);
			expect(next.lease.incarnation).toBeGreaterThan(old.lease.incarnation);
			await expect(stage.connect(1, old.lease)).rejects.toMatchObject({ name: 'StoreUnavailable', reason: 'lapsed' });
		});

		test('that is over writes nothing (D1)', async () => {
			const lease = await otherGateway();
			const agent = await stage.connectOne(lease);
			await stores.world.expireGateway(lease.gateway);
			const lapsed = { name: 'StoreUnavailable', reason: 'lapsed' };
			await expect(stage.flush([agent], () => ({ capabilities: 1n }), lease)).rejects.toMatchObject(lapsed);
			await expect(stage.claim(agent, {}, lease)).rejects.toMatchObject(lapsed);
			const connecting = stores.gateway.connectAgents(lease, [{ instanceUid: newUid(), transport: 'http' }]);
			await expect(connecting).rejects.toMatchObject(lapsed);
		});
	});

	describe('connect', () => {
		test('creates agents nobody knew, in the order of the requests', async () => {
			const uids = Array.from({ length: 20 }, newUid);
			const requests = uids.map((instanceUid) => ({ instanceUid, transport: 'websocket' as const }));
			const agents = await stores.gateway.connectAgents(stage.lease, requests);
			expect(agents.map(({ instanceUid }) => instanceUid)).toEqual(uids);
			expect(agents.every(({ isNew, sessionEpoch, previous }) => isNew && sessionEpoch === 1 && !previous)).toBe(true);
		});

		test('takes an agent over with a larger epoch, and tells what was known of it', async () => {
			const agent = await stage.connectOne();
			await stage.flush([agent], () => ({
				sequenceNum: 41,
				health: { healthy: false, tree: {}, flips: 1, restarts: 0, startTimeNanos: '17' },
				remoteConfig: { hash: Uint8Array.of(1), status: 'failed', error: 'no' },
				componentsHash: Uint8Array.of(3),
				effective: { hash: Uint8Array.of(2), files: [{ name: '', contentType: '', body: Uint8Array.of(0, 255) }] },
				description: { identifying: {}, nonIdentifying: {}, agentType: 'a', agentVersion: '1', hostname: 'h' },
			}));
			const lease = await otherGateway();
			const [again] = await stores.gateway.connectAgents(lease, [
				{ instanceUid: agent.instanceUid, transport: 'websocket' },
			]);
			expect(again).toEqual({
				...{ agentId: agent.agentId, instanceUid: agent.instanceUid, sessionEpoch: 2, isNew: false, sequenceNum: 41 },
				...{ placeOf: null, heirOf: null },
				...{ capabilities: 0x1807n, described: true, healthy: false, startTimeNanos: '17' },
				...{ reportedHash: Uint8Array.of(1), reportedStatus: 'failed', effectiveHash: Uint8Array.of(2) },
				componentsHash: Uint8Array.of(3),
				previous: { gateway: stage.lease.gateway, sessionEpoch: 1 },
			});
		});

		test('finds an agent by a uid it had, also when both names come at once', async () => {
			const agent = await stage.connectOne();
			const uid = newUid();
			await stores.gateway.renameAgent(agent.agentId, agent.sessionEpoch, uid);
			const both = await stores.gateway.connectAgents(stage.lease, [
				{ instanceUid: agent.instanceUid, transport: 'websocket' },
				{ instanceUid: uid, transport: 'websocket' },
			]);
			expect(both.map(({ agentId, instanceUid }) => ({ agentId, instanceUid }))).toEqual([
				{ agentId: agent.agentId, instanceUid: uid },
				{ agentId: agent.agentId, instanceUid: uid },
			]);
			expect(both.map(({ sessionEpoch }) => sessionEpoch)).toEqual([2, 3]);
		});

		test('renames only for the present session', async () => {
			const agent = await stage.connectOne();
			await stores.gateway.connectAgents(stage.lease, [{ instanceUid: agent.instanceUid, transport: 'websocket' }]);
			await stores.gateway.renameAgent(agent.agentId, agent.sessionEpoch, newUid());
			const [again] = await stores.gateway.connectAgents(stage.lease, [
				{ instanceUid: agent.instanceUid, transport: 'websocket' },
			]);
			expect(again).toMatchObject({ agentId: agent.agentId, instanceUid: agent.instanceUid, isNew: false });
		});
	});

	describe('re-admission', () => {
		test('takes back sessions that were reaped, but none that a newer one replaced', async () => {
			const lease = await otherGateway();
			const [kept, moved] = await stage.connect(2, lease);
			if (!kept || !moved) throw new Error('two were to connect');
			await stores.world.expireGateway(lease.gateway);
			await stores.engine.reapGateways(stage.leader);
			expect(await stores.world.agent(kept.agentId)).toMatchObject({ gateway: null, disconnectReason: 'gateway-lost' });
			await stores.gateway.connectAgents(stage.lease, [{ instanceUid: moved.instanceUid, transport: 'websocket' }]);
			const renewed = await stores.gateway.renewGateway(lease.gateway, lease.incarnation, 60_000);
			const sessions = [kept, moved].map(({ agentId, sessionEpoch }) => ({ agentId, sessionEpoch }));
			expect(await stores.gateway.readmitAgents(renewed.lease, sessions)).toEqual({ refused: [moved.agentId] });
			expect(await stores.world.agent(kept.agentId)).toMatchObject({ gateway: lease.gateway, disconnectReason: null });
			expect(await stores.world.agent(moved.agentId)).toMatchObject({ gateway: stage.lease.gateway });
		});
	});

	describe('flush', () => {
		test('of an older session is refused and changes nothing (D1)', async () => {
			const agent = await stage.connectOne();
			await stores.gateway.connectAgents(stage.lease, [{ instanceUid: agent.instanceUid, transport: 'websocket' }]);
			const health = { healthy: true, tree: {}, flips: 0, restarts: 0, startTimeNanos: '1' };
			expect((await stage.flush([agent], () => ({ health }))).refused).toEqual([agent.agentId]);
			expect(await stores.world.agent(agent.agentId)).toMatchObject({ healthy: null });
		});

		test('with an older fact_seq changes nothing, and a repeated one is harmless', async () => {
			const agent = await stage.connectOne();
			const facts = (healthy: boolean, factSeq: number) =>
				stage.flush([agent], () => ({
					factSeq,
					health: { healthy, tree: {}, flips: 1, restarts: 0, startTimeNanos: '1' },
				}));
			await facts(true, 1_000);
			expect(await facts(true, 1_000)).toEqual({ refused: [], touchedRollouts: [] });
			expect(await facts(false, 999)).toEqual({ refused: [], touchedRollouts: [] });
			expect(await stores.world.agent(agent.agentId)).toMatchObject({ healthy: true, healthFlips: 1 });
		});

		test('of a goodbye ends the session, and its repetition is not refused', async () => {
			const agent = await stage.connectOne();
			const goodbye = () => stage.flush([agent], () => ({ disconnected: 'goodbye' as const }));
			await goodbye();
			expect(await goodbye()).toMatchObject({ refused: [] });
			expect(await stores.world.agent(agent.agentId)).toMatchObject({ gateway: null, disconnectReason: 'goodbye' });
			expect(await stores.engine.sessionsOf([agent.agentId])).toEqual([
				{ agentId: agent.agentId, gateway: null, gatewayLive: false, sessionEpoch: 1 },
			]);
		});

		test('stores text that Postgres cannot keep as it is', async () => {
			const agent = await stage.connectOne();
			const running = await stage.running([agent]);
			await stage.admit(running, [agent]);
			await stage.flush([agent], () => ({ answers: [{ seq: 1, answer: 'failed', error: 'a\0b', ageMs: 0 }] }));
			expect((await stores.world.assignment(agent.agentId))?.error).toMatch(/^a.b$/s);
		});

		test('answers only move up (R16)', async () => {
			const agent = await stage.connectOne();
			await stage.admit(await stage.running([agent]), [agent]);
			const seen: unknown[] = [];
			for (const answer of ['applying', 'offered', 'applied', 'applying', 'failed', 'applied', 'reverted'] as const) {
				await stage.answer(agent, 1, answer);
				seen.push((await stores.world.assignment(agent.agentId))?.answer);
			}
			expect(seen).toEqual(['applying', 'applying', 'applied', 'applied', 'failed', 'failed', 'failed']);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ error: 'said failed' });
		});

		test('of several answers to one assignment takes the furthest', async () => {
			const agent = await stage.connectOne();
			await stage.admit(await stage.running([agent]), [agent]);
			const answers = (['failed', 'applied', 'applying'] as const).map((answer) => ({
				...{ seq: 1, answer, error: null, ageMs: 5 },
			}));
			await stage.flush([agent], () => ({ answers }));
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ answer: 'failed' });
		});

		test('keeps an answer to an assignment that moved on with its target (R16)', async () => {
			const agent = await stage.connectOne();
			const old = await stage.proved(agent);
			const running = await stage.running([agent]);
			await stage.admit(running, [agent]);
			const seq = (await stores.world.assignment(agent.agentId))?.seq ?? 0;
			await stage.decide(running.rolloutId, {
				assignments: [{ agentId: agent.agentId, versionId: old, attempt: 1, cause: 'rollback', expectedSeq: seq }],
			});
			const { touchedRollouts } = await stage.answer(agent, seq, 'applied');
			expect(touchedRollouts).toEqual([running.rolloutId]);
			expect(await stores.world.target(running.rolloutId, agent.agentId)).toMatchObject({ lateAnswer: 'applied' });
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: seq + 1, answer: 'none' });
		});

		test('judges the effective config only for the assignment it was judged against', async () => {
			const agent = await stage.connectOne();
			await stage.admit(await stage.running([agent]), [agent]);
			const match = (seq: number) =>
				stage.flush([agent], () => ({ effectiveMatch: { seq, verdict: 'mismatch', detail: 'a.b' } }));
			expect((await match(7)).touchedRollouts).toEqual([]);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ effective: 'unknown' });
			expect((await match(1)).touchedRollouts).toHaveLength(1);
			expect((await match(1)).touchedRollouts).toEqual([]);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ effective: 'mismatch' });
		});

		test('signals the rollout of what matters to it, and of nothing else', async () => {
			const agent = await stage.connectOne();
			const { rolloutId } = await stage.running([agent]);
			const health = (healthy: boolean, flips: number, restarts = 0) => ({
				health: { healthy, tree: {}, flips, restarts, startTimeNanos: '1' },
			});
			const touches = async (facts: Parameters<Stage['flush']>[1]) =>
				(await stage.flush([agent], facts)).touchedRollouts.length === 1;
			expect(await touches(() => health(true, 0))).toBe(true);
			expect(await touches(() => health(true, 0))).toBe(false);
			expect(await touches(() => health(true, 2))).toBe(true);
			expect(await touches(() => health(true, 0, 1))).toBe(true);
			expect(await touches(() => ({ capabilities: 0x1807n }))).toBe(false);
			expect(await touches(() => ({ capabilities: 0x7n }))).toBe(true);
			const remoteConfig = { hash: Uint8Array.of(9), status: 'applied', error: '' } as const;
			expect(await touches(() => ({ remoteConfig }))).toBe(false);
			expect(await touches(() => ({ disconnected: 'lost' }))).toBe(true);
			expect(await stores.world.signals(rolloutId)).toHaveLength(5);
			await stores.gateway.connectAgents(stage.lease, [{ instanceUid: agent.instanceUid, transport: 'websocket' }]);
			expect(await stores.world.signals(rolloutId)).toHaveLength(6);
		});
	});

	describe('the proven version', () => {
		const proven = async (agentId: AgentId) => {
			const { provenVersion, previousProvenVersion } = await stores.world.agent(agentId);
			return [provenVersion, previousProvenVersion];
		};
		const pushNext = async (agent: ConnectedAgent) => {
			const running = await stage.running([agent]);
			await stage.admit(running, [agent]);
			return { ...running, seq: (await stores.world.assignment(agent.agentId))?.seq ?? 0 };
		};

		test('is the last one answered applied; one that failed leaves it', async () => {
			const agent = await stage.connectOne();
			const first = await stage.proved(agent);
			expect(await proven(agent.agentId)).toEqual([first, null]);
			const second = await pushNext(agent);
			await stage.answer(agent, second.seq, 'failed');
			expect(await proven(agent.agentId)).toEqual([first, null]);
		});

		test('that is reverted gives way to the one before, once', async () => {
			const agent = await stage.connectOne();
			const first = await stage.proved(agent);
			const { versionId, seq } = await pushNext(agent);
			await stage.answer(agent, seq, 'applied');
			expect(await proven(agent.agentId)).toEqual([versionId, first]);
			await stage.answer(agent, seq, 'reverted');
			expect(await proven(agent.agentId)).toEqual([first, null]);
		});

		test('that turns out failed after the assignment moved on gives way too', async () => {
			const agent = await stage.connectOne();
			const first = await stage.proved(agent);
			const { rolloutId, seq } = await pushNext(agent);
			await stage.answer(agent, seq, 'applied');
			const back = { agentId: agent.agentId, versionId: first as VersionId, attempt: 1, cause: 'rollback' as const };
			await stage.decide(rolloutId, { assignments: [{ ...back, expectedSeq: seq }] });
			await stage.answer(agent, seq, 'reverted');
			expect(await proven(agent.agentId)).toEqual([first, null]);
		});
	});

	describe('claim', () => {
		test('gives what the row says and records it as offered', async () => {
			const agent = await stage.connectOne();
			const running = await stage.running([agent]);
			expect(await stage.claim(agent)).toEqual({ refused: 'no-assignment', agentId: agent.agentId, seq: null });
			await stage.admit(running, [agent]);
			const decision = await stage.claim(agent);
			if (!('offer' in decision)) throw new Error(`refused: ${decision.refused}`);
			const { versionId, rolloutId } = running;
			expect(decision.offer).toMatchObject({ agentId: agent.agentId, seq: 1, versionId, rolloutId });
			expect(decision.offer.offeredHash).toHaveLength(32);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ answer: 'offered' });
			expect(await stores.world.signals(rolloutId)).toEqual([agent.agentId]);
			const { offeredHash } = decision.offer;
			expect(await stage.claim(agent, { reported: offeredHash })).toMatchObject({ refused: 'already-reported' });
			expect(await stage.claim(agent, { offered: offeredHash })).toMatchObject({ refused: 'already-offered' });
			expect(await stores.gateway.currentAssignments([agent.agentId])).toEqual([
				{ agentId: agent.agentId, seq: 1, versionId, offeredHash, answer: 'offered' },
			]);
		});

		test('is given anew to the rollout that comes after, of the same version, when nothing was ever confirmed', async () => {
			const agent = await stage.connectOne();
			const first = await stage.running([agent]);
			await stage.admit(first, [agent]);
			const decision = await stage.claim(agent);
			if (!('offer' in decision)) throw new Error(`refused: ${decision.refused}`);
			const { offeredHash } = decision.offer;
			const superseded = await stage.load(first.rolloutId);
			await stage.commit(superseded, { rollout: { ...ended(superseded), state: 'Superseded' } }, 'answered');
			const second = await stage.running([agent], {}, first.versionId);
			await stage.admit(second, [agent]);
			expect(await stage.claim(agent, { reported: offeredHash })).toMatchObject({ refused: 'already-reported' });
			expect(await stage.claim(agent, { offered: offeredHash })).toMatchObject({ offer: { seq: 2, offeredHash } });
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ answer: 'offered' });
			expect(await stores.world.signals(second.rolloutId)).toEqual([agent.agentId]);
			expect(await stage.claim(agent, { offered: offeredHash })).toMatchObject({ refused: 'already-offered' });
		});

		test('never lowers an answer by offering again', async () => {
			const agent = await stage.connectOne();
			await stage.admit(await stage.running([agent]), [agent]);
			await stage.answer(agent, 1, 'applied');
			expect(await stage.claim(agent)).toHaveProperty('offer');
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ answer: 'applied' });
		});

		test('is refused to an older session and to another gateway (D1)', async () => {
			const agent = await stage.connectOne();
			await stage.admit(await stage.running([agent]), [agent]);
			const lease = await otherGateway();
			expect(await stage.claim(agent, {}, lease)).toMatchObject({ refused: 'not-mine' });
			const [newer] = await stores.gateway.connectAgents(stage.lease, [
				{ instanceUid: agent.instanceUid, transport: 'websocket' },
			]);
			expect(await stage.claim(agent)).toMatchObject({ refused: 'not-mine' });
			expect(newer && (await stage.claim(newer))).toHaveProperty('offer');
		});

		test('is refused after a failure, and where the version is quarantined (R9)', async () => {
			const [failed, quarantined] = await stage.connect(2);
			if (!failed || !quarantined) throw new Error('two were to connect');
			const running = await stage.running([failed, quarantined]);
			await stage.admit(running, [failed, quarantined]);
			await stage.answer(failed, 1, 'failed');
			expect(await stage.claim(failed)).toMatchObject({ refused: 'answered', seq: 1 });
			await stage.decide(running.rolloutId, {
				quarantine: [{ agentId: quarantined.agentId, reason: 'failed before' }],
			});
			expect(await stage.claim(quarantined)).toMatchObject({ refused: 'quarantined' });
			await stage.decide(running.rolloutId, { unquarantine: [quarantined.agentId] });
			expect(await stage.claim(quarantined)).toHaveProperty('offer');
		});

		test('follows what the rollout lets out, but restores go through (R1)', async () => {
			const [waiting, applied, restored] = await stage.connect(3);
			if (!waiting || !applied || !restored) throw new Error('three were to connect');
			const former = await stage.proved(restored);
			const running = await stage.running([waiting, applied, restored]);
			await stage.admit(running, [waiting, applied, restored]);
			await stage.answer(applied, 1, 'applied');
			const { seq = 0 } = (await stores.world.assignment(restored.agentId)) ?? {};
			const back = { agentId: restored.agentId, versionId: former, attempt: 1, cause: 'restore' as const };
			await stage.decide(running.rolloutId, { assignments: [{ ...back, expectedSeq: seq }] }, 'answered');
			expect(await stage.claim(waiting)).toMatchObject({ refused: 'closed' });
			expect(await stage.claim(applied)).toHaveProperty('offer');
			await stage.decide(running.rolloutId, {}, 'closed');
			expect(await stage.claim(applied)).toMatchObject({ refused: 'closed' });
			expect(await stage.claim(restored)).toMatchObject({ offer: { versionId: former, seq: seq + 1 } });
		});
	});

	test('an offer of what a rollback assigns goes out while its version does not, and not while it is paused (R1)', async () => {
		const [touched, listed] = await stage.connect(2);
		if (!touched || !listed) throw new Error('two were to connect');
		const former = await stage.proved(touched);
		const running = await stage.running([touched, listed]);
		await stage.admit(running, [touched, listed]);
		await stage.claim(listed);
		const { seq = 0 } = (await stores.world.assignment(touched.agentId)) ?? {};
		const back = { agentId: touched.agentId, versionId: former, attempt: 1, cause: 'rollback' as const };
		await stage.decide(running.rolloutId, { assignments: [{ ...back, expectedSeq: seq }] }, 'closed');
		expect(await stage.claim(touched)).toMatchObject({ refused: 'closed' });
		await stage.decide(running.rolloutId, {}, 'answered');
		expect(await stage.claim(touched)).toMatchObject({ offer: { versionId: former, seq: seq + 1 } });
		expect(await stage.claim(listed)).toMatchObject({ refused: 'closed' });
	});

	test('changed assignments are those of this gateway since the cursor, which looks back', async () => {
		const [mine] = await stage.connect(1);
		const lease = await otherGateway();
		const other = await stage.connectOne(lease);
		if (!mine) throw new Error('nobody connected');
		const running = await stage.running([mine, other]);
		await stage.admit(running, [mine, other]);
		const first = await stores.gateway.changedAssignments(lease, null);
		expect(first.assignments).toMatchObject([{ agentId: other.agentId, seq: 1, versionId: running.versionId }]);
		expect(first.assignments[0]?.offeredHash).toHaveLength(32);
		const second = await stores.gateway.changedAssignments(lease, first.cursor);
		expect(second.assignments).toEqual(first.assignments);
		const far = await stores.gateway.changedAssignments(lease, String(Number(first.cursor) + 60_000));
		expect(far.assignments).toEqual([]);
	});

	test('versions come with their bytes, enrollment tokens only while known', async () => {
		const versionId = await stores.world.publish('receivers: {}');
		const found = await stores.gateway.versionFiles(versionId);
		expect(Buffer.from(found?.files[0]?.body ?? []).toString()).toBe('receivers: {}');
		expect(found?.contentHash).toHaveLength(32);
		expect(await stores.gateway.versionFiles(newUid() as VersionId)).toBeNull();
		await stores.world.allowEnrollment(Uint8Array.of(1, 2, 3));
		expect(await stores.gateway.enrollmentTokenValid(Uint8Array.of(1, 2, 3))).toBe(true);
		expect(await stores.gateway.enrollmentTokenValid(Uint8Array.of(3, 2, 1))).toBe(false);
	});
});
