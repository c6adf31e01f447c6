import { type InstanceUid, type RefusalCode, type ScannedMessage, scanAgentToServer, unframe } from '@ampora/opamp';
import type { Clock } from '@ampora/runtime';
import { type Admission, tryAgainLater } from '../admission/admission.js';
import { Applicant } from '../admission/applicant.js';
import type { Credential } from '../endpoint/enrollment.js';
import type { HttpReply } from '../endpoint/http_reply.js';
import { Poller, type Pollers } from '../endpoint/pollers.js';
import type { Lease } from '../lease/lease.js';
import type { GatewayLimits } from '../limits.js';
import type { AgentSocket, Rider } from '../socket/agent_socket.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import type { Replier } from './carrier.js';
import type { Exchange } from './exchange.js';
import { inboundOf } from './inbound.js';
import { AgentSession } from './session.js';

export interface IntakeDeps {
	readonly admission: Admission;
	readonly exchange: Exchange;
	readonly pollers: Pollers;
	readonly lease: Lease;
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly meters: GatewayMeters;
}

const noUid = '00000000-0000-0000-0000-000000000000' as InstanceUid;

/** Bytes from outside to messages of agents: finds whose they are, or begins an admission. */
export class Intake {
	constructor(private readonly deps: IntakeDeps) {}

	frame(socket: AgentSocket, data: Uint8Array): void {
		const body = unframe(data);
		if (!body.ok) {
			this.#reject(socket, socket.likelyUid, body.error.code, body.error.message);
			return;
		}
		const scanned = scanAgentToServer(body.value, this.deps.limits.message);
		if (!scanned.ok) {
			this.#reject(socket, socket.likelyUid, scanned.error.code, scanned.error.message);
			return;
		}
		const message = scanned.value;
		this.#count(message);
		const rider = socket.rider(message.instanceUid);
		if (rider) {
			this.#toRider(rider, message, body.value, socket);
			return;
		}
		if (socket.ridersCount >= this.deps.limits.agentsPerSocketMax) {
			this.#reject(socket, message.instanceUid, 'overloaded', 'too many agents on one connection');
			return;
		}
		const applicant = new Applicant(message.instanceUid, socket, [inboundOf(message, body.value, socket)]);
		socket.seat(message.instanceUid, applicant);
		this.#apply(applicant, socket);
	}

	poll(body: Uint8Array, reply: HttpReply, remoteAddress: string, { header }: Credential): void {
		const scanned = scanAgentToServer(body, this.deps.limits.message);
		if (!scanned.ok) {
			this.#reject(reply, noUid, scanned.error.code, scanned.error.message);
			return;
		}
		const message = scanned.value;
		this.#count(message);
		const now = this.deps.clock.monotonicMs();
		const rider = this.deps.pollers.rider(message.instanceUid);
		if (rider) {
			if (rider.carrier instanceof Poller) rider.carrier.polled(now);
			this.#toRider(rider, message, body, reply);
		} else {
			if (!this.deps.lease.usable || this.deps.pollers.size >= this.deps.limits.pollersMax) {
				this.#reject(reply, message.instanceUid, 'overloaded', 'no new sessions now');
				return;
			}
			const poller = new Poller(this.deps.pollers, remoteAddress, header, now);
			const applicant = new Applicant(message.instanceUid, poller, [inboundOf(message, body, reply)]);
			this.deps.pollers.seat(message.instanceUid, applicant);
			this.#apply(applicant, reply);
		}
		reply.expect(message.instanceUid);
	}

	/** Puts a session where the messages of its uid, and of the one it used before, are looked for. */
	seat({ uid, carrier }: Applicant, session: AgentSession): void {
		carrier.alias(uid, session);
		if (session.uid !== uid) carrier.alias(session.uid, session);
	}

	#toRider(rider: Rider, message: ScannedMessage, bytes: Uint8Array, replier: Replier): void {
		const inbound = inboundOf(message, bytes, replier);
		if (rider instanceof AgentSession) {
			this.deps.exchange.handle(rider, inbound);
			return;
		}
		if (rider.waiting.length < this.deps.limits.waitingFramesMax) rider.waiting.push(inbound);
		else this.#reject(replier, message.instanceUid, 'overloaded', 'too many messages before the first was answered');
	}

	#apply(applicant: Applicant, replier: Replier): void {
		if (this.deps.admission.apply(applicant)) return;
		applicant.carrier.forget(applicant.uid);
		this.#reject(replier, applicant.uid, 'overloaded', 'no new sessions now');
		applicant.carrier.closeIfUnused(tryAgainLater, 'no new sessions now');
	}

	#reject(replier: Replier, uid: InstanceUid, code: RefusalCode, message: string): void {
		const reason = code === 'too-large' ? 'oversize' : code.startsWith('malformed') ? 'malformed' : code;
		this.deps.meters.opamp.ampora_opamp_frames_rejected_total.inc({ reason });
		replier.refuse(uid, code, message);
	}

	#count({ disconnect, parts }: ScannedMessage): void {
		const kind = disconnect ? 'disconnect' : hasAny(parts) ? 'report' : 'heartbeat';
		this.deps.meters.opamp.ampora_opamp_frames_received_total.inc({ kind });
	}
}

function hasAny(parts: object): boolean {
	for (const _ in parts) return true;
	return false;
}
