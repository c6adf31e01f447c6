import { type Backplane, type ClaimOutcome, DirectoryUnavailable, type OwnershipDirectory } from '@ampora/dispatch';
import { type InstanceUid, parseUid, type RefusalCode } from '@ampora/opamp';
import { type AgentId, type Clock, type GatewayId, newId } from '@ampora/runtime';
import {
	type ConnectedAgent,
	type ConnectRequest,
	type CurrentAssignment,
	type GatewayStore,
	StoreUnavailable,
} from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import type { LeaseKeeper } from '../lease/keeper.js';
import type { GatewayLimits } from '../limits.js';
import { learnAssignment } from '../report/answers.js';
import type { Flusher } from '../report/flusher.js';
import type { Exchange } from '../session/exchange.js';
import type { Sessions } from '../session/registry.js';
import { AgentSession, bounded, live } from '../session/session.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import type { Applicant } from './applicant.js';
import { Strangers } from './strangers.js';
import { Takeovers } from './takeovers.js';

export interface AdmissionDeps {
	readonly gateway: GatewayId;
	readonly store: Pick<GatewayStore, 'connectAgents' | 'currentAssignments' | 'sessionHolders'>;
	readonly directory: Pick<OwnershipDirectory, 'claimAgents'>;
	readonly backplane: Pick<Backplane, 'evict'>;
	readonly lease: LeaseKeeper;
	readonly sessions: Sessions;
	readonly flusher: Flusher;
	readonly exchange: Exchange;
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly meters: GatewayMeters;
	readonly log: Logger;
	/** Puts the session where its carrier finds it. */
	readonly seat: (applicant: Applicant, session: AgentSession) => void;
}

/** First messages are collected for so long: one round trip serves all. */
const collectMs = 3;
/** Told with the close of a socket that nobody could be admitted on. */
export const tryAgainLater = 1013;

interface Admitted {
	readonly applicant: Applicant;
	readonly connected: ConnectedAgent;
	readonly session: AgentSession;
}

/**
 * From an agent's first message to its session, many at a time: an epoch from the database, the claim in the directory, then the
 * wanted state, in this order, because the engine commits before it looks for the owner.
 */
export class Admission {
	readonly #takeovers = new Takeovers();
	readonly #strangers: Strangers;
	readonly #queue = new Map<InstanceUid, Applicant[]>();
	#queued = 0;
	#delayed = 0;
	#connecting = false;
	#scheduled = false;

	constructor(private readonly deps: AdmissionDeps) {
		this.#strangers = new Strangers(deps.gateway);
	}

	/** Agents that wait for admission. */
	get waiting(): number {
		return this.#queued + this.#delayed;
	}

	/** False: too many wait, or the database is away; the applicant was not taken. */
	apply(applicant: Applicant): boolean {
		if (this.waiting >= this.deps.limits.admissionsMax || !this.deps.lease.usable) return false;
		this.#begin(applicant);
		return true;
	}

	/** A session of the same uid that is still here gives way: after what it said is saved, and not too often. */
	#begin(applicant: Applicant): void {
		const now = this.deps.clock.monotonicMs();
		const delayMs = this.#takeovers.delayMs(applicant.uid, now);
		if (delayMs > 0) {
			this.#later(applicant, delayMs);
			return;
		}
		const older = this.deps.sessions.withUid(applicant.uid);
		if (!older) {
			this.#afterSaving(applicant, this.deps.sessions.leaving(applicant.uid));
			return;
		}
		const continues = continuesSequence(applicant, older.sequence);
		if (!continues && this.#takeovers.exhausted(applicant.uid, now)) {
			this.#grant(applicant);
			this.#enqueue(applicant);
			return;
		}
		this.#takeovers.record(applicant.uid, continues, now);
		this.deps.sessions.supersede(older);
		this.#afterSaving(applicant, older);
	}

	/** What the former session heard has to be in the database before its epoch is over, or it would be refused. */
	#afterSaving(applicant: Applicant, former: AgentSession | undefined): void {
		if (!former) {
			this.#enqueue(applicant);
			return;
		}
		this.#delayed += 1;
		void this.deps.flusher.saved(former).then(() => {
			this.#delayed -= 1;
			this.#enqueue(applicant);
		});
	}

	#later(applicant: Applicant, delayMs: number): void {
		this.#delayed += 1;
		this.deps.clock.after(delayMs, () => {
			this.#delayed -= 1;
			if (!applicant.gone) this.#begin(applicant);
		});
	}

	/** Two agents share a uid: the newcomer gets one of its own, and a record of its own (C-42). */
	#grant(applicant: Applicant): void {
		applicant.grantedUid = parseUid(newId()) ?? null;
		this.#takeovers.forget(applicant.uid);
		const fields = { instance_uid: applicant.uid, remote_address: applicant.carrier.remoteAddress };
		this.deps.log.warn('two agents use one instance_uid; the newcomer gets another', fields);
	}

	#enqueue(applicant: Applicant): void {
		const uid = applicant.grantedUid ?? applicant.uid;
		const before = this.#queue.get(uid);
		if (before) before.push(applicant);
		else this.#queue.set(uid, [applicant]);
		this.#queued += 1;
		this.#schedule();
	}

	#schedule(): void {
		if (this.#scheduled || this.#connecting || this.#queued === 0) return;
		this.#scheduled = true;
		this.deps.clock.after(this.#queued >= this.deps.limits.admissionBatchMax ? 0 : collectMs, () => {
			this.#scheduled = false;
			void this.#round();
		});
	}

	/** Rounds connect one after the other; what follows after the epochs are known overlaps with the next round. */
	async #round(): Promise<void> {
		const batch = this.#takeBatch();
		if (batch.length === 0) return;
		this.#connecting = true;
		let admitted: readonly Admitted[] = [];
		try {
			const staying = await this.#withoutPassing(batch);
			if (staying.length > 0) admitted = await this.#connect(staying);
		} catch (error) {
			this.#failed(batch, error);
		}
		this.#connecting = false;
		this.#schedule();
		if (admitted.length > 0) await this.#settle(admitted);
	}

	/** One uid at most once: two sessions of one agent get their epochs one after the other. */
	#takeBatch(): Applicant[] {
		const batch: Applicant[] = [];
		for (const [uid, applicants] of this.#queue) {
			if (batch.length >= this.deps.limits.admissionBatchMax) break;
			const applicant = applicants.shift();
			if (applicants.length === 0) this.#queue.delete(uid);
			if (!applicant) continue;
			this.#queued -= 1;
			if (!applicant.gone) batch.push(applicant);
		}
		return batch;
	}

	/** Polls of agents whose session is elsewhere are answered, and that is all (C-10). */
	async #withoutPassing(batch: readonly Applicant[]): Promise<readonly Applicant[]> {
		const polls = batch.filter(({ carrier }) => carrier.transport === 'http');
		if (polls.length === 0) return batch;
		const holders = await this.deps.store.sessionHolders(polls.map(({ uid }) => uid));
		const passing = new Set(polls.filter((poll, at) => this.#isPassing(poll, holders[at] ?? null)));
		for (const { uid, carrier, waiting } of passing) {
			carrier.forget(uid);
			for (const inbound of waiting.splice(0)) this.deps.exchange.acknowledge(inbound);
		}
		return batch.filter((applicant) => !passing.has(applicant));
	}

	#isPassing({ waiting: [first], grantedUid }: Applicant, holder: GatewayId | null): boolean {
		return first !== undefined && grantedUid === null && this.#strangers.isPassing(first.message, holder);
	}

	async #connect(batch: readonly Applicant[]): Promise<Admitted[]> {
		const requests = batch.map((applicant) => this.#requestOf(applicant));
		const connected = await this.deps.store.connectAgents(this.deps.lease.current, requests);
		this.deps.lease.storeAnswered();
		const now = this.deps.clock.monotonicMs();
		const admitted = batch.flatMap((applicant, at): Admitted[] => {
			const agent = connected[at];
			return agent ? [{ applicant, connected: agent, session: this.#sessionOf(applicant, agent, now) }] : [];
		});
		return admitted.filter((one) => !this.#isDuplicate(one, now));
	}

	/** Two agents that share a uid are two, whatever they say of themselves. */
	#requestOf(applicant: Applicant): ConnectRequest {
		const { uid, grantedUid, carrier } = applicant;
		const { message } = this.deps.limits;
		return {
			instanceUid: grantedUid ?? uid,
			transport: carrier.transport,
			get description() {
				return grantedUid === null ? applicant.description(message) : undefined;
			},
		};
	}

	#noteIdentity({ agentId, instanceUid, placeOf, heirOf }: ConnectedAgent): void {
		const fields = { agent_id: agentId, instance_uid: instanceUid };
		if (placeOf) this.deps.log.info('an agent came back under another uid', { ...fields, former_uid: placeOf });
		if (heirOf)
			this.deps.log.warn('two agents have the same identity attributes, and the older one is not known to be gone', {
				...fields,
				other_agent_id: heirOf,
			});
	}

	#sessionOf(applicant: Applicant, connected: ConnectedAgent, now: number): AgentSession {
		const { carrier, waiting, uid } = applicant;
		this.#noteIdentity(connected);
		const session = new AgentSession(carrier, connected, waiting, now, this.deps.limits.frameBurstMax);
		if (session.uid !== uid) session.formerUid = uid;
		this.deps.sessions.add(session);
		if (applicant.gone) this.deps.sessions.end(session, 'lost');
		else this.deps.seat(applicant, session);
		return session;
	}

	/** A session at another gateway was taken over; when that happens again and again, two agents share the uid. */
	#isDuplicate({ applicant, connected, session }: Admitted, now: number): boolean {
		const { previous } = connected;
		if (!previous || previous.gateway === this.deps.gateway || applicant.grantedUid) return false;
		const continues = continuesSequence(applicant, connected.sequenceNum ?? -1);
		if (!this.#takeovers.record(applicant.uid, continues, now)) return false;
		const waiting = applicant.waiting.splice(0);
		this.deps.sessions.end(session, 'duplicate');
		applicant.waiting.push(...waiting);
		this.#grant(applicant);
		this.#enqueue(applicant);
		return true;
	}

	async #settle(admitted: readonly Admitted[]): Promise<void> {
		try {
			await this.#claim(admitted);
			const sessions = admitted.map(({ session }) => session).filter((session) => !session.ended);
			const read = await this.deps.store.currentAssignments(sessions.map(({ agentId }) => agentId));
			const assignments = new Map(read.map((assignment) => [assignment.agentId, assignment]));
			for (const session of sessions) this.#open(session, assignments.get(session.agentId));
		} catch (error) {
			this.#failed(
				admitted.map(({ applicant }) => applicant),
				error,
			);
			for (const { session } of admitted) this.deps.sessions.end(session, 'lost');
		}
	}

	/** Routing only: when the directory is away the sessions are claimed later, and found through the database until then (D5). */
	async #claim(admitted: readonly Admitted[]): Promise<void> {
		const { gateway, directory, meters, lease } = this.deps;
		const claims = admitted.map(({ session: { agentId, epoch } }) => ({ agentId, gateway, sessionEpoch: epoch }));
		let outcomes: readonly ClaimOutcome[] = [];
		try {
			outcomes = await directory.claimAgents(claims);
		} catch (error) {
			if (!(error instanceof DirectoryUnavailable)) throw error;
			lease.directoryAway(error);
		}
		const evictions = new Map<GatewayId, { agentId: AgentId; sessionEpoch: number }[]>();
		const evict = (from: GatewayId, agentId: AgentId, sessionEpoch: number): void => {
			if (from === gateway) return;
			const list = evictions.get(from);
			if (list) list.push({ agentId, sessionEpoch });
			else evictions.set(from, [{ agentId, sessionEpoch }]);
		};
		for (const [at, { session, connected }] of admitted.entries()) {
			const outcome = outcomes[at];
			if (outcome) meters.opamp.ampora_session_ownership_acquires_total.inc({ outcome: outcome.kind });
			if (outcome?.kind === 'lost') this.deps.sessions.supersede(session);
			else if (outcome?.kind === 'stolen') evict(outcome.from.gateway, session.agentId, outcome.from.sessionEpoch);
			else if (connected.previous) evict(connected.previous.gateway, session.agentId, connected.previous.sessionEpoch);
		}
		for (const [from, list] of evictions) this.#evict(from, list);
	}

	#evict(from: GatewayId, evictions: { agentId: AgentId; sessionEpoch: number }[]): void {
		this.deps.backplane.evict(from, evictions).catch((error: unknown) => {
			this.deps.log.debug('an eviction was not sent', { target_instance: from, error });
		});
	}

	/** From here on the session is heard: its first message, then what came meanwhile, in order. */
	#open(session: AgentSession, assignment: CurrentAssignment | undefined): void {
		const { phase } = session;
		if (phase.kind !== 'admitting') return;
		if (assignment) learnAssignment(session, assignment);
		session.phase = live;
		for (const inbound of phase.waiting.splice(0)) this.deps.exchange.handle(session, inbound);
	}

	#failed(batch: readonly Applicant[], error: unknown): void {
		const away = error instanceof StoreUnavailable;
		if (away) this.deps.lease.storeAway(error);
		else this.deps.log.error('agents could not be admitted', { error, agents: batch.length });
		for (const applicant of batch) this.#turnAway(applicant, away ? 'overloaded' : 'internal');
	}

	#turnAway({ carrier, uid, waiting }: Applicant, code: RefusalCode): void {
		for (const { message, replier } of waiting.splice(0))
			if (!replier.gone) replier.refuse(message.instanceUid, code, 'no session could be begun; try again');
		carrier.forget(uid);
		carrier.closeIfUnused(tryAgainLater, 'no session could be begun');
	}
}

function continuesSequence({ waiting: [first] }: Applicant, sequence: number): boolean {
	return first !== undefined && bounded(first.message.sequenceNum) === sequence + 1;
}
