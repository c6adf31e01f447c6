import type { Frame, InstanceUid } from '@ampora/opamp';
import type { Applicant } from '../admission/applicant.js';
import type { Carrier } from '../session/carrier.js';
import { AgentSession } from '../session/session.js';
import type { Rider } from '../socket/agent_socket.js';

/** A poller is given up after so many of its own intervals without a poll, and not before this time. */
const intervalsMax = 3;
const silentMsMin = 90_000;
/** Polls closer together than this are pushes of something new, not the agent's rhythm, ms. */
const rhythmMsMin = 1_000;

/** The polls of one agent. Nothing can be sent to it, only answered (C-08). */
export class Poller implements Carrier {
	readonly transport = 'http';
	readonly pushable = 'polls';
	intervalMs = 0;
	lastPollMs: number;

	constructor(
		private readonly pollers: Pollers,
		readonly remoteAddress: string,
		readonly authorization: string | null,
		nowMs: number,
	) {
		this.lastPollMs = nowMs;
	}

	polled(nowMs: number): void {
		const gapMs = nowMs - this.lastPollMs;
		this.lastPollMs = nowMs;
		if (gapMs >= rhythmMsMin) this.intervalMs = gapMs;
	}

	silentMsMax(): number {
		return Math.max(silentMsMin, intervalsMax * this.intervalMs);
	}

	push(_frame: Frame): void {}

	forget(uid: InstanceUid): void {
		this.pollers.forget(uid, this);
	}

	alias(uid: InstanceUid, session: AgentSession): void {
		this.pollers.seat(uid, session);
	}

	closeIfUnused(): void {}
}

/** Agents that poll, by uid: their state belongs to the uid, never to the connection (C-10). */
export class Pollers {
	readonly #riders = new Map<InstanceUid, Rider>();

	get size(): number {
		return this.#riders.size;
	}

	rider(uid: InstanceUid): Rider | undefined {
		return this.#riders.get(uid);
	}

	seat(uid: InstanceUid, rider: AgentSession | Applicant): void {
		this.#riders.set(uid, rider);
	}

	forget(uid: InstanceUid, carrier: Carrier): void {
		if (this.#riders.get(uid)?.carrier === carrier) this.#riders.delete(uid);
	}

	/** Sessions whose agent has not polled for too long. */
	*silent(nowMs: number): Generator<AgentSession> {
		for (const rider of this.#riders.values()) {
			const { carrier } = rider;
			if (!(rider instanceof AgentSession) || !(carrier instanceof Poller)) continue;
			if (nowMs - carrier.lastPollMs >= carrier.silentMsMax()) yield rider;
		}
	}
}
