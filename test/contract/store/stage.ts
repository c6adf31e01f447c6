import type { Decision, SnapshotNeeds, Step, Target } from '@ampora/rollout';
import { type AgentId, type GatewayId, newId, type RolloutId, type VersionId } from '@ampora/runtime';
import {
	type AgentReport,
	type ConnectedAgent,
	connect,
	createEngineStore,
	createEnrolmentStore,
	createGatewayStore,
	createSelectorStore,
	type EngineStore,
	type EnrolmentStore,
	type GatewayLease,
	type GatewayStore,
	type JournalEntry,
	type LeaderLease,
	type LoadedSnapshot,
	migrateWith,
	openEmbeddedPglite,
	type Rollout,
	type SelectorStore,
	type Sql,
} from '@ampora/store';
import { createMemoryStore, type Flaws, memoryWorld, postgresWorld, type StoreWorld } from '@ampora/store/testing';
import { createTestDatabase } from '../../support/databases.js';
import { decisionFrom, journal, sampleRollout, sampleStep, sampleTarget } from './samples.js';

export interface Stores {
	readonly gateway: GatewayStore;
	readonly engine: EngineStore;
	readonly selectors: SelectorStore;
	readonly enrolments: EnrolmentStore;
	readonly world: StoreWorld;
	close(): Promise<void>;
}

/** All ports of one database. */
export const storesOf = (
	sql: Sql,
	close: () => Promise<void>,
	through: (sql: Sql) => Sql = (same) => same,
): Stores => ({
	gateway: createGatewayStore(through(sql)),
	engine: createEngineStore(through(sql)),
	selectors: createSelectorStore(through(sql)),
	enrolments: createEnrolmentStore(through(sql)),
	world: postgresWorld(sql),
	close,
});

export async function openPostgres(through?: (sql: Sql) => Sql): Promise<Stores> {
	const database = await createTestDatabase();
	const { sql, close } = connect({ url: database.url });
	const closeAll = async () => {
		await close();
		await database.drop();
	};
	return storesOf(sql, closeAll, through);
}

export async function openMemory(flaws: Flaws = {}): Promise<Stores> {
	const { gateway, engine, selectors, enrolments, state } = createMemoryStore({ nowMs: Date.now }, { flaws });
	return { gateway, engine, selectors, enrolments, world: memoryWorld(state), close: async () => {} };
}

async function openEmbedded(): Promise<Stores> {
	const { sql, close } = await openEmbeddedPglite();
	await migrateWith(sql);
	return storesOf(sql, close);
}

/** Every adapter of the ports. */
export const adapters = [
	{ name: 'memory', open: () => openMemory() },
	{ name: 'Postgres', open: () => openPostgres() },
	{ name: 'embedded Postgres', open: openEmbedded },
] as const;

export const allNeeds: SnapshotNeeds = { members: 1_000, fill: 1_000, admit: 1_000, back: 1_000 };
const ttlMs = 60_000;
/** AcceptsRemoteConfig, ReportsEffectiveConfig, ReportsHealth, ReportsRemoteConfig, ReportsStatus. */
const fullCapabilities = 0x1807n;

export const newUid = (): string => newId<string & AgentId>();

/** One gateway, one leader, and moves that most tests begin with. */
export class Stage {
	#factSeq = 0;

	private constructor(
		readonly stores: Stores,
		readonly lease: GatewayLease,
		readonly leader: LeaderLease,
	) {}

	static async set(stores: Stores): Promise<Stage> {
		const { lease } = await stores.gateway.renewGateway(newId<AgentId>() as string as GatewayId, null, ttlMs);
		const leader = await stores.engine.takeLease(newUid(), 'one', ttlMs);
		if (leader === null) throw new Error('a fresh lease was refused');
		return new Stage(stores, lease, leader);
	}

	async connect(count: number, lease = this.lease): Promise<readonly ConnectedAgent[]> {
		const requests = Array.from({ length: count }, () => ({ instanceUid: newUid(), transport: 'websocket' as const }));
		const agents = await this.stores.gateway.connectAgents(lease, requests);
		await this.flush(agents, () => ({ capabilities: fullCapabilities }));
		return agents;
	}

	async connectOne(lease = this.lease): Promise<ConnectedAgent> {
		const [agent] = await this.connect(1, lease);
		if (agent === undefined) throw new Error('nobody connected');
		return agent;
	}

	/** The next facts of each of these agents. */
	flush(agents: readonly ConnectedAgent[], facts: (agent: ConnectedAgent) => Partial<AgentReport>, lease = this.lease) {
		this.#factSeq += 1;
		const reports = agents.map((agent) => ({
			agentId: agent.agentId,
			sessionEpoch: agent.sessionEpoch,
			factSeq: this.#factSeq,
			sequenceNum: this.#factSeq,
			...facts(agent),
		}));
		return this.stores.gateway.flushReports(lease, reports);
	}

	answer(agent: ConnectedAgent, seq: number, answer: 'offered' | 'applying' | 'applied' | 'failed' | 'reverted') {
		return this.flush([agent], () => ({ answers: [{ seq, answer, error: `said ${answer}`, ageMs: 0 }] }));
	}

	async claim(agent: ConnectedAgent, change: { reported?: Uint8Array; offered?: Uint8Array } = {}, lease = this.lease) {
		const [decision] = await this.stores.gateway.claimOffers(lease, [
			{
				agentId: agent.agentId,
				sessionEpoch: agent.sessionEpoch,
				reportedHash: change.reported ?? null,
				alreadyOffered: change.offered ?? null,
			},
		]);
		if (decision === undefined) throw new Error('a claim was not answered');
		return decision;
	}

	async load(rolloutId: RolloutId, needs: SnapshotNeeds = allNeeds): Promise<LoadedSnapshot> {
		const loaded = await this.stores.engine.loadSnapshot(rolloutId, () => needs);
		if (loaded === null) throw new Error('the rollout is not there');
		return loaded;
	}

	commit(loaded: LoadedSnapshot, change: Partial<Decision> = {}, offers: JournalEntry['offers'] = 'open') {
		return this.stores.engine.commitDecision(this.leader, loaded, decisionFrom(loaded, change), journal(offers));
	}

	async decide(rolloutId: RolloutId, change: Partial<Decision> = {}, offers: JournalEntry['offers'] = 'open') {
		return this.commit(await this.load(rolloutId), change, offers);
	}

	/** A rollout that is in progress, with these agents as pending targets of its first step. */
	async running(
		agents: readonly ConnectedAgent[],
		change: Partial<Rollout> = {},
		version?: VersionId,
	): Promise<Running> {
		const { world } = this.stores;
		const versionId = version ?? (await world.publish(newUid()));
		const groupId = await world.createGroup();
		await world.move(
			agents.map(({ agentId }) => agentId),
			groupId,
		);
		const rollout = sampleRollout(groupId, versionId, change);
		await world.createRollout(rollout);
		const targets = agents.map(({ agentId }, rank) => sampleTarget(agentId, rank));
		const started = { ...rollout, state: 'InProgress', currentStep: 0, startedAtMs: rollout.createdAtMs } as const;
		await this.decide(rollout.id, { rollout: started, steps: [sampleStep(0)], targets });
		return { rolloutId: rollout.id, versionId, groupId };
	}

	/** Writes the assignments of these agents, as an admission does. */
	async admit(
		{ rolloutId, versionId }: Running,
		agents: readonly ConnectedAgent[],
		step: Step = admitted(agents.length),
	) {
		const loaded = await this.load(rolloutId);
		const views = loaded.snapshot.admit.filter(({ target }) =>
			agents.some(({ agentId }) => agentId === target.agentId),
		);
		const targets: Target[] = views.map(({ target, facts }) => ({ ...target, seq: (facts.assignment?.seq ?? 0) + 1 }));
		const outcome = await this.commit(loaded, {
			steps: [step],
			targets,
			assignments: views.map(({ facts }) => ({
				...{ agentId: facts.agentId, versionId, attempt: 1, cause: 'rollout' as const },
				expectedSeq: facts.assignment?.seq ?? null,
			})),
			dispatch: views.map(({ facts }) => facts.agentId),
		});
		if (outcome.kind !== 'committed') throw new Error(`the admission ended as ${outcome.kind}`);
		return outcome;
	}

	/** The agent's row says this version, and the agent says it runs it. */
	async proved(agent: ConnectedAgent): Promise<VersionId> {
		const running = await this.running([agent]);
		await this.admit(running, [agent]);
		const seq = (await this.stores.world.assignment(agent.agentId))?.seq ?? 0;
		await this.answer(agent, seq, 'applied');
		const loaded = await this.load(running.rolloutId);
		const targets = [sampleTarget(agent.agentId, 0, { seq, state: 'Applied' })];
		await this.commit(loaded, { rollout: ended(loaded), steps: [sampleStep(0)], targets });
		return running.versionId;
	}
}

export interface Running {
	readonly rolloutId: RolloutId;
	readonly versionId: VersionId;
	readonly groupId: Parameters<StoreWorld['move']>[1];
}

export const admitted = (inFlight: number): Step => {
	const step = sampleStep(0);
	return { ...step, counters: { ...step.counters, inFlight } };
};

export const ended = ({ snapshot: { rollout } }: LoadedSnapshot): Rollout => ({
	...rollout,
	state: 'Completed',
	endedAtMs: rollout.createdAtMs + 1,
});
