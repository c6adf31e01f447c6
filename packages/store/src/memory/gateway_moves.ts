import type { AgentId, RolloutId } from '@ampora/runtime';
import { answerRank } from '../offers.js';
import type {
	AgentReport,
	AnswerFact,
	ConnectedAgent,
	ConnectRequest,
	CurrentAssignment,
	FlushResult,
	GatewayLease,
	GatewayStore,
	NoOffer,
	OfferDecision,
	OfferRequest,
} from '../ports.js';
import { StoreUnavailable } from '../store_unavailable.js';
import { ungroupedGroupId } from '../ungrouped.js';
import { catalogueMoves } from './catalogue_moves.js';
import { identify, identityMoves, identityOf, makeHeir, placeFor, takePlace } from './identity_moves.js';
import { changedBy } from './selector_moves.js';
import { type MemoryAgent, type MemoryAssignment, type MemoryState, quarantineKey, sameBytes } from './state.js';

/** Every move is synchronous, and so atomic. */
type Moves<Port> = {
	[Name in keyof Port]: Port[Name] extends (...args: infer Args) => Promise<infer Result>
		? (...args: Args) => Result
		: never;
};
export type GatewayMoves = Moves<GatewayStore>;

const changedLookbackMs = 30_000;
const changedOverlapMs = 5_000;

function requireLease(state: MemoryState, { gateway, incarnation }: GatewayLease): void {
	if (!state.gatewayLive(gateway, incarnation)) {
		throw new StoreUnavailable('lapsed', `incarnation ${incarnation} of gateway ${gateway} is over`);
	}
}

function findByUid(state: MemoryState, uid: string): MemoryAgent | undefined {
	const id = state.agentsByUid.get(uid);
	if (id !== undefined) return state.agents.get(id);
	return [...state.agents.values()].find((agent) => agent.formerUids.includes(uid));
}

function newAgent(state: MemoryState, instanceUid: string): MemoryAgent {
	const agent: MemoryAgent = {
		id: state.newId<AgentId>(),
		...{ instanceUid, formerUids: [], groupId: ungroupedGroupId, sessionEpoch: 0, factSeq: 0 },
		...{ identity: null, earlierUids: [], heirOf: null, createdAtMs: state.nowMs() },
		...{ gateway: null, incarnation: null, lastGateway: null, disconnectedAtMs: null, disconnectReason: null },
		...{ sequenceNum: null, capabilities: 0, description: null, healthy: null, healthFlips: 0, restarts: 0 },
		...{ startTimeNanos: null, reportedHash: null, reportedStatus: null, effectiveHash: null },
		componentsHash: null,
		...{ provenVersion: null, previousProvenVersion: null, enrolmentDueAtMs: null, lastSeenMs: state.nowMs() },
		archived: false,
	};
	state.agents.set(agent.id, agent);
	state.agentsByUid.set(instanceUid, agent.id);
	return agent;
}

/** The agent of this uid; for a stranger the one whose place it takes, or a new one. */
function agentFor(state: MemoryState, { instanceUid, description }: ConnectRequest) {
	const known = findByUid(state, instanceUid);
	if (known) return { agent: known, placeOf: null, isNew: false };
	const identity = identityOf(state, description);
	const place = placeFor(state, identity);
	if (place?.free) {
		const { agent } = place;
		const placeOf = agent.instanceUid;
		takePlace(state, agent, instanceUid, []);
		return { agent, placeOf, isNew: false };
	}
	const agent = newAgent(state, instanceUid);
	agent.identity = identity;
	if (place) makeHeir(state, agent, place.agent.id);
	return { agent, placeOf: null, isNew: true };
}

function connect(state: MemoryState, lease: GatewayLease, request: ConnectRequest): ConnectedAgent {
	const { agent, placeOf, isNew } = agentFor(state, request);
	const before = { ...agent };
	agent.sessionEpoch += 1;
	agent.factSeq = 0;
	occupy(state, agent, lease);
	state.signal(agent.id);
	return {
		agentId: agent.id,
		instanceUid: agent.instanceUid,
		sessionEpoch: agent.sessionEpoch,
		...{ isNew, placeOf, heirOf: isNew ? agent.heirOf : null },
		sequenceNum: before.sequenceNum,
		capabilities: BigInt(before.capabilities),
		described: before.description !== null,
		healthy: before.healthy,
		startTimeNanos: before.startTimeNanos,
		reportedHash: before.reportedHash,
		reportedStatus: before.reportedStatus,
		effectiveHash: before.effectiveHash,
		componentsHash: before.componentsHash,
		previous: before.gateway === null ? null : { gateway: before.gateway, sessionEpoch: before.sessionEpoch },
	};
}

function occupy(state: MemoryState, agent: MemoryAgent, { gateway, incarnation }: GatewayLease): void {
	agent.gateway = gateway;
	agent.incarnation = incarnation;
	agent.lastGateway = null;
	agent.disconnectedAtMs = null;
	agent.disconnectReason = null;
	if (!agent.archived) return;
	agent.archived = false;
	if (agent.description !== null) state.addSelectorWork(agent.id, null);
	const group = state.groups.get(agent.groupId);
	if (group) group.membershipSeq += 1;
}

function refusal(state: MemoryState, { gateway }: GatewayLease, request: OfferRequest): NoOffer | null {
	const agent = state.agents.get(request.agentId);
	if (agent?.sessionEpoch !== request.sessionEpoch || agent.gateway !== gateway) return 'not-mine';
	const assignment = state.assignments.get(request.agentId);
	if (!assignment?.versionId) return 'no-assignment';
	if (sameBytes(assignment.offeredHash, request.reportedHash)) return 'already-reported';
	// What went out for an earlier row, of a rollout that is over, is no offer of this one: nobody would ever record it.
	if (assignment.answer !== 'none' && sameBytes(assignment.offeredHash, request.alreadyOffered))
		return 'already-offered';
	if (assignment.answer === 'failed' || assignment.answer === 'reverted') return 'answered';
	if (state.quarantine.has(quarantineKey(request.agentId, assignment.versionId))) return 'quarantined';
	return mayLeave(state, assignment) ? null : 'closed';
}

function mayLeave(state: MemoryState, { cause, rolloutId, answer }: MemoryAssignment): boolean {
	const rollout = rolloutId === null ? undefined : state.rollouts.get(rolloutId);
	if (cause === 'restore' || cause === 'withdrawal' || rollout === undefined || state.flaws.ignoreOffers) return true;
	return rollout.offers === 'open' || (rollout.offers === 'answered' && (answer === 'applied' || cause === 'rollback'));
}

function claim(state: MemoryState, lease: GatewayLease, request: OfferRequest): OfferDecision {
	const { agentId } = request;
	const refused = refusal(state, lease, request);
	const assignment = state.assignments.get(agentId);
	if (refused !== null || !assignment?.versionId || !assignment.offeredHash) {
		return { refused: refused ?? 'no-assignment', agentId, seq: assignment?.seq ?? null };
	}
	assignment.offeredEpoch = request.sessionEpoch;
	if (assignment.answer === 'none') {
		assignment.answer = 'offered';
		state.signal(agentId);
	}
	const { seq, versionId, offeredHash, rolloutId, traceparent } = assignment;
	return { offer: { agentId, seq, versionId, offeredHash, rolloutId, traceparent } };
}

const currentOf = (agentId: AgentId, assignment: MemoryAssignment): CurrentAssignment => ({
	agentId,
	seq: assignment.seq,
	versionId: assignment.versionId,
	offeredHash: assignment.offeredHash,
	answer: assignment.answer,
});

/** A version that failed or was reverted proves nothing any more; one that was applied is the last one proven. */
function prove(agent: MemoryAgent, versionId: MemoryAssignment['versionId'], answer: AnswerFact['answer']): void {
	if (answerRank[answer] === 4 && agent.provenVersion === versionId) {
		agent.provenVersion = agent.previousProvenVersion;
		agent.previousProvenVersion = null;
	}
	if (answer === 'applied' && versionId !== null && agent.provenVersion !== versionId) {
		agent.previousProvenVersion = agent.provenVersion;
		agent.provenVersion = versionId;
	}
}

function foldLate(state: MemoryState, agent: MemoryAgent, fact: AnswerFact): boolean {
	let changed = false;
	for (const { rollout, targets } of state.rollouts.values()) {
		const row = targets.get(agent.id);
		if (row?.target.seq !== fact.seq || answerRank[fact.answer] <= answerRank[row.lateAnswer ?? 'none']) continue;
		row.lateAnswer = fact.answer;
		row.lateError = fact.error;
		if (answerRank[fact.answer] === 4) prove(agent, rollout.versionId, fact.answer);
		changed = true;
	}
	return changed;
}

/** Of several answers for one assignment the highest counts; late ones before the current one. */
function foldAnswers(state: MemoryState, agent: MemoryAgent, answers: readonly AnswerFact[]): boolean {
	const current = state.assignments.get(agent.id);
	const highest = new Map<number, AnswerFact>();
	for (const fact of answers) {
		const known = highest.get(fact.seq);
		if (known === undefined || answerRank[fact.answer] > answerRank[known.answer]) highest.set(fact.seq, fact);
	}
	let changed = false;
	for (const fact of highest.values()) if (fact.seq !== current?.seq && foldLate(state, agent, fact)) changed = true;
	const fact = current && highest.get(current.seq);
	if (!current || !fact || answerRank[fact.answer] <= answerRank[current.answer]) return changed;
	current.answer = fact.answer;
	current.answerError = fact.error;
	prove(agent, current.versionId, fact.answer);
	return true;
}

function foldMatch(state: MemoryState, { agentId, effectiveMatch }: AgentReport): boolean {
	const current = state.assignments.get(agentId);
	if (!effectiveMatch || current?.seq !== effectiveMatch.seq || current.effective === effectiveMatch.verdict)
		return false;
	current.effective = effectiveMatch.verdict;
	return true;
}

function foldFacts(agent: MemoryAgent, report: AgentReport, nowMs: number): boolean {
	const { capabilities, health, remoteConfig } = report;
	let changed = false;
	agent.factSeq = report.factSeq;
	agent.sequenceNum = report.sequenceNum;
	agent.lastSeenMs = nowMs;
	if (capabilities !== undefined) {
		changed = agent.capabilities !== Number(capabilities);
		agent.capabilities = Number(capabilities);
	}
	if (health) {
		changed ||= health.flips > 0 || health.restarts > 0 || health.healthy !== agent.healthy;
		agent.healthy = health.healthy;
		agent.healthFlips += health.flips;
		agent.restarts += health.restarts;
		agent.startTimeNanos = health.startTimeNanos;
	}
	agent.description = report.description ?? agent.description;
	agent.reportedHash = remoteConfig?.hash ?? agent.reportedHash;
	agent.reportedStatus = remoteConfig?.status ?? agent.reportedStatus;
	agent.effectiveHash = report.effective?.hash ?? agent.effectiveHash;
	agent.componentsHash = report.componentsHash ?? agent.componentsHash;
	return changed;
}

function isMine(agent: MemoryAgent | undefined, { gateway }: GatewayLease, sessionEpoch: number): agent is MemoryAgent {
	if (agent?.sessionEpoch !== sessionEpoch) return false;
	return agent.gateway === gateway || (agent.gateway === null && agent.lastGateway === gateway);
}

function flush(state: MemoryState, lease: GatewayLease, reports: readonly AgentReport[]): FlushResult {
	const refused: AgentId[] = [];
	const touched = new Set<RolloutId>();
	for (const report of reports) {
		const agent = state.agents.get(report.agentId);
		if (!isMine(agent, lease, report.sessionEpoch)) {
			refused.push(report.agentId);
			continue;
		}
		if (agent.factSeq >= report.factSeq) continue;
		const answered = foldAnswers(state, agent, report.answers ?? []);
		const matched = foldMatch(state, report);
		const read = changedBy(agent, report);
		if (read.length > 0) state.addSelectorWork(agent.id, read);
		const changed = foldFacts(agent, report, state.nowMs());
		if (report.description) identify(state, agent, report.description);
		if (report.disconnected) {
			agent.lastGateway = lease.gateway;
			agent.gateway = null;
			state.disconnect(agent, report.disconnected);
		}
		if (!answered && !matched && !changed && !report.disconnected) continue;
		for (const rolloutId of state.signal(agent.id)) touched.add(rolloutId);
	}
	return { refused, touchedRollouts: [...touched] };
}

function renew(state: MemoryState, ...[id, incarnation, ttlMs]: Parameters<GatewayMoves['renewGateway']>) {
	const nowMs = state.nowMs();
	const known = state.gateways.get(id);
	const kept = known !== undefined && known.lostAtMs === null && state.gatewayLive(id, incarnation);
	const current = kept ? known.incarnation : Math.max((known?.incarnation ?? 0) + 1, nowMs);
	const draining = kept && known.draining;
	state.gateways.set(id, { id, incarnation: current, expiresAtMs: nowMs + ttlMs, draining, lostAtMs: null });
	return {
		lease: { gateway: id, incarnation: current, ttlMs },
		lapsed: incarnation !== null && incarnation !== current,
	};
}

function readmit(state: MemoryState, ...[lease, sessions]: Parameters<GatewayMoves['readmitAgents']>) {
	const refused: AgentId[] = [];
	for (const { agentId, sessionEpoch } of sessions) {
		const agent = state.agents.get(agentId);
		if (agent?.sessionEpoch === sessionEpoch && (agent.gateway === null || agent.gateway === lease.gateway)) {
			occupy(state, agent, lease);
			state.signal(agentId);
		} else refused.push(agentId);
	}
	return { refused };
}

function changedSince(state: MemoryState, { gateway }: GatewayLease, cursor: string | null) {
	const since = cursor === null ? state.nowMs() - changedLookbackMs : Number(cursor);
	const assignments = [...state.assignments]
		.filter(([id, { changedAtMs }]) => changedAtMs > since && state.agents.get(id)?.gateway === gateway)
		.map(([id, assignment]) => currentOf(id, assignment));
	return { assignments, cursor: String(state.nowMs() - changedOverlapMs) };
}

export const gatewayMoves = (state: MemoryState): GatewayMoves => ({
	renewGateway: (gateway, incarnation, ttlMs) => renew(state, gateway, incarnation, ttlMs),
	drainGateway({ gateway, incarnation }) {
		const row = state.gateways.get(gateway);
		if (row?.incarnation === incarnation) row.draining = true;
	},
	removeGateway({ gateway, incarnation }) {
		const row = state.gateways.get(gateway);
		if (row?.incarnation === incarnation) row.expiresAtMs = Math.min(row.expiresAtMs, state.nowMs());
	},
	connectAgents(lease, requests) {
		requireLease(state, lease);
		return requests.map((request) => connect(state, lease, request));
	},
	sessionHolders: (instanceUids) =>
		instanceUids.map((uid) => {
			const id = state.agentsByUid.get(uid);
			const { gateway = null, incarnation = null } = (id && state.agents.get(id)) || {};
			if (gateway === null || !state.gatewayLive(gateway, incarnation)) return null;
			return state.gateways.get(gateway)?.draining ? null : gateway;
		}),
	readmitAgents(lease, sessions) {
		requireLease(state, lease);
		return readmit(state, lease, sessions);
	},
	renameAgent(agentId, sessionEpoch, instanceUid) {
		const agent = state.agents.get(agentId);
		if (agent?.sessionEpoch !== sessionEpoch || agent.instanceUid === instanceUid) return;
		state.agentsByUid.delete(agent.instanceUid);
		agent.formerUids = [...agent.formerUids.filter((uid) => uid !== instanceUid), agent.instanceUid];
		agent.instanceUid = instanceUid;
		state.agentsByUid.set(instanceUid, agentId);
	},
	claimOffers(lease, requests) {
		requireLease(state, lease);
		return requests.map((request) => claim(state, lease, request));
	},
	currentAssignments: (agentIds) =>
		agentIds.flatMap((id) => {
			const assignment = state.assignments.get(id);
			return assignment ? [currentOf(id, assignment)] : [];
		}),
	changedAssignments: (lease, cursor) => changedSince(state, lease, cursor),
	flushReports(lease, reports) {
		requireLease(state, lease);
		return flush(state, lease, reports);
	},
	...identityMoves(state),
	...catalogueMoves(state),
	versionFiles: (versionId) => state.versions.get(versionId) ?? null,
	enrollmentTokenValid: (tokenHash) => state.enrollmentTokens.has(Buffer.from(tokenHash).toString('hex')),
});
