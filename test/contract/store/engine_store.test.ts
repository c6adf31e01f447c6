import { type AgentFacts, type Command, type Decision, resolveSpec } from '@ampora/rollout';
import { type GatewayId, newId, type RolloutId, type VersionId } from '@ampora/runtime';
import type { ConnectedAgent, LoadedSnapshot } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { decisionFrom, journal, sampleRollout, sampleStep, sampleTarget } from './samples.js';
import { adapters, admitted, allNeeds, ended, newUid, type Running, Stage, type Stores } from './stage.js';

const command = (kind: Command['kind'], args: Partial<Command> = {}): Command => ({
	id: newUid(),
	kind,
	actor: 'ada',
	...args,
});

const pausing = { kind: 'state', from: 'InProgress', to: 'Paused', why: 'somebody' } as const;

describe.each(adapters)('engine store on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	/** One agent, admitted. */
	const pushedOne = async (): Promise<Running & { agent: ConnectedAgent }> => {
		const agent = await stage.connectOne();
		const running = await stage.running([agent]);
		await stage.admit(running, [agent]);
		return { ...running, agent };
	};

	describe('leader lease', () => {
		test('has one holder, and an epoch that grows with every change of holder', async () => {
			const name = newUid();
			const take = (holder: string) => stores.engine.takeLease(name, holder, 60_000);
			expect(await take('a')).toEqual({ name, holder: 'a', epoch: 1 });
			expect(await take('b')).toBeNull();
			expect(await take('a')).toMatchObject({ epoch: 1 });
			await stores.world.expireLease(name);
			expect(await take('b')).toMatchObject({ holder: 'b', epoch: 2 });
			expect(await take('a')).toBeNull();
		});

		test('grows its epoch also when the same holder let it run out', async () => {
			const name = newUid();
			await stores.engine.takeLease(name, 'a', 60_000);
			await stores.world.expireLease(name);
			expect(await stores.engine.takeLease(name, 'a', 60_000)).toMatchObject({ epoch: 2 });
		});

		test('is free once released, and only its holder can release it', async () => {
			const name = newUid();
			const lease = await stores.engine.takeLease(name, 'a', 60_000);
			await stores.engine.releaseLease({ name, holder: 'b', epoch: 1 });
			expect(await stores.engine.takeLease(name, 'b', 60_000)).toBeNull();
			if (lease) await stores.engine.releaseLease(lease);
			expect(await stores.engine.takeLease(name, 'b', 60_000)).toMatchObject({ holder: 'b', epoch: 2 });
		});
	});

	describe('a decision', () => {
		test('is read back as it was written', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			const loaded = await stage.load(rolloutId);
			const target = sampleTarget(agent.agentId, 0, {
				...{
					state: 'Applying',
					seq: 1,
					error: 'e',
					previousVersion: versionId,
					sickBefore: true,
					pushedAt: 5,
					wakeAt: 9,
				},
				...{ against: { 'unhealthy-ratio': 3 }, judged: { 'disconnect-ratio': false }, back: { state: 'todo' } },
			});
			const step = sampleStep(0, { name: 'canary', exhausted: true, endedAtMs: 7 });
			const decision = decisionFrom(loaded, {
				rollout: { ...loaded.snapshot.rollout, observedMs: 77, hold: { cause: 'gw', sinceMs: 1, lastSeenMs: 2 } },
				...{ targets: [target], steps: [step] },
			});
			await stores.engine.commitDecision(stage.leader, loaded, decision, journal());
			const { snapshot } = await stage.load(rolloutId);
			expect(snapshot.rollout).toEqual(decision.rollout);
			expect(snapshot.steps).toEqual([step]);
			expect(snapshot.back.map((view) => view.target)).toEqual([target]);
		});

		test('without the lease writes nothing (R2)', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			const other = await stores.engine.takeLease(newUid(), 'one', 60_000);
			const loaded = await stage.load(rolloutId);
			const change: Partial<Decision> = {
				targets: [sampleTarget(agent.agentId, 0, { state: 'Failed' })],
				assignments: [{ agentId: agent.agentId, versionId, attempt: 2, cause: 'retry', expectedSeq: 1 }],
			};
			const before = await stage.load(rolloutId);
			if (other === null) throw new Error('a fresh lease was refused');
			for (const lease of [
				{ ...other, epoch: other.epoch + 1 },
				{ ...other, holder: 'two' },
				{ ...other, name: 'unknown' },
			]) {
				const outcome = await stores.engine.commitDecision(lease, loaded, decisionFrom(loaded, change), journal());
				expect(outcome).toEqual({ kind: 'lease-lost' });
			}
			await stores.world.expireLease(other.name);
			const late = await stores.engine.commitDecision(other, loaded, decisionFrom(loaded, change), journal());
			expect(late).toEqual({ kind: 'lease-lost' });
			expect((await stage.load(rolloutId)).snapshot.rollout).toEqual(before.snapshot.rollout);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 1 });
			expect(await stores.world.target(rolloutId, agent.agentId)).toMatchObject({ target: { state: 'Pending' } });
		});

		test('is written with that of the rollout that takes its place, or neither is (R15)', async () => {
			const { rolloutId, groupId } = await pushedOne();
			const version = await stores.world.publish(newUid());
			const queued = sampleRollout(groupId, version, { state: 'Queued', supersedes: rolloutId });
			await stores.world.createRollout(queued);
			const older = await stage.load(rolloutId);
			const over = decisionFrom(older, {
				rollout: { ...older.snapshot.rollout, state: 'Superseded', endedAtMs: older.snapshot.nowMs },
			});
			const commit = async (from: LoadedSnapshot) => {
				const decision = decisionFrom(from, {
					rollout: { ...from.snapshot.rollout, state: 'InProgress', startedAtMs: from.snapshot.nowMs },
				});
				const successor = { loaded: from, decision, journal: journal() };
				return stores.engine.commitDecision(stage.leader, older, over, journal(), successor);
			};
			const states = async () =>
				Promise.all([rolloutId, queued.id].map(async (id) => (await stage.load(id)).snapshot.rollout.state));
			const stale = await stage.load(queued.id);
			await stage.decide(queued.id);
			expect(await commit(stale)).toEqual({ kind: 'conflict' });
			expect(await states()).toEqual(['InProgress', 'Queued']);
			expect(await commit(await stage.load(queued.id))).toMatchObject({ kind: 'committed' });
			expect(await states()).toEqual(['Superseded', 'InProgress']);
		});

		test('from an outdated snapshot is a conflict and writes nothing', async () => {
			const { rolloutId, agent } = await pushedOne();
			const stale = await stage.load(rolloutId);
			expect(await stage.decide(rolloutId)).toMatchObject({ kind: 'committed' });
			const targets = [sampleTarget(agent.agentId, 0, { state: 'Failed' })];
			expect(await stage.commit(stale, { targets })).toEqual({ kind: 'conflict' });
			expect(await stores.world.target(rolloutId, agent.agentId)).toMatchObject({ target: { state: 'Pending' } });
			const seqs = (await stores.world.journal(rolloutId)).map(({ seq }) => seq);
			expect(seqs).toEqual([1, 2, 3]);
		});

		test('is a conflict as a whole when one assignment moved', async () => {
			const [one, two] = await stage.connect(2);
			if (!one || !two) throw new Error('two were to connect');
			const running = await stage.running([one, two]);
			await stage.admit(running, [two]);
			const { versionId, rolloutId } = running;
			const write = { versionId, attempt: 1, cause: 'rollout' as const, expectedSeq: null };
			const outcome = await stage.decide(rolloutId, {
				targets: [sampleTarget(one.agentId, 0, { seq: 1 })],
				assignments: [
					{ ...write, agentId: one.agentId },
					{ ...write, agentId: two.agentId },
				],
			});
			expect(outcome).toEqual({ kind: 'conflict' });
			expect(await stores.world.assignment(one.agentId)).toBeNull();
			expect(await stores.world.target(rolloutId, one.agentId)).toMatchObject({ target: { seq: null } });
			expect((await stores.world.rollout(rolloutId)).seq).toBe(2);
		});

		test('never lowers the seq of an assignment (D3)', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			const seqs = [(await stores.world.assignment(agent.agentId))?.seq];
			const write = { agentId: agent.agentId, versionId, attempt: 2, cause: 'retry' as const };
			await stage.decide(rolloutId, { assignments: [{ ...write, expectedSeq: 1 }] });
			seqs.push((await stores.world.assignment(agent.agentId))?.seq);
			await stage.decide(rolloutId, { withdraw: [agent.agentId] });
			seqs.push((await stores.world.assignment(agent.agentId))?.seq);
			expect(await stage.decide(rolloutId, { assignments: [{ ...write, expectedSeq: null }] })).toEqual({
				kind: 'conflict',
			});
			await stage.decide(rolloutId, { assignments: [{ ...write, expectedSeq: 3 }] });
			seqs.push((await stores.world.assignment(agent.agentId))?.seq);
			expect(seqs).toEqual([1, 2, 3, 4]);
		});

		test('keeps what the agent answered to the assignment it overwrites (R16)', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			const loaded = await stage.load(rolloutId);
			await stage.answer(agent, 1, 'applied');
			const back = { agentId: agent.agentId, versionId, attempt: 1, cause: 'rollback' as const, expectedSeq: 1 };
			expect(await stage.commit(loaded, { assignments: [back] })).toMatchObject({ kind: 'committed' });
			expect(await stores.world.target(rolloutId, agent.agentId)).toMatchObject({ lateAnswer: 'applied' });
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 2, answer: 'none', error: null });
		});

		test('that changed nothing folds its signals and writes no journal', async () => {
			const agent = await stage.connectOne();
			const { rolloutId } = await stage.running([agent]);
			await stage.flush([agent], () => ({ disconnected: 'lost' }));
			expect(await stores.world.signals(rolloutId)).toEqual([agent.agentId]);
			expect(await stage.decide(rolloutId, { changed: false })).toEqual({ kind: 'committed', dispatch: [] });
			expect(await stores.world.signals(rolloutId)).toEqual([]);
			expect((await stores.world.rollout(rolloutId)).seq).toBe(1);
		});

		test('leaves signals that came after its snapshot', async () => {
			const [early, late] = await stage.connect(2);
			if (!early || !late) throw new Error('two were to connect');
			const { rolloutId } = await stage.running([early, late]);
			await stage.flush([early], () => ({ disconnected: 'lost' }));
			const loaded = await stage.load(rolloutId);
			expect(loaded.snapshot.changed.map(({ target }) => target.agentId)).toEqual([early.agentId]);
			await stage.flush([late], () => ({ disconnected: 'lost' }));
			await stage.flush([early], () => ({ disconnected: 'goodbye' }));
			await stage.commit(loaded);
			expect(await stores.world.signals(rolloutId)).toEqual([late.agentId, early.agentId]);
		});

		test('journals its epoch, settles commands once and audits who moved the state', async () => {
			const agent = await stage.connectOne();
			const { rolloutId } = await stage.running([agent]);
			const pause = command('pause');
			await stores.world.command(rolloutId, pause);
			const loaded = await stage.load(rolloutId);
			expect(loaded.snapshot.commands).toEqual([pause]);
			const before = (await stores.world.audit()).length;
			await stage.commit(loaded, {
				outcomes: [{ commandId: pause.id, accepted: true, code: null, message: null }],
				events: [{ kind: 'state', from: 'InProgress', to: 'Paused', why: 'asked' }],
			});
			expect(await stores.world.outcome(pause.id)).toMatchObject({ accepted: true, code: null });
			expect((await stage.load(rolloutId)).snapshot.commands).toEqual([]);
			await stage.decide(rolloutId, {
				outcomes: [{ commandId: pause.id, accepted: false, code: 'overruled', message: 'late' }],
				events: [{ kind: 'state', from: 'Paused', to: 'Failed', why: 'by itself' }],
			});
			expect(await stores.world.outcome(pause.id)).toMatchObject({ accepted: true });
			expect((await stores.world.audit()).slice(before)).toEqual([
				{ actor: 'ada', action: 'Rollout.Paused' },
				{ actor: 'ampora', action: 'Rollout.Failed' },
			]);
			expect((await stores.world.journal(rolloutId)).map(({ epoch }) => epoch)).toEqual([1, 1, 1]);
		});

		test('quarantines and releases (R9)', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			await stage.decide(rolloutId, { quarantine: [{ agentId: agent.agentId, reason: 'no' }] });
			expect(await stores.world.quarantined(agent.agentId, versionId)).toBe(true);
			const { snapshot } = await stage.load(rolloutId);
			expect(snapshot.changed).toEqual([]);
			await stage.decide(rolloutId, { unquarantine: [agent.agentId] });
			expect(await stores.world.quarantined(agent.agentId, versionId)).toBe(false);
		});
	});

	describe('withdrawal', () => {
		test('takes back what nobody offered, to what the row said before (R1)', async () => {
			const [fresh, proven, offered] = await stage.connect(3);
			if (!fresh || !proven || !offered) throw new Error('three were to connect');
			const former = await stage.proved(proven);
			const formerHash = (await stores.world.assignment(proven.agentId))?.offeredHash;
			const running = await stage.running([fresh, proven, offered]);
			await stage.admit(running, [fresh, proven, offered]);
			await stage.claim(offered);
			await stage.decide(running.rolloutId, { withdrawUnsent: true }, 'closed');
			expect(await stores.world.assignment(fresh.agentId)).toMatchObject({
				...{ seq: 2, versionId: null, offeredHash: null, cause: 'withdrawal', rolloutId: null, answer: 'none' },
			});
			expect(await stores.world.assignment(proven.agentId)).toMatchObject({
				...{ seq: 3, versionId: former, offeredHash: formerHash, cause: 'withdrawal', answer: 'applied' },
			});
			expect(await stores.world.assignment(offered.agentId)).toMatchObject({ seq: 1, answer: 'offered' });
			const seqs = await Promise.all(
				[fresh, proven, offered].map((agent) => stores.world.target(running.rolloutId, agent.agentId)),
			);
			expect(seqs.map((row) => row?.target.seq)).toEqual([null, null, 1]);
			expect(seqs.map((row) => row?.target.state)).toEqual(['Pending', 'Pending', 'Pending']);
			expect(await stores.world.inFlight(running.rolloutId)).toEqual([1]);
			expect(await stage.claim(fresh)).toMatchObject({ refused: 'no-assignment' });
			expect(await stage.claim(proven)).toMatchObject({ offer: { versionId: former } });
		});

		test('of a claim that came first finds it: the agent stays admitted', async () => {
			const { rolloutId, agent } = await pushedOne();
			expect(await stage.claim(agent)).toHaveProperty('offer');
			await stage.decide(rolloutId, { withdrawUnsent: true }, 'closed');
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 1, answer: 'offered' });
			expect(await stores.world.inFlight(rolloutId)).toEqual([1]);
			expect(await stage.claim(agent)).toMatchObject({ refused: 'closed' });
		});

		test('can be undone by admitting again, with the same way out', async () => {
			const { rolloutId, agent, ...running } = await pushedOne();
			await stage.decide(rolloutId, { withdrawUnsent: true }, 'closed');
			await stage.admit({ rolloutId, ...running }, [agent]);
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 3, cause: 'rollout', answer: 'none' });
			expect(await stage.claim(agent)).toMatchObject({ offer: { seq: 3, versionId: running.versionId } });
		});

		test('of single agents leaves counters that the core has moved already', async () => {
			const { rolloutId, agent } = await pushedOne();
			const deferred = sampleTarget(agent.agentId, 0, { state: 'Deferred', step: null, seq: null });
			await stage.decide(rolloutId, { targets: [deferred], steps: [admitted(0)], withdraw: [agent.agentId] });
			expect(await stores.world.assignment(agent.agentId)).toMatchObject({ seq: 2, cause: 'withdrawal' });
			expect(await stores.world.inFlight(rolloutId)).toEqual([0]);
		});

		test('of an agent that was offered meanwhile is a conflict', async () => {
			const { rolloutId, agent } = await pushedOne();
			const loaded = await stage.load(rolloutId);
			await stage.claim(agent);
			const deferred = sampleTarget(agent.agentId, 0, { state: 'Deferred', step: null, seq: null });
			const outcome = await stage.commit(loaded, { targets: [deferred], withdraw: [agent.agentId] });
			expect(outcome).toEqual({ kind: 'conflict' });
			expect(await stores.world.target(rolloutId, agent.agentId)).toMatchObject({ target: { seq: 1 } });
		});
	});

	test('a rollback that begins marks every touched target, and only those', async () => {
		const agents = await stage.connect(4);
		const { rolloutId } = await stage.running(agents);
		const states = ['Applied', 'Failed', 'Pending', 'Deferred'] as const;
		const targets = agents.map(({ agentId }, rank) =>
			sampleTarget(agentId, rank, {
				state: states[rank] ?? 'Pending',
				back: rank === 1 ? { state: 'confirmed' } : null,
			}),
		);
		const { snapshot } = await stage.load(rolloutId);
		await stage.decide(rolloutId, {
			rollout: { ...snapshot.rollout, rollingBack: true, state: 'RollingBack' },
			targets,
		});
		const { snapshot: after } = await stage.load(rolloutId);
		expect(after.back.map(({ target }) => target.state)).toEqual(['Failed', 'Applied']);
		expect(after.back.every(({ target }) => target.back?.state === 'todo')).toBe(true);
	});

	test('the end of a rollback names it on the rollout it took back', async () => {
		const agent = await stage.connectOne();
		const parent = await stage.running([agent]);
		await stage.decide(parent.rolloutId, { rollout: ended(await stage.load(parent.rolloutId)) });
		const child = sampleRollout(parent.groupId, parent.versionId, {
			rollbackOf: parent.rolloutId,
			state: 'RollingBack',
		});
		await stores.world.createRollout(child, [agent.agentId]);
		const done = { ...child, state: 'RolledBack', endedAtMs: child.createdAtMs } as const;
		await stage.decide(child.id, { rollout: done });
		expect((await stores.world.rollout(parent.rolloutId)).rolledBackBy).toBe(child.id);
	});

	describe('a snapshot', () => {
		test('lists what the needs ask for, in rank order', async () => {
			const agents = await stage.connect(6);
			const { rolloutId } = await stage.running(agents);
			const places = [
				{ step: 0 },
				{ step: 0, seq: 4 },
				{ step: 1 },
				{ step: null },
				{ step: null },
				{ step: 0, state: 'Applied' as const, wakeAt: 1_000 },
			];
			const targets = agents.map(({ agentId }, rank) => sampleTarget(agentId, 10 - rank, places[rank]));
			const { snapshot } = await stage.load(rolloutId);
			await stage.decide(rolloutId, { rollout: { ...snapshot.rollout, observedMs: 999 }, targets });
			const ranks = async (observedMs: number, needs = allNeeds) => {
				const before = await stage.load(rolloutId);
				await stage.commit(before, { rollout: { ...before.snapshot.rollout, observedMs } });
				const { fill, admit, changed } = (await stage.load(rolloutId, needs)).snapshot;
				return [fill, admit, changed].map((views) => views.map(({ target }) => target.rank));
			};
			expect(await ranks(999)).toEqual([[6, 7], [10], []]);
			expect(await ranks(1_000)).toEqual([[6, 7], [10], [5]]);
			expect(await ranks(1_000, { members: 0, fill: 1, admit: 0, back: 0 })).toEqual([[6], [], [5]]);
		});

		test('knows of a session what can be concluded', async () => {
			const { lease } = await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000);
			const [live, goodbye, lost, drained, dead] = await stage.connect(5, lease);
			if (!live || !goodbye || !lost || !drained || !dead) throw new Error('five were to connect');
			const { rolloutId } = await stage.running([live, goodbye, lost, drained]);
			await stage.flush([goodbye], () => ({ disconnected: 'goodbye' }), lease);
			await stage.flush([lost], () => ({ disconnected: 'lost' }), lease);
			await stage.flush([drained], () => ({ disconnected: 'drained' }), lease);
			const sessions = async () => {
				const { admit } = (await stage.load(rolloutId)).snapshot;
				return admit.map(({ facts }) => facts.session);
			};
			expect(await sessions()).toEqual(['live', 'goodbye', 'lost', 'unheard']);
			await stores.world.expireGateway(lease.gateway);
			expect(await sessions()).toEqual(['unheard', 'goodbye', 'lost', 'unheard']);
			await stores.engine.reapGateways(stage.leader);
			expect(await sessions()).toEqual(['unheard', 'goodbye', 'lost', 'unheard']);
			for (const agent of [live, drained]) await stores.world.ageDisconnect(agent.agentId, 120_000);
			expect(await sessions()).toEqual(['lost', 'goodbye', 'lost', 'lost']);
		});

		test('carries the facts of an agent', async () => {
			const { rolloutId, agent, versionId } = await pushedOne();
			await stage.claim(agent);
			await stage.flush([agent], () => ({
				health: { healthy: false, tree: {}, flips: 3, restarts: 2, startTimeNanos: '1' },
				answers: [{ seq: 1, answer: 'applied', error: null, ageMs: 0 }],
				effectiveMatch: { seq: 1, verdict: 'match', detail: null },
			}));
			const { snapshot } = await stage.load(rolloutId);
			expect(snapshot.changed.map(({ facts }) => facts)).toEqual([
				{
					...{
						agentId: agent.agentId,
						inGroup: true,
						session: 'live',
						sessionEpoch: 1,
						healthy: false,
						healthFlips: 3,
						restarts: 2,
					},
					reports: { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true },
					...{ provenVersion: versionId, quarantined: false },
					assignment: {
						...{ seq: 1, versionId, rolloutId, attempt: 1, answer: 'applied', error: null, effective: 'match' },
						...{ offeredEpoch: 1, sameMeaning: true },
					},
				},
			]);
		});

		test('tells of an assigned version whether it means the same as the one of the rollout', async () => {
			const { world } = stores;
			const meaning = newUid();
			const publish = (means?: string) => world.publish(newUid(), means);
			const wanted = await publish(meaning);
			const unknown = await publish();
			const assignable = [wanted, await publish(meaning), await publish(newUid()), await publish(), unknown];
			const agents = await stage.connect(assignable.length + 1);
			for (const [index, versionId] of assignable.entries()) {
				const [agent] = agents.slice(index);
				if (agent === undefined) throw new Error('too few connected');
				const running = await stage.running([agent], {}, versionId);
				await stage.admit(running, [agent]);
			}
			const ids = agents.map(({ agentId }) => agentId);
			const sameOf = (views: readonly { readonly facts: AgentFacts }[]) =>
				ids.map((id) => views.find(({ facts }) => facts.agentId === id)?.facts.assignment?.sameMeaning);
			const membersOf = async (versionId: VersionId) => {
				const groupId = await world.createGroup();
				await world.move(ids, groupId);
				const rollout = sampleRollout(groupId, versionId);
				await world.createRollout(rollout);
				return (await stage.load(rollout.id)).snapshot.members;
			};
			const same = [true, true, false, false, false, undefined];
			expect(sameOf(await membersOf(wanted))).toEqual(same);
			// Of what nobody knows the meaning, only the id tells.
			expect(sameOf(await membersOf(unknown))).toEqual([false, false, false, false, true, undefined]);
			const { rolloutId } = await stage.running(agents, {}, wanted);
			expect(sameOf((await stage.load(rolloutId)).snapshot.admit)).toEqual(same);
		});

		test('lists members once, then joiners and leavers', async () => {
			const [first, second, joiner] = await stage.connect(3);
			if (!first || !second || !joiner) throw new Error('three were to connect');
			const groupId = await stores.world.createGroup();
			await stores.world.move([first.agentId, second.agentId], groupId);
			const rollout = sampleRollout(groupId, await stores.world.publish('a: 1'));
			await stores.world.createRollout(rollout);
			const loaded = await stage.load(rollout.id);
			const known = (members: typeof loaded.snapshot.members) => members.map(({ facts, key }) => [facts.agentId, key]);
			expect(known(loaded.snapshot.members)).toEqual(
				[first, second]
					.sort((a, b) => (a.agentId < b.agentId ? -1 : 1))
					.map(({ agentId, instanceUid }) => [agentId, instanceUid]),
			);
			await stage.commit(loaded, {
				rollout: { ...rollout, state: 'InProgress', currentStep: 0, startedAtMs: 1 },
				steps: [sampleStep(0)],
				targets: [sampleTarget(first.agentId, 0, { seq: 1, state: 'Applied' }), sampleTarget(second.agentId, 1)],
			});
			expect((await stores.engine.dueRollouts(1_000)).due).not.toContain(rollout.id);
			await stores.world.move([joiner.agentId], groupId);
			await stores.world.move([first.agentId, second.agentId], await stores.world.createGroup());
			expect((await stores.engine.dueRollouts(1_000)).due).toContain(rollout.id);
			const { snapshot } = await stage.load(rollout.id);
			expect(known(snapshot.members)).toEqual([[joiner.agentId, joiner.instanceUid]]);
			// The one that was pushed keeps counting.
			expect(snapshot.changed.map(({ target, facts }) => [target.agentId, facts.inGroup])).toEqual([
				[second.agentId, false],
			]);
			await stage.decide(rollout.id, { changed: false });
			expect((await stores.engine.dueRollouts(1_000)).due).not.toContain(rollout.id);
		});

		test('goes on where a page of members ended', async () => {
			const agents = await stage.connect(3);
			const groupId = await stores.world.createGroup();
			await stores.world.move(
				agents.map(({ agentId }) => agentId),
				groupId,
			);
			const rollout = sampleRollout(groupId, await stores.world.publish('a: 2'));
			await stores.world.createRollout(rollout);
			const page = async () => {
				const loaded = await stage.load(rollout.id, { ...allNeeds, members: 2 });
				const { members } = loaded.snapshot;
				await stage.commit(loaded, {
					targets: members.map(({ facts }, rank) => sampleTarget(facts.agentId, rank, { step: null })),
				});
				return members.length;
			};
			expect([await page(), await page(), await page()]).toEqual([2, 1, 0]);
		});

		test('names the targets that commands speak of', async () => {
			const agents = await stage.connect(3);
			const [failed, applied] = agents;
			if (!failed || !applied) throw new Error('three were to connect');
			const { rolloutId } = await stage.running(agents);
			await stage.decide(rolloutId, { targets: [sampleTarget(failed.agentId, 0, { state: 'Failed' })] });
			const named = async () => (await stage.load(rolloutId)).snapshot.named.map(({ target }) => target.agentId);
			expect(await named()).toEqual([]);
			const exclude = command('exclude', { agentIds: [applied.agentId] });
			await stores.world.command(rolloutId, exclude);
			expect(await named()).toEqual([applied.agentId]);
			await stores.world.command(rolloutId, command('retry'));
			expect(await named()).toEqual([failed.agentId, applied.agentId]);
		});

		test('says what our own side cannot hear, and who else was lost', async () => {
			const own = await open();
			const scene = await Stage.set(own);
			const { lease } = await own.gateway.renewGateway('gw-dying' as GatewayId, null, 60_000);
			const pushed = await scene.connect(2, lease);
			const others = await scene.connect(3);
			const running = await scene.running(pushed);
			await scene.admit(running, pushed);
			const alone = { latestOfGroup: true, busyWith: null, superseded: null, protectedGroup: false };
			const calm = {
				calendar: { windows: [], freezes: [] },
				unheardGateways: [],
				controlLost: 0,
				controlConnected: 0,
				...alone,
			};
			expect((await scene.load(running.rolloutId)).snapshot.environment).toEqual(calm);
			await own.world.expireGateway(lease.gateway);
			const dead = { unheardGateways: [{ gateway: 'gw-dying', why: 'lost', agents: 2 }] };
			expect((await scene.load(running.rolloutId)).snapshot.environment).toMatchObject(dead);
			expect(await own.engine.reapGateways(scene.leader)).toEqual({ gateways: ['gw-dying'], agents: 2 });
			await scene.flush(others.slice(0, 1), () => ({ disconnected: 'lost' }));
			const { environment, nowMs } = (await scene.load(running.rolloutId)).snapshot;
			expect(environment).toMatchObject({ ...dead, controlLost: 1, controlConnected: 3 });
			expect(Math.abs(nowMs - (environment.unheardGateways[0]?.sinceMs ?? 0))).toBeLessThan(60_000);
			await own.gateway.connectAgents(
				scene.lease,
				pushed.map(({ instanceUid }) => ({ instanceUid, transport: 'websocket' })),
			);
			expect((await scene.load(running.rolloutId)).snapshot.environment.unheardGateways).toEqual([]);
			await own.close();
		});

		test('of a rollout nobody knows is null', async () => {
			expect(await stores.engine.loadSnapshot(newId<RolloutId>(), () => allNeeds)).toBeNull();
		});
	});

	describe('after the end', () => {
		test('only those that are unsettled still signal', async () => {
			const [settled, timedOut] = await stage.connect(2);
			if (!settled || !timedOut) throw new Error('two were to connect');
			const { rolloutId } = await stage.running([settled, timedOut]);
			const loaded = await stage.load(rolloutId);
			const step = sampleStep(0);
			const states = { ...step.counters.states, Applied: 1, TimedOut: 1 };
			await stage.commit(loaded, {
				rollout: ended(loaded),
				steps: [{ ...step, counters: { ...step.counters, states } }],
				targets: [
					sampleTarget(settled.agentId, 0, { state: 'Applied', seq: 1 }),
					sampleTarget(timedOut.agentId, 1, { state: 'TimedOut', seq: 1 }),
				],
			});
			await stage.flush([settled, timedOut], () => ({ disconnected: 'lost' }));
			expect(await stores.world.signals(rolloutId)).toEqual([timedOut.agentId]);
		});
	});

	describe('due', () => {
		test('are rollouts with a wake that passed, an open command or a signal', async () => {
			const agent = await stage.connectOne();
			const { rolloutId } = await stage.running([agent]);
			const isDue = async () => (await stores.engine.dueRollouts(1_000)).due.includes(rolloutId);
			await stage.decide(rolloutId);
			expect(await isDue()).toBe(false);
			await stage.flush([agent], () => ({ disconnected: 'lost' }));
			expect(await isDue()).toBe(true);
			await stage.decide(rolloutId, { nextWakeAtMs: Date.now() + 3_000_000 });
			expect(await isDue()).toBe(false);
			const { nextWakeInMs } = await stores.engine.dueRollouts(1_000);
			expect(nextWakeInMs).toBeGreaterThan(0);
			await stores.world.command(rolloutId, command('pause'));
			expect(await isDue()).toBe(true);
			await stage.decide(rolloutId, { nextWakeAtMs: 1_000 });
			expect((await stores.engine.dueRollouts(1_000)).due[0]).toBe(rolloutId);
		});
	});

	describe('a queued rollout', () => {
		test('is due when the rest of its group has ended, and knows what it waits for', async () => {
			const agent = await stage.connectOne();
			const { rolloutId } = await stage.running([agent]);
			const { snapshot } = await stage.load(rolloutId);
			const { groupId, versionId } = snapshot.rollout;
			const queued = sampleRollout(groupId, versionId, { state: 'Queued', supersedes: rolloutId });
			await stores.world.createRollout(queued);
			const isDue = async () => (await stores.engine.dueRollouts(1_000)).due.includes(queued.id);
			expect(await isDue()).toBe(false);
			const waiting = await stage.load(queued.id);
			expect(waiting.snapshot.environment).toMatchObject({ busyWith: rolloutId, superseded: 'InProgress' });
			const early = await stage.commit(waiting, { rollout: { ...queued, state: 'InProgress', startedAtMs: 1 } });
			expect(early).toEqual({ kind: 'conflict' });
			await stage.decide(rolloutId, { rollout: { ...snapshot.rollout, state: 'Superseded', endedAtMs: 2 } });
			expect(await isDue()).toBe(true);
			const { environment } = (await stage.load(queued.id)).snapshot;
			expect(environment).toMatchObject({ busyWith: null, superseded: 'Superseded' });
		});
	});

	describe('reaping', () => {
		test('is guarded by lease and incarnation, and signals', async () => {
			const { lease } = await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000);
			const [gone, moved] = await stage.connect(2, lease);
			if (!gone || !moved) throw new Error('two were to connect');
			const { rolloutId } = await stage.running([gone, moved]);
			await stores.gateway.connectAgents(stage.lease, [{ instanceUid: moved.instanceUid, transport: 'websocket' }]);
			expect((await stores.engine.reapGateways(stage.leader)).gateways).toEqual([]);
			await stores.world.expireGateway(lease.gateway);
			expect(await stores.engine.reapGateways({ ...stage.leader, epoch: 99 })).toEqual({ gateways: [], agents: 0 });
			expect(await stores.engine.reapGateways(stage.leader)).toEqual({ gateways: [lease.gateway], agents: 1 });
			expect(await stores.engine.reapGateways(stage.leader)).toEqual({ gateways: [], agents: 0 });
			expect(await stores.world.agent(moved.agentId)).toMatchObject({ gateway: stage.lease.gateway });
			expect(await stores.world.signals(rolloutId)).toEqual([moved.agentId, gone.agentId]);
		});

		test('takes the agents of an older incarnation, and makes them lost after two minutes', async () => {
			const { lease } = await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000);
			const agent = await stage.connectOne(lease);
			const { rolloutId } = await stage.running([agent]);
			await stores.gateway.renewGateway(lease.gateway, null, 60_000);
			expect(await stores.engine.reapGateways(stage.leader)).toEqual({ gateways: [], agents: 1 });
			expect(await stores.world.agent(agent.agentId)).toMatchObject({ disconnectReason: 'gateway-lost' });
			await stores.world.ageDisconnect(agent.agentId, 120_000);
			await stores.engine.reapGateways(stage.leader);
			expect(await stores.world.agent(agent.agentId)).toMatchObject({ disconnectReason: 'lost' });
			expect(await stores.world.signals(rolloutId)).toEqual([agent.agentId, agent.agentId]);
		});
	});

	test('agents of a gateway that is heard by another way are not concluded to be lost', async () => {
		const { lease } = await stores.gateway.renewGateway(`gw-${newUid()}` as GatewayId, null, 60_000);
		const agent = await stage.connectOne(lease);
		const { rolloutId } = await stage.running([agent]);
		expect(await stores.engine.lapsedGateways()).not.toContain(lease.gateway);
		await stores.world.expireGateway(lease.gateway);
		await stores.engine.reapGateways(stage.leader);
		expect(await stores.engine.lapsedGateways()).toContain(lease.gateway);
		await stores.world.ageDisconnect(agent.agentId, 110_000);
		expect(await stores.engine.keepUnheard({ ...stage.leader, epoch: 99 }, [lease.gateway])).toBe(0);
		expect(await stores.engine.keepUnheard(stage.leader, [lease.gateway])).toBe(1);
		await stores.world.ageDisconnect(agent.agentId, 110_000);
		await stores.engine.reapGateways(stage.leader);
		expect(await stores.world.agent(agent.agentId)).toMatchObject({ disconnectReason: 'gateway-lost' });
		expect(await stores.world.signals(rolloutId)).toEqual([agent.agentId]);
	});

	test('figures count rollouts, targets and agents', async () => {
		const { rollouts, rolloutAgents, agents } = await stores.engine.figures();
		expect(rollouts.InProgress).toBeGreaterThan(0);
		expect(rolloutAgents.Pending).toBeGreaterThan(0);
		expect(agents.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(10);
	});

	test('cohorts name the agents of rollouts with metric gates, by the label they are joined by, the first by rank', async () => {
		const agents = await Promise.all([stage.connectOne(), stage.connectOne(), stage.connectOne()]);
		const [first, second] = agents;
		if (!first || !second) throw new Error('three agents were connected');
		const gate = { name: 'points', query: 'x * $changed', op: '>=', value: 1 } as const;
		const spec = resolveSpec({ seed: 's', metricGates: [gate, { ...gate, name: 'by-host', joinLabel: 'host_name' }] });
		const running = await stage.running(agents, { spec });
		const states = ['Applied', 'Disconnected', 'Pending'] as const;
		const targets = agents.map(({ agentId }, rank) =>
			sampleTarget(agentId, rank, { state: states[rank] ?? 'Pending' }),
		);
		await stage.decide(running.rolloutId, { targets });
		const own = async (limit: number) =>
			(await stores.engine.cohorts(limit)).filter(({ rolloutId }) => rolloutId === running.rolloutId);
		const cohort = (label: string, name: string, named: readonly ConnectedAgent[]) => ({
			...{ rolloutId: running.rolloutId, label, cohort: name },
			agents: named.map(({ instanceUid }) => instanceUid).sort(),
		});
		expect(await own(10)).toEqual([
			cohort('host_name', 'changed', []),
			cohort('host_name', 'control', []),
			cohort('service_instance_id', 'changed', [first, second]),
			cohort('service_instance_id', 'control', agents.slice(2)),
		]);
		expect((await own(1))[2]).toEqual(cohort('service_instance_id', 'changed', [first]));
		// Their gates are asked while it is paused and in its tail as well, and once it is over no more.
		const { rollout } = (await stage.load(running.rolloutId)).snapshot;
		const ended = { ...rollout, state: 'Completed', endedAtMs: rollout.createdAtMs } as const;
		const paused = { ...rollout, state: 'Paused', pauseReasons: ['window'] } as const;
		for (const [as, rows] of [
			[paused, 4],
			[{ ...ended, tailUntilMs: rollout.createdAtMs + 3_600_000 }, 4],
			[{ ...ended, tailUntilMs: null }, 0],
		] as const) {
			const { snapshot } = await stage.load(running.rolloutId);
			await stage.decide(running.rolloutId, { rollout: { ...as, seq: snapshot.rollout.seq + 1 } });
			expect(await own(10)).toHaveLength(rows);
		}
	});

	test('figures show the longest pause and the oldest push without an answer', async () => {
		const fresh = await open();
		try {
			const own = await Stage.set(fresh);
			expect(await fresh.engine.figures()).toMatchObject({ pausedSeconds: 0, oldestUnansweredSeconds: 0 });
			const hourMs = 3_600_000;
			// Without an entry about its pause a rollout counts as paused all along; the oldest of these has one, made now.
			for (const hours of [1, 2, 3]) {
				const { rolloutId } = await own.running([], { createdAtMs: Date.now() - hours * hourMs });
				const { rollout } = (await own.load(rolloutId)).snapshot;
				const events = hours === 3 ? [{ ...pausing }] : [];
				await own.decide(rolloutId, { rollout: { ...rollout, state: 'Paused' }, events });
			}
			const paused = (await fresh.engine.figures()).pausedSeconds;
			expect(paused).toBeGreaterThan(7_190);
			expect(paused).toBeLessThan(7_300);
			const agent = await own.connectOne();
			const running = await own.running([agent]);
			await own.admit(running, [agent]);
			expect(await fresh.engine.figures()).toMatchObject({ oldestUnansweredSeconds: 0 });
			const target = sampleTarget(agent.agentId, 0, { seq: 1, state: 'Applying' });
			await own.decide(running.rolloutId, { targets: [target] });
			await vi.waitFor(async () => expect((await fresh.engine.figures()).oldestUnansweredSeconds).toBeGreaterThan(0));
			expect((await fresh.engine.figures()).oldestUnansweredSeconds).toBeLessThan(60);
			await own.decide(running.rolloutId, { targets: [{ ...target, state: 'Applied' }] });
			expect(await fresh.engine.figures()).toMatchObject({ oldestUnansweredSeconds: 0 });
		} finally {
			await fresh.close();
		}
	});
});
