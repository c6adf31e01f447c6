import {
	encodeServerToAgent,
	type InstanceUid,
	parseUid,
	type ServerCapabilities,
	type ServerContent,
	serverCapabilitiesOf,
} from '@ampora/opamp';
import { type Clock, newId } from '@ampora/runtime';
import { type GatewayStore, StoreUnavailable } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import type { Catalogues } from '../components/catalogues.js';
import type { EffectiveJudge } from '../effective/judge.js';
import type { GatewayLimits } from '../limits.js';
import type { OfferDesk } from '../offer/desk.js';
import { offerDue } from '../offer/due.js';
import { judgeStatus, withAnswer } from '../report/answers.js';
import type { Flusher } from '../report/flusher.js';
import { type ChangedParts, changedParts, fold } from '../report/fold.js';
import { raiseAnswer } from '../report/unsaved.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import type { HeartbeatOffers } from './heartbeat_offer.js';
import type { Inbound } from './inbound.js';
import type { Sessions } from './registry.js';
import { type Standing, standingOf } from './sequence.js';
import { type AgentSession, bounded, live } from './session.js';

export interface ExchangeDeps {
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly sessions: Sessions;
	readonly flusher: Flusher;
	readonly desk: OfferDesk;
	readonly judge: EffectiveJudge;
	readonly heartbeats: HeartbeatOffers;
	readonly catalogues: Pick<Catalogues, 'consider' | 'received'>;
	readonly meters: GatewayMeters;
	readonly store: Pick<GatewayStore, 'renameAgent'>;
	readonly log: Logger;
}

/** How long the full state is waited for, and the least time between two demands for it. */
const fullStateWaitMs = 10_000;
const fullStateIntervalMs = 1_000;

const digestsOf = ({
	descriptionDigest,
	healthDigest,
	effectiveDigest,
	statusDigest,
	componentsDigest,
}: AgentSession) => ({
	descriptionDigest,
	healthDigest,
	effectiveDigest,
	statusDigest,
	componentsDigest,
});

type Content = { -readonly [Name in keyof ServerContent]: ServerContent[Name] };

/** One message in, one answer out: what the agent said is folded into what is to be saved, and the answer carries what it is owed. */
export class Exchange {
	readonly #capabilities: ServerCapabilities;

	constructor(private readonly deps: ExchangeDeps) {
		this.#capabilities = deps.heartbeats.enabled
			? serverCapabilitiesOf(
					'AcceptsStatus',
					'OffersRemoteConfig',
					'AcceptsEffectiveConfig',
					'OffersConnectionSettings',
				)
			: serverCapabilitiesOf('AcceptsStatus', 'OffersRemoteConfig', 'AcceptsEffectiveConfig');
	}

	handle(session: AgentSession, inbound: Inbound): void {
		const { phase } = session;
		if (phase.kind === 'ended') {
			this.#refuse(inbound, 'overloaded', 'the session ended; send it again');
			return;
		}
		if (phase.kind === 'admitting' || phase.kind === 'renaming') {
			this.#wait(phase.waiting, inbound);
			return;
		}
		const now = this.deps.clock.monotonicMs();
		session.lastHeardMs = now;
		if (!this.#mayTalk(session, now)) {
			this.#refuse(inbound, 'overloaded', `at most ${this.deps.limits.framesPerSecondMax} messages a second`);
			return;
		}
		const standing = standingOf(session, inbound.message, inbound.fingerprint);
		// After a restart the last status counts for nothing, so an equal one is news.
		const known = standing === 'restart' ? { ...digestsOf(session), statusDigest: '' } : session;
		const changed = changedParts(known, inbound.message, this.deps.limits);
		if (!changed.ok) {
			this.#refuse(inbound, changed.error.code, changed.error.message);
			return;
		}
		this.#take(session, inbound, standing, changed.value);
		this.#answer(session, inbound, standing, now);
	}

	/** Answers a message that is not for this gateway to take in. */
	acknowledge({ message, replier }: Inbound): void {
		replier.reply(encodeServerToAgent(message.instanceUid, { capabilities: this.#capabilities }));
	}

	/** Called when nothing more is to be waited for, and a session may be offered what is due. */
	settle(session: AgentSession): void {
		session.phase = live;
		if (session.offerPending || offerDue(session, this.deps.clock.monotonicMs(), null) !== 'no')
			this.deps.desk.request(session);
	}

	/** Raises answers that follow from what is known: after a report, and after the wanted state was read anew. */
	judge(session: AgentSession): void {
		const judgement = judgeStatus(session);
		if (!judgement) return;
		const now = this.deps.clock.monotonicMs();
		withAnswer(session, judgement);
		raiseAnswer(this.deps.flusher.unsaved(session), { ...judgement, heardAtMs: now });
		this.deps.desk.answered(session, judgement.seq, judgement.answer, judgement.error);
	}

	#wait(waiting: Inbound[], inbound: Inbound): void {
		if (waiting.length < this.deps.limits.waitingFramesMax) waiting.push(inbound);
		else this.#refuse(inbound, 'overloaded', 'too many messages before the first was answered');
	}

	#refuse({ message, replier }: Inbound, code: Parameters<Inbound['replier']['refuse']>[1], text: string): void {
		this.deps.meters.opamp.ampora_opamp_frames_rejected_total.inc({ reason: code });
		replier.refuse(message.instanceUid, code, text);
	}

	/** A bucket of frames per agent, refilled as time passes: no timer. */
	#mayTalk(session: AgentSession, now: number): boolean {
		const { frameBurstMax, framesPerSecondMax } = this.deps.limits;
		const refilled = session.allowance + ((now - session.allowanceAtMs) / 1000) * framesPerSecondMax;
		session.allowance = Math.min(frameBurstMax, refilled);
		session.allowanceAtMs = now;
		if (session.allowance < 1) return false;
		session.allowance -= 1;
		return true;
	}

	#take(session: AgentSession, inbound: Inbound, standing: Standing, changed: ChangedParts): void {
		const { message, fingerprint } = inbound;
		if (standing === 'restart') session.restart();
		session.sequence = bounded(message.sequenceNum);
		session.fingerprint = fingerprint;
		this.#foldCapabilities(session, inbound);
		if (Object.keys(changed).length > 0) fold(session, this.deps.flusher.unsaved(session), changed, this.deps.limits);
		this.#followComponents(session, changed);
		this.#followFullState(session, message.parts.agentDescription !== undefined, standing);
		if (message.parts.remoteConfigStatus) {
			this.#acknowledge(session);
			this.judge(session);
		}
		const effective = message.parts.effectiveConfig;
		if (effective) this.deps.judge.effectiveReported(session, effective);
	}

	/** Who it is or what it has may be new, or nobody asked before. */
	#followComponents(session: AgentSession, { components, description }: ChangedParts): void {
		if (components && components.value.components.size > 0) this.deps.catalogues.received(session, components.value);
		else if (components || description || !session.greeted) this.deps.catalogues.consider(session);
	}

	#foldCapabilities(session: AgentSession, { message }: Inbound): void {
		const { word } = message.capabilities;
		if (word === 0n || word === session.capabilities.word) return;
		session.capabilities = message.capabilities;
		this.deps.flusher.unsaved(session).capabilities = BigInt(bounded(word));
	}

	#acknowledge({ sent, reportedHash }: AgentSession): void {
		if (sent && reportedHash && Buffer.compare(sent.hash, reportedHash) === 0) sent.acknowledged = true;
	}

	#followFullState(session: AgentSession, describes: boolean, standing: Standing): void {
		if (standing === 'gap' || !session.described) session.fullStateOwed = true;
		const told = standing === 'restart' || standing === 'complete' || (session.phase.kind === 'resyncing' && describes);
		if (!told) return;
		session.fullStateOwed = false;
		if (session.phase.kind === 'resyncing') session.phase = live;
	}

	/** At most one demand is open, and they are rare: a full state may leave parts out, and must not be asked for in a loop. */
	#askFullState(session: AgentSession, now: number): boolean {
		if (!session.fullStateOwed || now - session.fullStateAskedAtMs < fullStateIntervalMs) return false;
		if (session.phase.kind === 'resyncing' && now < session.phase.untilMs) return false;
		session.fullStateAskedAtMs = now;
		session.phase = { kind: 'resyncing', untilMs: now + fullStateWaitMs };
		this.deps.sessions.resyncing.add(session);
		return true;
	}

	#answer(session: AgentSession, inbound: Inbound, standing: Standing, now: number): void {
		const { message, replier } = inbound;
		if (message.disconnect) {
			this.#goodbye(session, inbound);
			return;
		}
		const uid = message.instanceUid;
		if (message.requestsInstanceUid && uid === session.uid) return void this.#rename(session, inbound, standing);
		const content = this.#content(session, uid, standing, now);
		const poll = session.carrier.transport === 'http' ? inbound.fingerprint : null;
		if (this.#wantsOffer(session, inbound, poll, now)) {
			this.deps.desk.answerWithOffer(session, { uid, content: content ?? {}, replier, poll });
			return;
		}
		replier.reply(content || uid !== session.uid ? encodeServerToAgent(uid, content ?? {}) : session.ack);
	}

	/**
	 * What this session never sent is due with any message: whatever kept it back may be over, a pause above all. To send it once more, a
	 * status has to ask for it, or a poll, which is the only time there is.
	 */
	#wantsOffer(session: AgentSession, { message }: Inbound, poll: number | null, now: number): boolean {
		if (!session.settled || !session.capabilities.has('AcceptsRemoteConfig')) return false;
		if (session.offerPending) return true;
		const due = offerDue(session, now, poll);
		return due === 'first' || (due === 'repeat' && (poll !== null || message.parts.remoteConfigStatus !== undefined));
	}

	#content(session: AgentSession, uid: InstanceUid, standing: Standing, now: number): ServerContent | null {
		const content: Content = {};
		if (!session.greeted || session.carrier.transport === 'http') content.capabilities = this.#capabilities;
		session.greeted = true;
		if (uid !== session.uid) content.newInstanceUid = session.uid;
		if (standing !== 'repeat' && this.#askFullState(session, now)) content.reportFullState = true;
		if (session.componentsOwed) content.reportAvailableComponents = true;
		session.componentsOwed = false;
		const heartbeat = this.deps.heartbeats.offerFor(session);
		if (heartbeat) content.shared = [heartbeat];
		return Object.keys(content).length > 0 ? content : null;
	}

	/** The new name is in the database before the agent learns it, or its record would be lost at the next connect. */
	async #rename(session: AgentSession, inbound: Inbound, standing: Standing): Promise<void> {
		const before = session.phase;
		const waiting: Inbound[] = [];
		session.phase = { kind: 'renaming', waiting };
		const uid = parseUid(newId()) ?? session.uid;
		try {
			await this.deps.store.renameAgent(session.agentId, session.epoch, uid);
			if (session.ended) return;
			session.rename(uid);
			this.deps.sessions.renamed(session);
			session.carrier.alias(uid, session);
			session.phase = before;
			this.#answer(session, inbound, standing, this.deps.clock.monotonicMs());
		} catch (error) {
			if (session.ended) return;
			session.phase = before;
			this.deps.log.warn('an agent could not be renamed', { agent_id: session.agentId, error });
			this.#refuse(
				inbound,
				error instanceof StoreUnavailable ? 'overloaded' : 'internal',
				'no instance_uid could be given',
			);
		}
		for (const next of waiting.splice(0)) this.handle(session, next);
	}

	#goodbye(session: AgentSession, { message, replier }: Inbound): void {
		replier.reply(
			encodeServerToAgent(message.instanceUid, session.greeted ? {} : { capabilities: this.#capabilities }),
		);
		this.deps.sessions.end(session, 'goodbye');
	}
}
