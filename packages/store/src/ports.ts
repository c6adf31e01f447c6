import type {
	Calendar,
	Decision,
	EnrolmentDecision,
	EnrolmentSnapshot,
	Snapshot,
	SnapshotNeeds,
} from '@ampora/rollout';
import type { AgentId, GatewayId, GroupId, RolloutId, VersionId } from '@ampora/runtime';

export type Rollout = Snapshot['rollout'];

/** One file of a configuration or of a reported effective config; bodies are byte-exact. */
export interface ConfigFile {
	readonly name: string;
	readonly contentType: string;
	readonly body: Uint8Array;
}

export interface GatewayLease {
	readonly gateway: GatewayId;
	readonly incarnation: number;
	readonly ttlMs: number;
}

export interface ConnectRequest {
	readonly instanceUid: string;
	readonly transport: 'websocket' | 'http';
	/** What its first message says of it; read only where attributes identify agents, and nobody knows the uid. */
	readonly description?:
		| { readonly identifying: Record<string, unknown>; readonly nonIdentifying: Record<string, unknown> }
		| undefined;
}

/** What is known of an agent at the moment its new session begins. */
export interface ConnectedAgent {
	readonly agentId: AgentId;
	/** The uid it should be using: another than the request's when it connected under a former one. */
	readonly instanceUid: string;
	readonly sessionEpoch: number;
	readonly isNew: boolean;
	/** The uid of the agent it turned out to be: the new one has its id, group, assignment, quarantine and place in rollouts. */
	readonly placeOf: string | null;
	/** An agent of the same identity whose session is not known to be over: it may be two, so this one is new. */
	readonly heirOf: AgentId | null;
	/** Last sequence number that was stored; the session's first frame is compressed correctly only if it is this + 1. */
	readonly sequenceNum: number | null;
	readonly capabilities: bigint;
	readonly described: boolean;
	readonly healthy: boolean | null;
	readonly startTimeNanos: string | null;
	readonly reportedHash: Uint8Array | null;
	readonly reportedStatus: 'unset' | 'applied' | 'applying' | 'failed' | null;
	/** sha256 of the stored effective config. */
	readonly effectiveHash: Uint8Array | null;
	/** What it last called the set of its components. */
	readonly componentsHash: Uint8Array | null;
	/** The session it replaces, when that one was still open. */
	readonly previous: { readonly gateway: GatewayId; readonly sessionEpoch: number } | null;
}

/** Why an assignment is not to be sent to this agent now. */
export type NoOffer =
	| 'no-assignment'
	/** The session is not this gateway's any more. */
	| 'not-mine'
	/** It runs this already: what it reports of that hash is its answer. */
	| 'already-reported'
	/** Sent in this session and recorded with this row, and no other hash was reported since. */
	| 'already-offered'
	/** Failed or reverted: not again without a new attempt. */
	| 'answered'
	/** Its rollout lets nothing out now. */
	| 'closed'
	| 'quarantined';

export interface OfferRequest {
	readonly agentId: AgentId;
	readonly sessionEpoch: number;
	/** Hash the agent last reported in this session; null: none, or it never reports one. */
	readonly reportedHash: Uint8Array | null;
	/** The offer this session already sent (C-71); an equal one is not sent again. */
	readonly alreadyOffered: Uint8Array | null;
}

/** Permission to send, recorded as `offered` before it was given. Valid for 1 s from the moment the call was made (D2). */
export interface Offer {
	readonly agentId: AgentId;
	readonly seq: number;
	readonly versionId: VersionId;
	readonly offeredHash: Uint8Array;
	readonly rolloutId: RolloutId | null;
	readonly traceparent: string | null;
}

export type OfferDecision =
	| { readonly offer: Offer }
	| { readonly refused: NoOffer; readonly agentId: AgentId; readonly seq: number | null };

/** The current assignment of an agent as a gateway needs it to judge reports. */
export interface CurrentAssignment {
	readonly agentId: AgentId;
	readonly seq: number;
	readonly versionId: VersionId | null;
	readonly offeredHash: Uint8Array | null;
	readonly answer: 'none' | 'offered' | 'applying' | 'applied' | 'failed' | 'reverted';
}

export interface AnswerFact {
	readonly seq: number;
	readonly answer: 'offered' | 'applying' | 'applied' | 'failed' | 'reverted';
	readonly error: string | null;
	/** How long ago it was received: gateways send ages, the database has the clock. */
	readonly ageMs: number;
}

/** What changed about one agent since its last flush; absent parts are unchanged. The larger (sessionEpoch, factSeq) wins. */
export interface AgentReport {
	readonly agentId: AgentId;
	readonly sessionEpoch: number;
	readonly factSeq: number;
	readonly sequenceNum: number;
	readonly capabilities?: bigint;
	readonly description?: {
		readonly identifying: Record<string, unknown>;
		readonly nonIdentifying: Record<string, unknown>;
		readonly agentType: string | null;
		readonly agentVersion: string | null;
		readonly hostname: string | null;
	};
	readonly health?: {
		readonly healthy: boolean;
		readonly tree: unknown;
		/** How often `healthy` changed since the last flush. */
		readonly flips: number;
		/** How often the start time changed since the last flush. */
		readonly restarts: number;
		readonly startTimeNanos: string;
	};
	readonly remoteConfig?: {
		readonly hash: Uint8Array;
		readonly status: 'unset' | 'applied' | 'applying' | 'failed';
		readonly error: string;
	};
	readonly effective?: { readonly hash: Uint8Array; readonly files: readonly ConfigFile[] };
	/** Judgement of the latest effective config against the assignment of that seq. */
	readonly effectiveMatch?: {
		readonly seq: number;
		readonly verdict: 'match' | 'mismatch';
		readonly detail: string | null;
	};
	/** What it calls the set of its components. */
	readonly componentsHash?: Uint8Array;
	readonly answers?: readonly AnswerFact[];
	readonly disconnected?: 'goodbye' | 'lost' | 'drained';
}

/** Types of components by section (`receivers`, …); empty when an agent gives no details. */
export type CatalogueComponents = Readonly<Record<string, readonly string[]>>;

/** `known`: it is in the store. `ask`: this agent is to be asked for it now. `wait`: another one was. */
export type CatalogueClaim = 'known' | 'ask' | 'wait';

export interface FlushResult {
	/** A newer session exists: this gateway has to close its own. */
	readonly refused: readonly AgentId[];
	/** Rollouts for which a signal was written. */
	readonly touchedRollouts: readonly RolloutId[];
}

/**
 * What a gateway asks of Postgres. Every method is one round trip, set-based, and safe to repeat. They throw `StoreUnavailable`: with
 * reason `away` when Postgres is; something was then written or not, and repeating it changes nothing; with reason `lapsed` from
 * connectAgents, readmitAgents, claimOffers and flushReports when the lease handed in is over, and nothing was written: renew,
 * re-admit, repeat.
 */
export interface GatewayStore {
	/** Renews the row, or takes a new incarnation when there is none, it lapsed, or `incarnation` is null. */
	renewGateway(
		gateway: GatewayId,
		incarnation: number | null,
		ttlMs: number,
	): Promise<{ lease: GatewayLease; lapsed: boolean }>;
	/** Says that no new sessions are wanted here; the sessions left are heard until they are gone. */
	drainGateway(lease: GatewayLease): Promise<void>;
	/** Ends the lease after a clean drain; the leader marks whoever is left on it. */
	removeGateway(lease: GatewayLease): Promise<void>;
	/**
	 * Upserts the agents and begins a session for each: the epoch grows by one. Order of the answers is that of the requests; one uid at
	 * most once a call. A uid nobody knows takes the place of the agent with the same identity, if the session of every such agent is
	 * known to be over.
	 */
	connectAgents(lease: GatewayLease, requests: readonly ConnectRequest[]): Promise<readonly ConnectedAgent[]>;
	/** Which live gateway holds the open session of each uid, without beginning one; in the order of the uids, null where none does. */
	sessionHolders(instanceUids: readonly string[]): Promise<readonly (GatewayId | null)[]>;
	/** After a lapse: takes the sessions over into the new incarnation where the epoch is still theirs; the others are returned as refused. */
	readmitAgents(
		lease: GatewayLease,
		sessions: readonly { agentId: AgentId; sessionEpoch: number }[],
	): Promise<{ refused: readonly AgentId[] }>;
	/** Gives the agent another uid and remembers the old one. */
	renameAgent(agentId: AgentId, sessionEpoch: number, instanceUid: string): Promise<void>;
	/**
	 * Reads the assignments, decides under the row's lock whether each may be sent now, and records `offered` before answering, so that a
	 * withdrawal either comes first or sees it. Checks session epoch, reported hash, answer, quarantine and the rollout's `offers`.
	 */
	claimOffers(lease: GatewayLease, requests: readonly OfferRequest[]): Promise<readonly OfferDecision[]>;
	currentAssignments(agentIds: readonly AgentId[]): Promise<readonly CurrentAssignment[]>;
	/** Agents of this gateway whose assignment changed since the cursor (null: the last 30 s), and the next cursor. */
	changedAssignments(
		lease: GatewayLease,
		cursor: string | null,
	): Promise<{ assignments: readonly CurrentAssignment[]; cursor: string }>;
	/** Writes all that changed in one statement and signals the rollouts concerned. */
	flushReports(lease: GatewayLease, reports: readonly AgentReport[]): Promise<FlushResult>;
	/**
	 * Now and then: agents of this gateway that came while another one of their identity had a session, and were assigned nothing, take
	 * its place once that session is over. Answers the ids of their own rows, which are gone: close these sessions, and the agents come
	 * again, as whom they are. After some minutes they stay apart. Also gives the next agents their identity by newly set attributes.
	 * Several round trips when there is something to do.
	 */
	settleIdentities(lease: GatewayLease): Promise<readonly AgentId[]>;
	/**
	 * For each session whose catalogue may be missing: whether to ask it. Of all agents that share a catalogue one is asked, by whichever
	 * gateway; again when that session ended, or did not answer for 2, 4, 8 … up to 64 minutes. Sessions that are over, or whose agent has
	 * named no hash, are left out of the answer.
	 */
	claimCatalogues(
		sessions: readonly { agentId: AgentId; sessionEpoch: number }[],
	): Promise<readonly { agentId: AgentId; claim: CatalogueClaim }[]>;
	/** Keeps what this session says it has, where nobody has said so before and `hash` is the one it reported last. */
	saveCatalogue(
		session: { agentId: AgentId; sessionEpoch: number },
		hash: Uint8Array,
		components: CatalogueComponents,
	): Promise<void>;
	/** Files of a version; null when there is no such version. Immutable once published: may be cached. */
	versionFiles(versionId: VersionId): Promise<{ files: readonly ConfigFile[]; contentHash: Uint8Array } | null>;
	/** Is this the sha256 of an enrollment token that was not revoked. */
	enrollmentTokenValid(tokenHash: Uint8Array): Promise<boolean>;
}

export interface LeaderLease {
	readonly name: string;
	readonly holder: string;
	readonly epoch: number;
}

export type CommitOutcome =
	| { readonly kind: 'committed'; readonly dispatch: readonly AgentId[] }
	/** Somebody else leads now; nothing was written. */
	| { readonly kind: 'lease-lost' }
	/** The journal or an assignment moved since the snapshot; nothing was written: load and decide again. */
	| { readonly kind: 'conflict' };

/** Where an agent's session is, as Postgres knows it. */
export interface SessionRow {
	readonly agentId: AgentId;
	readonly gateway: GatewayId | null;
	readonly gatewayLive: boolean;
	readonly sessionEpoch: number;
}

/**
 * What the rollout engine asks of Postgres. Throws `StoreUnavailable` when it is away; after a `commitDecision` that threw, the caller
 * does not know whether it was committed and has to load again (the journal's seq tells).
 */
export interface EngineStore {
	/** Takes or keeps the lease: null when another holder's is not expired. The epoch grows whenever the holder changes or the lease had expired. */
	takeLease(name: string, holder: string, ttlMs: number): Promise<LeaderLease | null>;
	releaseLease(lease: LeaderLease): Promise<void>;
	/** Rollouts with something to do: wake time passed, an open command, a signal, or a changed membership; at most `limit`. `nextWakeInMs`: until the next is due. */
	dueRollouts(limit: number): Promise<{ due: readonly RolloutId[]; nextWakeInMs: number | null }>;
	/** Everything `decide` needs, read in one repeatable-read transaction; `needs` says how many rows of each kind. Null: no such rollout. */
	loadSnapshot(
		rolloutId: RolloutId,
		needs: (rollout: Snapshot['rollout'], steps: Snapshot['steps']) => SnapshotNeeds,
	): Promise<LoadedSnapshot | null>;
	/**
	 * Writes the decision, its journal row and the fold of its signals in one transaction, only while the lease is held (R2). Of a
	 * decision that changed nothing only the signals are folded, without a journal row. `successor`: what was decided about the rollout
	 * that takes its place; both are written, or neither.
	 */
	commitDecision(
		lease: LeaderLease,
		loaded: LoadedSnapshot,
		decision: Decision,
		journal: JournalEntry,
		successor?: Committing,
	): Promise<CommitOutcome>;
	/** Marks agents of expired gateways disconnected, guarded by gateway, incarnation and epoch; at most a bounded number a call. */
	reapGateways(lease: LeaderLease): Promise<{ gateways: readonly GatewayId[]; agents: number }>;
	/**
	 * Archives agents without a session that have been away for as long as `retention` says, at most `limit`, and none that is a target
	 * of a rollout that has not ended. Answers how many; 0 also when the lease is lost.
	 */
	archiveAgents(lease: LeaderLease, retention: Retention, limit: number): Promise<number>;
	/** Gateways whose row lapsed with agents about which nothing was concluded yet: dead, or cut off from Postgres. */
	lapsedGateways(): Promise<readonly GatewayId[]>;
	/**
	 * These lapsed gateways were heard by another way: their agents stay unheard for another two minutes instead of counting as lost.
	 * Answers how many agents that are.
	 */
	keepUnheard(lease: LeaderLease, gateways: readonly GatewayId[]): Promise<number>;
	sessionsOf(agentIds: readonly AgentId[]): Promise<readonly SessionRow[]>;
	/** For /metrics: rollouts by state, agents by connection and health, targets of running rollouts by state. */
	figures(): Promise<EngineFigures>;
	/** Agents of rollouts with metric gates, under the labels those join on; at most `limit` of each cohort, the first by rank. */
	cohorts(limit: number): Promise<readonly CohortRow[]>;
}

/** How long agents that are away are kept in sight, ms. */
export interface Retention {
	readonly unseenMs: number;
	/** Of one that said goodbye. */
	readonly goodbyeMs: number;
}

/** A snapshot with what the store needs to commit the decision made from it. */
export interface LoadedSnapshot {
	readonly snapshot: Snapshot;
	/** Ids of the signals folded by it; a later signal stays. */
	readonly signalIds: readonly number[];
	readonly membershipSeq: number;
	readonly traceparent: string | null;
}

/** A decision with what it was made from. */
export interface Committing {
	readonly loaded: LoadedSnapshot;
	readonly decision: Decision;
	readonly journal: JournalEntry;
}

export interface JournalEntry {
	readonly input: unknown;
	readonly digest: Uint8Array;
	/** `open`, `answered` or `closed`: see the core's `offersOf`. */
	readonly offers: 'open' | 'answered' | 'closed';
	/** From then on nothing the decision hands out may be committed, ms: see the core's `closesAtMs`. Absent or null: not in sight. */
	readonly closesAtMs?: number | null;
}

/** Agents of one cohort by the values of one label: of the attribute of that name (`_` stands for `.` too), for `service_instance_id` else the instance uid. */
export interface CohortRow {
	readonly rolloutId: RolloutId;
	/** Changed: they answered that they run the version, or are gone with it. Control: they wait for their push. */
	readonly cohort: 'changed' | 'control';
	readonly label: string;
	readonly agents: readonly string[];
}

export interface EngineFigures {
	readonly rollouts: Readonly<Record<string, number>>;
	readonly rolloutAgents: Readonly<Record<string, number>>;
	readonly agents: readonly { readonly connected: boolean; readonly healthy: boolean | null; readonly count: number }[];
	readonly pausedSeconds: number;
	readonly oldestUnansweredSeconds: number;
	/** Groups whose enrolment gate fired. */
	readonly stoppedGroups: number;
}

/** A dynamic group as its members are found by. */
export interface SelectorRow {
	readonly id: GroupId;
	readonly selector: string;
	readonly priority: number;
	readonly createdAtMs: number;
	/** All agents are being looked at again after a change; `after`: those up to this id are done. */
	readonly sweep: { readonly kind: 'evaluate' | 'decide'; readonly seq: number; readonly after: AgentId | null } | null;
}

/** Something changed about an agent that selectors may read. `changed` null: everything; empty: it is only to be decided anew. */
export interface SelectorWork {
	readonly agentId: AgentId;
	readonly workIds: readonly number[];
	/** `attribute:<name>`, `attributes`, `type`, `version`, `capabilities`, `components`. */
	readonly changed: readonly string[] | null;
}

/** What selectors may read of an agent, where it is, and what they last found: null, when they never looked. */
export interface SelectorSubject {
	readonly agentId: AgentId;
	readonly groupId: GroupId;
	/** `chosen`: a static group. */
	readonly where: 'ungrouped' | 'chosen' | 'dynamic';
	readonly description: {
		readonly identifying: Record<string, unknown>;
		readonly nonIdentifying: Record<string, unknown>;
	} | null;
	readonly agentType: string | null;
	readonly agentVersion: string | null;
	readonly capabilities: number;
	readonly components: CatalogueComponents | null;
	readonly matches: readonly GroupId[] | null;
	readonly errors: Readonly<Record<string, string>> | null;
}

/** What came of looking at one agent. */
export interface Selection {
	readonly agentId: AgentId;
	/** The group it was in when it was looked at: it is moved only from there. */
	readonly foundIn: GroupId;
	/** Null: it stays. */
	readonly moveTo: GroupId | null;
	/** Null: the same as before. */
	readonly standing: { readonly matches: readonly GroupId[]; readonly errors: Readonly<Record<string, string>> } | null;
}

export interface SelectionWrite {
	readonly selections: readonly Selection[];
	/** Work that is done by this. */
	readonly workIds: readonly number[];
	/** A sweep got on up to `after`; null: it has seen everybody. */
	readonly sweep: { readonly groupId: GroupId; readonly seq: number; readonly after: AgentId | null } | null;
}

/** What the keeper of dynamic groups asks of Postgres. Throws `StoreUnavailable` when it is away; every method is safe to repeat. */
export interface SelectorStore {
	/** All dynamic groups. */
	dynamicGroups(): Promise<readonly SelectorRow[]>;
	/** The longest waiting first, each agent once; `limit` counts changes. */
	selectorWork(limit: number): Promise<readonly SelectorWork[]>;
	/**
	 * Agents that have described themselves, in the order of ids. Archived ones are among them, and not among `subjects`: asked for here,
	 * a planner without statistics expects hardly anybody who is not archived, and reads the whole table for every page.
	 */
	describedAgents(after: AgentId | null, limit: number): Promise<readonly AgentId[]>;
	/** Without those that are archived, and those that may be another that came back. */
	subjects(agentIds: readonly AgentId[]): Promise<readonly SelectorSubject[]>;
	/**
	 * Writes what was found and moves agents, in one statement, only while the lease is held. The `membership_seq` of each group that
	 * gained or lost somebody grows, so that its rollouts notice (R7). An agent that is elsewhere by now, and one whose new group is not
	 * dynamic any more, is not moved.
	 */
	writeSelection(
		lease: LeaderLease,
		write: SelectionWrite,
	): Promise<{ readonly held: boolean; readonly moved: number }>;
}

/** A group as its enrolment is decided from, of one moment; `seq` lets one of two decisions commit. */
export interface LoadedEnrolment extends Omit<EnrolmentSnapshot, 'calendar' | 'spec'> {
	readonly seq: number;
}

/** A decision about the newcomers of a group, with the windows and freezes it was made under. */
export interface EnrolmentWrite {
	readonly decision: EnrolmentDecision;
	readonly calendar: Calendar;
}

/** What the keeper of enrolments asks of Postgres. Throws `StoreUnavailable` when it is away; every method is safe to repeat. */
export interface EnrolmentStore {
	/** Groups in which somebody waits for the default, or is watched with it; at most `limit`, in the order of ids. */
	enrolmentGroups(limit: number): Promise<readonly GroupId[]>;
	/** Null: there is no such group. The limits are in agents. */
	loadEnrolment(
		groupId: GroupId,
		limits: { readonly watched: number; readonly waiting: number },
	): Promise<LoadedEnrolment | null>;
	/**
	 * Writes all of a decision or nothing, only while the lease is held and nobody decided about the group since. `conflict`: somebody did,
	 * an agent was offered, moved or assigned something meanwhile, or the group may not change any more (R1): load and decide again.
	 */
	commitEnrolment(
		lease: LeaderLease,
		groupId: GroupId,
		loaded: LoadedEnrolment,
		write: EnrolmentWrite,
	): Promise<'committed' | 'lease-lost' | 'conflict'>;
}
