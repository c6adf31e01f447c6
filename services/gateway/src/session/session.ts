import { type AgentCapabilities, agentCapabilities, encodeServerToAgent, type InstanceUid } from '@ampora/opamp';
import type { AgentId } from '@ampora/runtime';
import type { ConnectedAgent, CurrentAssignment } from '@ampora/store';
import type { Span } from '@ampora/telemetry';
import type { Unsaved } from '../report/unsaved.js';
import type { Carrier } from './carrier.js';
import type { Inbound } from './inbound.js';

/** Why a session is over, and what is written about it. `superseded`: a newer one exists, so nothing is; `merged`: nor is there a row. */
export type EndReason = 'goodbye' | 'lost' | 'drained' | 'superseded' | 'duplicate' | 'merged';

/** Where a session is in its life; what only one phase needs lives on that phase. */
export type SessionPhase =
	| { readonly kind: 'admitting'; readonly waiting: Inbound[] }
	| { readonly kind: 'live' }
	/** Asked for its full state; nothing is offered until it answered or this time came (monotonic ms). */
	| { readonly kind: 'resyncing'; readonly untilMs: number }
	| { readonly kind: 'renaming'; readonly waiting: Inbound[] }
	| { readonly kind: 'ended'; readonly why: EndReason };

export const live: SessionPhase = { kind: 'live' };

/** What this session last sent, so that no offer is repeated without need (C-71). */
export interface SentOffer {
	readonly hash: Uint8Array;
	readonly seq: number;
	/** Monotonic ms. */
	readonly sentAtMs: number;
	/** How often this very offer was repeated. */
	readonly repeats: number;
	/** The agent reported its hash. */
	acknowledged: boolean;
	/** The offer sent before, while the agent had not answered it: a status with that hash only crosses this one. */
	readonly crossing: Uint8Array | null;
	/** crc32 of the poll it answered: an identical one says that the answer was lost. */
	readonly answered: number | null;
	/** Open until the agent answers; only for a few agents of an envelope. */
	readonly span: Span | null;
	readonly traceparent: string | null;
}

/** A uint64 that agents choose, as a number that is exact here and fits the database. */
export const bounded = (value: bigint): number => Number(value & 0x1f_ffff_ffff_ffffn);

/** One agent on one carrier, from the moment the database gave it an epoch. Ten thousands of these are in memory: flat, no closures. */
export class AgentSession {
	phase: SessionPhase;
	/** The uid it should be using. */
	uid: InstanceUid;
	/** The one it used before a rename; messages in flight still carry it (C-41). */
	formerUid: InstanceUid | null = null;
	/** The answer when there is nothing to say: encoded once. */
	ack: Uint8Array;
	readonly agentId: AgentId;
	readonly epoch: number;
	factSeq = 0;
	/** Of the last message that was accepted; -1: none is known. */
	sequence: number;
	/** crc32 of that message: an identical one is a retry (C-29). */
	fingerprint = -1;
	capabilities: AgentCapabilities;
	/** The first answer told our capabilities (C-32). */
	greeted = false;
	heartbeatOffered = false;
	described: boolean;
	/** Something was omitted that we never heard (C-51). */
	fullStateOwed = false;
	fullStateAskedAtMs = Number.NEGATIVE_INFINITY;

	healthy: boolean | null;
	startTimeNanos: string | null;
	agentType: string | undefined;
	reportedHash: Uint8Array | null;
	reportedStatus: 'unset' | 'applied' | 'applying' | 'failed' | null;
	reportedError = '';
	effectiveHash: Uint8Array | null;
	componentsHash: Uint8Array | null;
	/** Digests of the sub-messages last heard, so that only changed ones are decoded. */
	descriptionDigest = '';
	healthDigest = '';
	effectiveDigest = '';
	statusDigest = '';
	componentsDigest = '';
	/** It is to be asked what its components are. */
	componentsOwed = false;

	/** What the agent should run, as last read. */
	assignment: CurrentAssignment | null = null;
	/** The one before: a late answer still belongs to it. */
	formerAssignment: CurrentAssignment | null = null;
	sent: SentOffer | null = null;
	/** An offer may be due, and could not be made yet. */
	offerPending = false;
	/** The last judgement of the effective config that was reported, `<seq>:<verdict>`. */
	matched = '';

	/** What the database does not know yet, beside what is being written to it now. */
	unsaved: Unsaved | null = null;
	saving = false;
	lastHeardMs: number;
	/** Frames it may still send at once, as of `allowanceAtMs`. */
	allowance: number;
	allowanceAtMs: number;

	constructor(
		readonly carrier: Carrier,
		connected: ConnectedAgent,
		waiting: Inbound[],
		nowMs: number,
		frameBurst: number,
	) {
		this.phase = { kind: 'admitting', waiting };
		this.agentId = connected.agentId;
		this.epoch = connected.sessionEpoch;
		this.uid = connected.instanceUid as InstanceUid;
		this.ack = encodeServerToAgent(this.uid);
		this.sequence = connected.sequenceNum ?? -1;
		this.capabilities = agentCapabilities(connected.capabilities);
		this.described = connected.described;
		this.healthy = connected.healthy;
		this.startTimeNanos = connected.startTimeNanos;
		// A status that named no hash is kept as empty bytes: it is no other configuration the agent went back to.
		this.reportedHash = connected.reportedHash?.length ? connected.reportedHash : null;
		this.reportedStatus = connected.reportedStatus;
		this.effectiveHash = connected.effectiveHash;
		this.componentsHash = connected.componentsHash;
		this.lastHeardMs = nowMs;
		this.allowance = frameBurst;
		this.allowanceAtMs = nowMs;
	}

	get ended(): boolean {
		return this.phase.kind === 'ended';
	}

	/** May be offered something: admitted, and in step with us. */
	get settled(): boolean {
		return this.phase.kind === 'live';
	}

	rename(uid: InstanceUid): void {
		this.formerUid = this.uid;
		this.uid = uid;
		this.ack = encodeServerToAgent(uid);
	}

	/** Its process began anew: what it was offered or reported before says nothing about it now. */
	restart(): void {
		this.sent = null;
		this.reportedHash = null;
		this.reportedStatus = null;
		this.statusDigest = '';
	}
}
