// The real engine behind the API, and in place of a gateway a few lines that hand out configs and answer as each agent would.
import { startChecks } from '@ampora/control';
import { createMemoryDirectory } from '@ampora/dispatch';
import { createEngine, createEngineTelemetry } from '@ampora/rollout-engine';
import { type AgentId, type GatewayId, newId, systemClock, systemRandom } from '@ampora/runtime';
import { type AnswerFact, createEngineStore, createGatewayStore, type Offer } from '@ampora/store';
import { createMetricsRegistry, createTracer, silentLogger } from '@ampora/telemetry';
import type { ApiStage } from './stage.js';

export type Behaviour = 'applies' | 'fails' | 'silent';

export interface Fleet extends AsyncDisposable {
	/** Connected agents, by internal id; they apply what they get unless told otherwise. */
	connect(count: number): Promise<string[]>;
	behave(agents: readonly string[], behaviour: Behaviour): void;
	/** Version ids handed to an agent, in order. */
	received(agent: string): readonly string[];
}

/** AcceptsRemoteConfig, ReportsStatus and ReportsRemoteConfig: nothing to watch beside its answers. */
const capabilities = 0x1003n;

export async function decidingFleet(stage: Pick<ApiStage, 'database' | 'backplane' | 'store'>): Promise<Fleet> {
	const { database, backplane } = stage;
	const gatewayStore = createGatewayStore(database.sql);
	const directory = createMemoryDirectory();
	const gateway = 'gw-test' as GatewayId;
	const { lease } = await gatewayStore.renewGateway(gateway, null, 600_000);
	const behaviours = new Map<string, Behaviour>();
	const sessions = new Map<string, number>();
	const handed = new Map<string, string[]>();
	let factSeq = 0;

	const report = async (facts: readonly { agentId: AgentId; answers: AnswerFact[] }[]): Promise<void> => {
		factSeq += 1;
		const { touchedRollouts } = await gatewayStore.flushReports(
			lease,
			facts.map(({ agentId, answers }) => ({
				agentId,
				sessionEpoch: sessions.get(agentId) ?? 0,
				factSeq,
				sequenceNum: factSeq,
				capabilities,
				answers,
			})),
		);
		if (touchedRollouts.length > 0) await backplane.publishHint({ rolloutIds: touchedRollouts });
	};

	const answerTo = ({ agentId, seq }: Offer): AnswerFact[] => {
		const behaviour = behaviours.get(agentId) ?? 'applies';
		if (behaviour === 'silent') return [];
		const failed = behaviour === 'fails';
		return [{ seq, answer: failed ? 'failed' : 'applied', error: failed ? 'unknown exporter "oltp"' : null, ageMs: 0 }];
	};

	const serving = await backplane.serveDispatch(gateway, async ({ agentIds }) => {
		const requests = agentIds.map((agentId) => ({
			agentId,
			sessionEpoch: sessions.get(agentId) ?? 0,
			reportedHash: null,
			alreadyOffered: null,
		}));
		const decisions = await gatewayStore.claimOffers(lease, requests);
		const offers = decisions.flatMap((decision) => ('offer' in decision ? [decision.offer] : []));
		for (const { agentId, versionId } of offers) handed.set(agentId, [...(handed.get(agentId) ?? []), versionId]);
		if (offers.length > 0) await report(offers.map((offer) => ({ agentId: offer.agentId, answers: answerTo(offer) })));
		return decisions.map((decision) => ('offer' in decision ? 'offered' : 'nothing-to-offer'));
	});

	const telemetry = createEngineTelemetry({
		logger: silentLogger,
		tracer: createTracer({ service: 'rollout-engine' }),
		registry: createMetricsRegistry(),
		dispatchCountsAs: 'local',
	});
	const store = createEngineStore(database.sql);
	const engine = createEngine(
		{
			store,
			directory,
			backplane,
			clock: systemClock,
			random: systemRandom,
			telemetry,
			starts: startChecks(stage.store),
		},
		{ leaseTtlMs: 10_000 },
	);
	await engine.start();

	return {
		async connect(count) {
			const requests = Array.from({ length: count }, () => ({
				instanceUid: newId<string>(),
				transport: 'websocket' as const,
			}));
			const agents = await gatewayStore.connectAgents(lease, requests);
			for (const { agentId, sessionEpoch } of agents) sessions.set(agentId, sessionEpoch);
			await directory.claimAgents(agents.map(({ agentId, sessionEpoch }) => ({ agentId, gateway, sessionEpoch })));
			await report(agents.map(({ agentId }) => ({ agentId, answers: [] })));
			return agents.map(({ agentId }) => agentId);
		},
		behave(agents, behaviour) {
			for (const agent of agents) behaviours.set(agent, behaviour);
		},
		received: (agent) => handed.get(agent) ?? [],
		async [Symbol.asyncDispose]() {
			await engine.stop();
			await serving.stop();
		},
	};
}
