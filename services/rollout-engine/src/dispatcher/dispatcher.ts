import {
	type Backplane,
	dispatchTimeoutMs,
	type NoSession,
	type OwnershipClaim,
	type OwnershipDirectory,
	planRoutes,
	type SessionFacts,
} from '@ampora/dispatch';
import type { AgentId, Clock, GatewayId } from '@ampora/runtime';
import type { EngineStore } from '@ampora/store';

export interface DispatcherDeps {
	readonly directory: OwnershipDirectory;
	readonly backplane: Backplane;
	readonly store: Pick<EngineStore, 'sessionsOf'>;
	readonly clock: Clock;
	readonly events: DispatcherEvents;
}

export interface DispatcherEvents {
	/** One envelope, before it leaves. Counters count its agents. */
	sent(
		gateway: GatewayId,
		envelope: Pick<Dispatch, 'cause' | 'traceparent'> & { readonly agents: number },
	): SentEnvelope;
	noSession(reason: NoSession, agents: number): void;
	/** No reply: the agents will be dispatched again when their time comes. */
	lost(gateway: GatewayId, agents: number): void;
	directoryAway(error: unknown): void;
}

export interface SentEnvelope {
	/** What the gateway continues. */
	readonly traceparent: string | null;
	ended(how: 'answered' | 'lost'): void;
}

export interface Dispatch {
	readonly agentIds: readonly AgentId[];
	/** A redelivery asks Postgres for every route: the directory's may be why the first one was lost. */
	readonly cause: 'rollout' | 'redelivery';
	readonly traceparent: string | null;
}

/**
 * Tells gateways to look at assignments that were committed. Nothing depends on it arriving: whoever was not offered is dispatched
 * again by the rollout core, and each gateway looks by itself (D5).
 */
export class Dispatcher {
	readonly #underWay = new Set<Promise<void>>();

	constructor(private readonly deps: DispatcherDeps) {}

	/** Starts it and returns: a gateway that answers slowly holds up no tick (D7). */
	start(dispatch: Dispatch): void {
		if (dispatch.agentIds.length === 0) return;
		const run: Promise<void> = this.#dispatch(dispatch).finally(() => this.#underWay.delete(run));
		this.#underWay.add(run);
	}

	/** Resolves when everything started so far has been answered or given up. */
	async idle(): Promise<void> {
		await Promise.all(this.#underWay);
	}

	async #dispatch({ agentIds, cause, traceparent }: Dispatch): Promise<void> {
		const owners = cause === 'redelivery' ? new Map<AgentId, OwnershipClaim>() : await this.#owners(agentIds);
		const sessions = await this.#sessions(agentIds.filter((agentId) => !owners.has(agentId)));
		if (sessions === null) return;
		const plan = planRoutes(agentIds, owners, sessions);
		for (const [reason, agents] of countBy(plan.unreachable.map((entry) => entry.reason)))
			this.deps.events.noSession(reason, agents);
		await Promise.all(
			plan.envelopes.map(async (envelope) => {
				const agents = envelope.agentIds.length;
				const sent = this.deps.events.sent(envelope.gateway, { cause, traceparent, agents });
				const publishedAtMs = this.deps.clock.nowMs();
				const message = { agentIds: envelope.agentIds, cause, publishedAtMs, traceparent: sent.traceparent };
				const reply = await this.deps.backplane.dispatch(envelope.gateway, message, dispatchTimeoutMs);
				sent.ended(reply.kind);
				if (reply.kind === 'lost') this.deps.events.lost(envelope.gateway, envelope.agentIds.length);
			}),
		);
	}

	async #owners(agentIds: readonly AgentId[]): Promise<ReadonlyMap<AgentId, OwnershipClaim>> {
		try {
			return await this.deps.directory.lookupOwners(agentIds);
		} catch (error) {
			this.deps.events.directoryAway(error);
			return new Map();
		}
	}

	/** Null: Postgres is away as well; the redelivery finds it back. */
	async #sessions(agentIds: readonly AgentId[]): Promise<ReadonlyMap<AgentId, SessionFacts> | null> {
		if (agentIds.length === 0) return new Map();
		try {
			const rows = await this.deps.store.sessionsOf(agentIds);
			return new Map(rows.map((row) => [row.agentId, row]));
		} catch (error) {
			this.deps.events.directoryAway(error);
			return null;
		}
	}
}

function countBy<T>(items: readonly T[]): Map<T, number> {
	const counts = new Map<T, number>();
	for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
	return counts;
}
