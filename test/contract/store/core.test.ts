// The rollout core on a store, with agents that answer at once: what it decides is written, read back and counted right.
import {
	type Command,
	decide,
	decisionDigest,
	journalInput,
	offersOf,
	resolveSpec,
	type Snapshot,
	snapshotNeeds,
	tally,
} from '@ampora/rollout';
import type { RolloutId, VersionId } from '@ampora/runtime';
import type { ConnectedAgent } from '@ampora/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleRollout } from './samples.js';
import { adapters, newUid, Stage, type Stores } from './stage.js';

const spec = resolveSpec({
	seed: 'seed',
	strategy: { kind: 'percentage', percentages: [10, 50, 100], advance: 'auto', dwellMs: 0 },
	gates: {
		'apply-failed-ratio': { thresholdPercent: 20, windowMs: 0 },
		'apply-timeout-ratio': { thresholdPercent: 20, windowMs: 60_000 },
		'disconnect-ratio': { thresholdPercent: 20, windowMs: 1 },
		'effective-mismatch-ratio': { thresholdPercent: 20, windowMs: 1 },
		'unhealthy-ratio': { thresholdPercent: 10, windowMs: 1 },
	},
	maxInFlight: 'unlimited',
	bakeMs: 0,
});

type Behaviour = (agent: ConnectedAgent, versionId: VersionId) => 'applied' | 'failed' | 'silent';

describe.each(adapters.slice(0, 2))('the core on $name', ({ open }) => {
	let stores: Stores;
	let stage: Stage;
	beforeAll(async () => {
		stores = await open();
		stage = await Stage.set(stores);
	});
	afterAll(() => stores.close());

	async function tick(rolloutId: RolloutId): Promise<Snapshot['rollout']> {
		const loaded = await stores.engine.loadSnapshot(rolloutId, snapshotNeeds);
		if (loaded === null) throw new Error('the rollout is not there');
		const decision = decide(loaded.snapshot);
		const input = journalInput(loaded.snapshot);
		const digest = decisionDigest(decision);
		expect(decisionDigest(decide(input as Snapshot))).toEqual(digest);
		const outcome = await stores.engine.commitDecision(stage.leader, loaded, decision, {
			...{ input, digest, offers: offersOf(decision.rollout) },
		});
		expect(outcome.kind).toBe('committed');
		return decision.rollout;
	}

	/** Every agent with an assignment that may be sent takes it and answers. */
	async function answerAll(agents: readonly ConnectedAgent[], behave: Behaviour): Promise<void> {
		for (const agent of agents) {
			const decision = await stage.claim(agent);
			if (!('offer' in decision)) continue;
			const { seq, versionId } = decision.offer;
			const answer = behave(agent, versionId);
			if (answer === 'silent') continue;
			await stage.flush([agent], () => ({
				answers: [{ seq, answer, error: answer === 'failed' ? 'no such exporter' : null, ageMs: 0 }],
				effectiveMatch: { seq, verdict: 'match', detail: null },
				health: { healthy: true, tree: {}, flips: 0, restarts: 0, startTimeNanos: '1' },
			}));
		}
	}

	async function begin(count: number, change: Partial<typeof spec> = {}) {
		const agents = await stage.connect(count);
		const former = new Map<string, VersionId>();
		for (const agent of agents) former.set(agent.agentId, await stage.proved(agent));
		const groupId = await stores.world.createGroup();
		await stores.world.move(
			agents.map(({ agentId }) => agentId),
			groupId,
		);
		const versionId = await stores.world.publish(newUid());
		const rollout = sampleRollout(groupId, versionId, { state: 'Queued', spec: { ...spec, ...change } });
		await stores.world.createRollout(rollout);
		return { agents, former, versionId, rolloutId: rollout.id };
	}

	/** Ticks and answers until the rollout is where it is wanted. */
	async function until(
		rolloutId: RolloutId,
		agents: readonly ConnectedAgent[],
		behave: Behaviour,
		wanted: (rollout: Snapshot['rollout']) => boolean,
		acting = agents,
	) {
		for (let round = 0; round < 400; round += 1) {
			const rollout = await tick(rolloutId);
			await assertCounted(rolloutId, agents);
			if (wanted(rollout)) return rollout;
			await answerAll(acting, behave);
		}
		throw new Error('it did not get there');
	}

	/** The counters kept by differences are what counting gives. */
	async function assertCounted(rolloutId: RolloutId, agents: readonly ConnectedAgent[]): Promise<void> {
		const { snapshot } = await stage.load(rolloutId);
		const rows = await Promise.all(agents.map(({ agentId }) => stores.world.target(rolloutId, agentId)));
		for (const step of snapshot.steps) {
			const members = rows.flatMap((row) => (row?.target.step === step.index ? [row.target] : []));
			const { inFlight, inFlightByDomain = {} } = tally(members, snapshot.rollout.acceptedSeq);
			expect(step.counters.inFlight).toBe(inFlight);
			expect(step.counters.inFlightByDomain ?? {}).toEqual(inFlightByDomain);
			expect(Object.values(step.counters.states).reduce((sum, count) => sum + count)).toBe(members.length);
		}
	}

	const applies: Behaviour = () => 'applied';
	const command = async (rolloutId: RolloutId, kind: Command['kind']) =>
		stores.world.command(rolloutId, { id: newUid(), kind, actor: 'ada' });

	test('completes a good version in steps', async () => {
		const { agents, versionId, rolloutId } = await begin(10);
		await until(rolloutId, agents, applies, ({ state }) => state === 'Completed');
		for (const { agentId } of agents) {
			expect(await stores.world.assignment(agentId)).toMatchObject({ versionId, answer: 'applied' });
			expect(await stores.world.agent(agentId)).toMatchObject({ provenVersion: versionId });
		}
	});

	test('stops a bad version, gives it back, and ends where the agents were', async () => {
		const { agents, former, versionId, rolloutId } = await begin(10, { onGate: 'rollback' });
		const fails: Behaviour = (_agent, offered) => (offered === versionId ? 'failed' : 'applied');
		await until(rolloutId, agents, fails, ({ state }) => state === 'RolledBack');
		const touched = [];
		for (const { agentId } of agents) {
			const assignment = await stores.world.assignment(agentId);
			expect(assignment).toMatchObject({ versionId: former.get(agentId), answer: 'applied' });
			if (await stores.world.quarantined(agentId, versionId)) touched.push(agentId);
		}
		expect(touched).toHaveLength(1);
	});

	test('pauses with what was not sent taken back, and goes on from there', async () => {
		const { agents, versionId, rolloutId } = await begin(10, {
			spreadBy: 'zone',
			strategy: { kind: 'percentage', percentages: [100], advance: 'auto', dwellMs: 0 },
		});
		await until(
			rolloutId,
			agents,
			() => 'silent',
			({ state, seq }) => state === 'InProgress' && seq > 1,
		);
		await answerAll(agents.slice(0, 3), () => 'silent');
		await command(rolloutId, 'pause');
		await until(rolloutId, agents, applies, ({ state }) => state === 'Paused', []);
		await assertCounted(rolloutId, agents);
		const wanted = await Promise.all(agents.map(({ agentId }) => stores.world.assignment(agentId)));
		const offered = wanted.filter((row) => row?.versionId === versionId);
		expect(offered.map((row) => row?.answer)).toEqual(['offered', 'offered', 'offered']);
		for (const agent of agents) {
			const claimed = await stage.claim(agent);
			expect('offer' in claimed && claimed.offer.versionId === versionId).toBe(false);
		}
		await command(rolloutId, 'resume');
		await until(rolloutId, agents, applies, ({ state }) => state === 'Completed');
	});

	test('takes back on command, whatever each agent was doing', async () => {
		const { agents, former, versionId, rolloutId } = await begin(10);
		const some: Behaviour = (agent, offered) =>
			offered === versionId && agents.indexOf(agent) % 3 === 0 ? 'silent' : 'applied';
		await until(rolloutId, agents, some, ({ seq }) => seq >= 3);
		await command(rolloutId, 'rollback');
		await until(rolloutId, agents, some, ({ state }) => state === 'RolledBack');
		for (const { agentId } of agents) {
			expect((await stores.world.assignment(agentId))?.versionId).toBe(former.get(agentId));
		}
	});

	test('reads the failure domain of each agent, identifying attributes first', async () => {
		const { agents, rolloutId } = await begin(3, { spreadBy: 'zone' });
		const zones = [
			{ identifying: { zone: 'a' }, nonIdentifying: { zone: 'b' } },
			{ identifying: {}, nonIdentifying: { zone: 7 } },
		];
		for (const [index, zone] of zones.entries()) {
			await stage.flush(agents.slice(index, index + 1), () => ({
				description: { ...zone, agentType: 'collector', agentVersion: '1', hostname: null },
			}));
		}
		const { snapshot } = await stage.load(rolloutId);
		const domains = new Map(snapshot.members.map(({ facts, domain }) => [facts.agentId, domain]));
		expect(agents.map(({ agentId }) => domains.get(agentId))).toEqual(['a', '7', null]);
	});

	test('keeps edited gates', async () => {
		const { metricGates = [] } = resolveSpec({
			seed: 's',
			metricGates: [{ name: 'points', query: 'p * $changed', op: '>=', value: 0.9 }],
		});
		const { rolloutId } = await begin(3, { metricGates });
		await tick(rolloutId);
		const edits = { gates: { 'unhealthy-ratio': { thresholdPercent: 3 } }, metricGates: { points: { value: 0.95 } } };
		await stores.world.command(rolloutId, { id: newUid(), kind: 'edit-gates', actor: 'ada', ...edits });
		await tick(rolloutId);
		const { spec } = (await stage.load(rolloutId)).snapshot.rollout;
		expect(spec.gates['unhealthy-ratio'].thresholdPercent).toBe(3);
		expect(spec.metricGates).toMatchObject([{ name: 'points', value: 0.95, failureLimit: 0 }]);
	});
});
