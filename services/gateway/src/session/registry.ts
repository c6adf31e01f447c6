import type { OwnershipClaim } from '@ampora/dispatch';
import type { InstanceUid } from '@ampora/opamp';
import type { AgentId, GatewayId } from '@ampora/runtime';
import type { Logger } from '@ampora/telemetry';
import type { Flusher } from '../report/flusher.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import type { AgentSession, EndReason } from './session.js';

export interface SessionsDeps {
	readonly gateway: GatewayId;
	readonly flusher: Flusher;
	readonly meters: GatewayMeters;
	readonly log: Logger;
	/** Takes the entry of an ended session out of the directory. */
	readonly release: (claim: OwnershipClaim) => void;
}

const normalClosure = 1000;
const comeAgain = 1012;

/** All sessions of this gateway. `end` is the only way out. */
export class Sessions {
	readonly #byAgent = new Map<AgentId, AgentSession>();
	readonly #byUid = new Map<InstanceUid, AgentSession>();
	/** Ended ones whose last facts may not be saved yet. */
	readonly #leaving = new Map<InstanceUid, AgentSession>();
	/** Those asked for their full state; looked through every second. */
	readonly resyncing = new Set<AgentSession>();

	constructor(private readonly deps: SessionsDeps) {}

	get size(): number {
		return this.#byAgent.size;
	}

	of(agentId: AgentId): AgentSession | undefined {
		return this.#byAgent.get(agentId);
	}

	withUid(uid: InstanceUid): AgentSession | undefined {
		return this.#byUid.get(uid);
	}

	/** The session that last used this uid, while what it said is not all saved. */
	leaving(uid: InstanceUid): AgentSession | undefined {
		const session = this.#leaving.get(uid);
		return session && !this.deps.flusher.isSaved(session) ? session : undefined;
	}

	/** Now and then: forgets ended sessions that have nothing left to save. */
	sweep(): void {
		for (const [uid, session] of this.#leaving) if (this.deps.flusher.isSaved(session)) this.#leaving.delete(uid);
	}

	all(): IterableIterator<AgentSession> {
		return this.#byAgent.values();
	}

	/** A session of the same agent that is still here is superseded by it. */
	add(session: AgentSession): void {
		const older = this.#byAgent.get(session.agentId);
		if (older) this.supersede(older);
		this.#byAgent.set(session.agentId, session);
		this.#byUid.set(session.uid, session);
		this.deps.meters.opamp.ampora_opamp_active_sessions.inc({ transport: session.carrier.transport });
		this.deps.log.debug('a session began', idsOf(session));
	}

	/** A newer session of this agent exists, here or elsewhere. */
	supersede(session: AgentSession): void {
		if (session.ended) return;
		this.end(session, 'superseded');
		session.carrier.closeIfUnused(normalClosure, 'replaced by a newer connection');
	}

	/** This agent is an older one that came back: it has to come again, as that one. */
	merge(session: AgentSession): void {
		this.deps.log.info('an agent turned out to be one that was here before', idsOf(session));
		this.end(session, 'merged');
		session.carrier.closeIfUnused(comeAgain, 'known by its identity attributes: connect again');
	}

	renamed(session: AgentSession): void {
		if (session.formerUid && this.#byUid.get(session.formerUid) === session) this.#byUid.delete(session.formerUid);
		this.#byUid.set(session.uid, session);
	}

	/** Ends a session, for whatever reason, once: what it waited for is refused, what is known of its end is saved, its place is given up. */
	end(session: AgentSession, why: EndReason): void {
		const { phase } = session;
		if (phase.kind === 'ended') return;
		session.phase = { kind: 'ended', why };
		const waiting = phase.kind === 'admitting' || phase.kind === 'renaming' ? phase.waiting : [];
		for (const { message, replier } of waiting)
			if (!replier.gone) replier.refuse(message.instanceUid, 'overloaded', 'the session ended; send it again');
		this.resyncing.delete(session);
		session.sent?.span?.end();
		if (this.#byAgent.get(session.agentId) === session) {
			this.#byAgent.delete(session.agentId);
			this.deps.meters.opamp.ampora_opamp_active_sessions.dec({ transport: session.carrier.transport });
		}
		this.deps.log.debug('a session ended', { ...idsOf(session), reason: why });
		if (this.#byUid.get(session.uid) === session) this.#byUid.delete(session.uid);
		session.carrier.forget(session.uid);
		if (session.formerUid) session.carrier.forget(session.formerUid);
		this.#leaving.set(session.uid, session);
		if (why === 'superseded') return;
		if (why !== 'merged') this.deps.flusher.unsaved(session).disconnected = why === 'duplicate' ? 'lost' : why;
		this.deps.release({ agentId: session.agentId, gateway: this.deps.gateway, sessionEpoch: session.epoch });
	}
}

const idsOf = ({ agentId, uid, epoch, carrier }: AgentSession) => ({
	agent_id: agentId,
	instance_uid: uid,
	session_epoch: epoch,
	transport: carrier.transport,
	remote_address: carrier.remoteAddress,
});
