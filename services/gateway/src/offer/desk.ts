import type { DeliveryOutcome } from '@ampora/dispatch';
import {
	encodeServerToAgent,
	type Frame,
	type InstanceUid,
	instanceUidBytes,
	type ServerContent,
	withUid,
} from '@ampora/opamp';
import type { Clock, VersionId } from '@ampora/runtime';
import { type GatewayStore, type Offer, type OfferDecision, StoreUnavailable } from '@ampora/store';
import { agentSpansPerEnvelope, type Logger, labelLimiter, type Tracer } from '@ampora/telemetry';
import type { Lease } from '../lease/lease.js';
import type { GatewayLimits } from '../limits.js';
import { learnAssignment } from '../report/answers.js';
import type { Replier } from '../session/carrier.js';
import type { AgentSession } from '../session/session.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import { offerDue, offerRequest } from './due.js';
import type { CachedVersion, VersionCache } from './versions.js';

export interface OfferDeskDeps {
	readonly store: Pick<GatewayStore, 'claimOffers' | 'versionFiles' | 'currentAssignments'>;
	readonly versions: VersionCache;
	readonly lease: Lease;
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly meters: GatewayMeters;
	readonly log: Logger;
	readonly tracer: Tracer;
	/** The wanted state of the session was read anew. */
	readonly onLearned: (session: AgentSession) => void;
	/** The database knows a newer session of this agent. */
	readonly onSuperseded: (session: AgentSession) => void;
}

/** An answer that waits to be sent together with the offer. */
export interface OwedAnswer {
	/** The uid the agent used. */
	readonly uid: InstanceUid;
	readonly content: ServerContent;
	readonly replier: Replier;
	/** crc32 of the poll, null on a WebSocket. */
	readonly poll: number | null;
}

/** Permission is good for so long after it was asked for (D2). */
const permissionMs = 1_000;
/** Requests of several agents are collected for so long. */
const collectMs = 2;
/** Sockets written to before others get a turn. */
const sendsPerTurn = 200;
const claimsAtOnce = 4;

/** What the offers of one claim share. */
interface Round {
	readonly versions: ReadonlyMap<VersionId, CachedVersion | null>;
	/** When permission was asked for, monotonic ms. */
	readonly askedAtMs: number;
	readonly own: Envelope;
}

interface Ticket {
	readonly session: AgentSession;
	owed: OwedAnswer | null;
	/** Null: this gateway's own doing. */
	envelope: Envelope | null;
	readonly outcomes: ((outcome: DeliveryOutcome) => void)[];
}

/** What the tickets of one envelope share; those of this gateway's own doing share one per round. */
interface Envelope {
	readonly traceparent: string | null;
	/** Agents of it that may still get a span of their own. */
	spansLeft: number;
}

/**
 * The one place offers leave from. Whoever thinks that an agent should be offered something asks here; what is sent is what the
 * assignment rows say at that moment, recorded there before it is sent (D2), and sent at most once per request.
 */
export class OfferDesk {
	readonly #waiting = new Map<AgentSession, Ticket>();
	readonly #claiming = new Set<AgentSession>();
	readonly #agentTypes = labelLimiter();
	#claims = 0;
	#scheduled = false;

	constructor(private readonly deps: OfferDeskDeps) {}

	/** On this gateway's own account: a connect, a report, or a row that changed. */
	request(session: AgentSession): void {
		if (this.#unable(session)) return;
		this.#ticket(session);
	}

	/** The agent waits for an answer, and it is to carry what there is to offer. */
	answerWithOffer(session: AgentSession, owed: OwedAnswer): void {
		const ticket = this.#waiting.get(session);
		if (ticket?.owed) {
			owed.replier.reply(plain(owed));
			return;
		}
		if (session.carrier.pushable === 'full') {
			owed.replier.reply(plain(owed));
			return;
		}
		this.#ticket(session).owed = owed;
	}

	/** Agents named by an envelope; one outcome each, in their order. */
	dispatch(sessions: readonly (AgentSession | undefined)[], traceparent: string | null): Promise<DeliveryOutcome[]> {
		const envelope: Envelope = { traceparent, spansLeft: agentSpansPerEnvelope };
		return Promise.all(
			sessions.map((session): DeliveryOutcome | Promise<DeliveryOutcome> => {
				if (!session || session.ended) return 'not-mine';
				const unable = this.#unable(session);
				if (unable) return unable;
				const ticket = this.#ticket(session);
				ticket.envelope = envelope;
				return new Promise((resolve) => ticket.outcomes.push(resolve));
			}),
		);
	}

	/** An answer was heard: the span from push to answer ends, and the time is observed. */
	answered(session: AgentSession, seq: number, answer: string, error: string | null): void {
		const { sent } = session;
		if (sent?.seq !== seq || answer === 'applying') return;
		const elapsedMs = this.deps.clock.monotonicMs() - sent.sentAtMs;
		if (answer === 'applied') {
			const agent_type = this.#agentTypes(session.agentType);
			this.deps.meters.opamp.ampora_opamp_apply_duration_seconds.observe({ agent_type }, elapsedMs / 1000);
			sent.span?.setAttribute('outcome', answer);
			sent.span?.end();
			return;
		}
		const startMs = this.deps.clock.nowMs() - elapsedMs;
		const span = sent.span ?? this.#applySpan(session, seq, sent.traceparent, startMs);
		span.setAttribute('outcome', answer);
		span.recordError(error ?? answer);
		span.end();
	}

	/** Why nothing can be sent to it now; what is due is remembered. */
	#unable(session: AgentSession): DeliveryOutcome | undefined {
		const { pushable } = session.carrier;
		const capable = session.capabilities.has('AcceptsRemoteConfig');
		if (capable && session.settled && pushable === 'now') return undefined;
		session.offerPending = true;
		if (!capable && session.settled) return 'not-capable';
		// A poller gets it with its next poll, a session that is not settled as soon as it is.
		return pushable === 'full' ? 'queue-full' : 'nothing-to-offer';
	}

	#ticket(session: AgentSession): Ticket {
		const known = this.#waiting.get(session);
		if (known) return known;
		const ticket: Ticket = { session, owed: null, envelope: null, outcomes: [] };
		this.#waiting.set(session, ticket);
		this.#schedule(collectMs);
		return ticket;
	}

	#schedule(delayMs: number): void {
		if (this.#scheduled || this.#claims >= claimsAtOnce) return;
		this.#scheduled = true;
		this.deps.clock.after(delayMs, () => {
			this.#scheduled = false;
			void this.#round();
		});
	}

	async #round(): Promise<void> {
		const tickets = this.#takeTickets();
		if (tickets.length === 0) return;
		this.#claims += 1;
		if (this.#waiting.size > 0) this.#schedule(0);
		try {
			await this.#serve(tickets);
		} catch (error) {
			this.#failed(tickets, error);
		}
		this.#claims -= 1;
		for (const { session } of tickets) this.#claiming.delete(session);
		if (this.#waiting.size > 0) this.#schedule(0);
	}

	/** A session whose claim is under way waits: two at once could be answered out of order (D3). */
	#takeTickets(): Ticket[] {
		const tickets: Ticket[] = [];
		for (const [session, ticket] of this.#waiting) {
			if (tickets.length >= this.deps.limits.offerBatchMax) break;
			if (this.#claiming.has(session)) continue;
			this.#waiting.delete(session);
			this.#claiming.add(session);
			tickets.push(ticket);
		}
		return tickets;
	}

	async #serve(tickets: readonly Ticket[]): Promise<void> {
		const askedAtMs = this.deps.clock.monotonicMs();
		const requests = tickets.map(({ session, owed }) =>
			offerRequest(session, offerDue(session, askedAtMs, owed?.poll ?? null) === 'repeat'),
		);
		for (const { session } of tickets) session.offerPending = false;
		const decisions = await this.deps.store.claimOffers(this.deps.lease.current, requests);
		this.deps.lease.storeAnswered();
		const versions = await this.#versions(decisions);
		const stale: Ticket[] = [];
		const own: Envelope = { traceparent: null, spansLeft: agentSpansPerEnvelope };
		for (const [at, ticket] of tickets.entries()) {
			if (at > 0 && at % sendsPerTurn === 0) await nextTurn();
			const decision = decisions[at];
			if (!decision) this.#finish(ticket, 'nothing-to-offer');
			else if ('offer' in decision) this.#send(ticket, decision.offer, { versions, askedAtMs, own });
			else if (decision.refused === 'not-mine') this.#notMine(ticket);
			else {
				if (decision.seq !== null && decision.seq !== ticket.session.assignment?.seq) stale.push(ticket);
				this.#finish(ticket, 'nothing-to-offer');
			}
		}
		if (stale.length > 0) await this.#learn(stale);
	}

	async #versions(decisions: readonly OfferDecision[]): Promise<Map<VersionId, CachedVersion | null>> {
		const wanted = new Set(decisions.flatMap((decision) => ('offer' in decision ? [decision.offer.versionId] : [])));
		return new Map(await Promise.all([...wanted].map(async (id) => [id, await this.deps.versions.get(id)] as const)));
	}

	async #learn(tickets: readonly Ticket[]): Promise<void> {
		const sessions = new Map(tickets.map(({ session }) => [session.agentId, session]));
		for (const read of await this.deps.store.currentAssignments([...sessions.keys()])) {
			const session = sessions.get(read.agentId);
			if (session && !session.ended && learnAssignment(session, read)) this.deps.onLearned(session);
		}
	}

	#notMine(ticket: Ticket): void {
		this.#finish(ticket, 'not-mine');
		this.deps.onSuperseded(ticket.session);
	}

	#send(ticket: Ticket, offer: Offer, { versions, askedAtMs, own }: Round): void {
		const { session, owed } = ticket;
		const body = versions.get(offer.versionId)?.offerOf(offer.offeredHash);
		if (session.ended) {
			this.#finish(ticket, 'not-mine');
			return;
		}
		learnAssignment(session, { ...offer, answer: 'offered' });
		if (!body) {
			this.#undeliverable(ticket, offer, 'the version has no files');
			return;
		}
		const now = this.deps.clock.monotonicMs();
		const late = now - askedAtMs > permissionMs;
		const full = owed ? owed.replier.gone : session.carrier.pushable !== 'now';
		if (late || full || !session.settled) {
			session.offerPending = true;
			this.#finish(ticket, 'queue-full');
			// The row says offered by now, so that nobody dispatches it again: the permission that ran out here is asked for anew.
			if (late) this.request(session);
			return;
		}
		const bytes = body.length + (owed?.content.shared ?? []).reduce((sum, part) => sum + part.length, 64);
		if (bytes + instanceUidBytes > this.deps.limits.message.outboundBytesMax) {
			this.#tooLarge(ticket, offer, bytes);
			return;
		}
		this.#record(ticket, offer, ticket.envelope ?? own);
		if (!ticket.envelope) this.deps.meters.dispatch.ampora_dispatch_local_total.inc();
		const frame = owed ? offerAnswer(owed, body) : withUid(session.uid, body);
		ticket.owed = null;
		if (owed) owed.replier.reply(frame);
		else session.carrier.push(frame);
		this.#finish(ticket, 'offered');
	}

	#record({ session, owed }: Ticket, offer: Offer, envelope: Envelope): void {
		const before = session.sent;
		const again = before !== null && Buffer.compare(before.hash, offer.offeredHash) === 0;
		const traceparent = offer.traceparent ?? envelope.traceparent;
		const traced = traceparent !== null && envelope.spansLeft-- > 0;
		before?.span?.end();
		session.sent = {
			hash: offer.offeredHash,
			seq: offer.seq,
			sentAtMs: this.deps.clock.monotonicMs(),
			repeats: again ? before.repeats + 1 : 0,
			acknowledged: false,
			crossing: before && !again && !before.acknowledged ? before.hash : null,
			answered: owed?.poll ?? null,
			traceparent,
			span: traced ? this.#applySpan(session, offer.seq, traceparent, this.deps.clock.nowMs()) : null,
		};
	}

	#applySpan({ agentId, uid }: AgentSession, assignment_seq: number, parent: string | null, startMs: number) {
		const attributes = { agent_id: agentId, instance_uid: uid, assignment_seq };
		return this.deps.tracer.startSpan('agent.apply', { parent, startMs, attributes });
	}

	/** Not tried again for this hash: it would be as large the next time. */
	#tooLarge(ticket: Ticket, offer: Offer, bytes: number): void {
		this.#record(ticket, offer, { traceparent: null, spansLeft: 0 });
		const { owed } = ticket;
		if (owed && ticket.session.carrier.transport === 'http') {
			ticket.owed = null;
			owed.replier.refuse(owed.uid, 'internal', 'the configuration is larger than a response may be');
		}
		this.#undeliverable(ticket, offer, `an offer of ${bytes} bytes is larger than outboundBytesMax`);
	}

	#undeliverable(ticket: Ticket, { versionId, seq }: Offer, reason: string): void {
		this.deps.meters.opamp.ampora_opamp_frames_rejected_total.inc({ reason: 'offer-undeliverable' });
		const fields = { agent_id: ticket.session.agentId, version_id: versionId, assignment_seq: seq, reason };
		this.deps.log.error('an offer cannot be sent', fields);
		this.#finish(ticket, 'nothing-to-offer');
	}

	/** Answers whoever waits: the agent its message, the dispatcher its envelope. Idempotent. */
	#finish(ticket: Ticket, outcome: DeliveryOutcome): void {
		const { owed } = ticket;
		ticket.owed = null;
		if (owed && !owed.replier.gone) owed.replier.reply(plain(owed));
		for (const resolve of ticket.outcomes.splice(0)) resolve(outcome);
	}

	#failed(tickets: readonly Ticket[], error: unknown): void {
		if (error instanceof StoreUnavailable) this.deps.lease.storeAway(error);
		else this.deps.log.error('offers could not be made', { error, agents: tickets.length });
		for (const ticket of tickets) {
			ticket.session.offerPending = true;
			this.#finish(ticket, 'queue-full');
		}
	}
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const plain = ({ uid, content }: OwedAnswer): Frame => encodeServerToAgent(uid, content);

const offerAnswer = ({ uid, content }: OwedAnswer, body: Uint8Array): Frame =>
	encodeServerToAgent(uid, { ...content, shared: [...(content.shared ?? []), body] });
