import type { AgentId, GatewayId, RolloutId } from '@ampora/runtime';

/** A gateway's statement that it holds an agent's session. Of two claims for one agent the larger epoch is right. */
export interface OwnershipClaim {
	readonly agentId: AgentId;
	readonly gateway: GatewayId;
	readonly sessionEpoch: number;
}

export type ClaimOutcome =
	/** Nobody held it, or this gateway already did. */
	| { readonly kind: 'acquired' }
	/** Taken from an older session; its gateway has to be told. */
	| { readonly kind: 'stolen'; readonly from: OwnershipClaim }
	/** A newer session exists elsewhere: close this one. */
	| { readonly kind: 'lost'; readonly to: OwnershipClaim };

/**
 * Which gateway holds which agent, for routing only: losing all of it costs time, never state (D5). A missing entry means
 * "unknown route", never "disconnected". Calls are batched, idempotent, and throw `DirectoryUnavailable` when the store is away.
 * Entries outlive their gateway: readers check the gateway against its liveness in Postgres.
 */
export interface OwnershipDirectory {
	/** One atomic compare per agent: a claim with an older epoch changes nothing. Outcomes are in the order of the claims. */
	claimAgents(claims: readonly OwnershipClaim[]): Promise<readonly ClaimOutcome[]>;
	/** Removes an entry only if gateway and epoch are still the claim's (D4). */
	releaseAgents(claims: readonly OwnershipClaim[]): Promise<void>;
	lookupOwners(agentIds: readonly AgentId[]): Promise<ReadonlyMap<AgentId, OwnershipClaim>>;
	/** False when the directory was emptied since it was last called by this gateway: all sessions have to be claimed again. Sets the sentinel. */
	checkSentinel(gateway: GatewayId): Promise<boolean>;
	close(): Promise<void>;
}

/** Why a gateway did or did not write the offer to the socket. */
export type DeliveryOutcome = 'offered' | 'not-mine' | 'not-capable' | 'queue-full' | 'nothing-to-offer';

/** "Look at the assignment rows of these agents." Carries no config: the gateway reads what is wanted now, not what was wanted when this was sent. */
export interface DispatchEnvelope {
	readonly agentIds: readonly AgentId[];
	readonly cause: 'rollout' | 'redelivery';
	/** ms since 1970 on the sender's clock; for the age histogram only. */
	readonly publishedAtMs: number;
	readonly traceparent: string | null;
}

/** One outcome per agent, in the envelope's order. `lost`: no reply in time; nothing is known. */
export type DispatchReply =
	| { readonly kind: 'answered'; readonly outcomes: readonly DeliveryOutcome[] }
	| { readonly kind: 'lost' };

export interface Eviction {
	readonly agentId: AgentId;
	/** The session to close; a newer one of the same agent stays. */
	readonly sessionEpoch: number;
}

/** "Something about these rollouts changed": makes a look happen sooner, and may be lost. */
export interface Hint {
	readonly rolloutIds: readonly RolloutId[];
}

export interface Subscription {
	stop(): Promise<void>;
}

/**
 * Transport between processes. At most once, unordered, bounded: every message may be lost, and nothing depends on its arrival (D5).
 * Handlers run concurrently; a handler that throws is logged by the adapter and answered with nothing.
 */
export interface Backplane {
	/** At most `dispatchChunkMax` agents. Resolves within `timeoutMs` in any case. */
	dispatch(gateway: GatewayId, envelope: DispatchEnvelope, timeoutMs: number): Promise<DispatchReply>;
	serveDispatch(
		gateway: GatewayId,
		handler: (envelope: DispatchEnvelope) => Promise<readonly DeliveryOutcome[]>,
	): Promise<Subscription>;
	evict(gateway: GatewayId, evictions: readonly Eviction[]): Promise<void>;
	serveEvictions(gateway: GatewayId, handler: (evictions: readonly Eviction[]) => void): Promise<Subscription>;
	publishHint(hint: Hint): Promise<void>;
	serveHints(handler: (hint: Hint) => void): Promise<Subscription>;
	/** Is the transport connected at this moment. */
	healthy(): boolean;
	close(): Promise<void>;
}

/** Agents in one envelope at most. */
export const dispatchChunkMax = 1_000;
export const dispatchTimeoutMs = 2_000;
