import type { AgentId, GatewayId } from '@ampora/runtime';
import type { OwnershipClaim } from './ports.js';
import { dispatchChunkMax } from './ports.js';

/** Why an agent cannot be reached now: label `reason` of `ampora_dispatch_no_session_total`. */
export type NoSession = 'offline' | 'owner_unknown' | 'owner_dead';

/** What Postgres says about one agent's session. */
export interface SessionFacts {
	readonly agentId: AgentId;
	readonly gateway: GatewayId | null;
	readonly gatewayLive: boolean;
	readonly sessionEpoch: number;
}

export interface RoutingPlan {
	/** One entry per envelope: a gateway and at most `dispatchChunkMax` of its agents. */
	readonly envelopes: readonly { readonly gateway: GatewayId; readonly agentIds: readonly AgentId[] }[];
	readonly unreachable: readonly { readonly agentId: AgentId; readonly reason: NoSession }[];
}

/**
 * Decides which gateway each agent's dispatch goes to. The directory is asked first because it is fast; Postgres decides where
 * the directory is silent or older, and says of the rest why they cannot be reached.
 */
export function planRoutes(
	agentIds: readonly AgentId[],
	owners: ReadonlyMap<AgentId, OwnershipClaim>,
	sessions: ReadonlyMap<AgentId, SessionFacts>,
): RoutingPlan {
	const byGateway = new Map<GatewayId, AgentId[]>();
	const unreachable: { agentId: AgentId; reason: NoSession }[] = [];
	for (const agentId of agentIds) {
		const route = routeOf(owners.get(agentId), sessions.get(agentId));
		if (typeof route === 'object') {
			const agents = byGateway.get(route.gateway);
			if (agents) agents.push(agentId);
			else byGateway.set(route.gateway, [agentId]);
		} else unreachable.push({ agentId, reason: route });
	}
	const envelopes = [...byGateway].flatMap(([gateway, agents]) =>
		chunks(agents, dispatchChunkMax).map((chunk) => ({ gateway, agentIds: chunk })),
	);
	return { envelopes, unreachable };
}

function routeOf(
	owner: OwnershipClaim | undefined,
	session: SessionFacts | undefined,
): { gateway: GatewayId } | NoSession {
	if (session === undefined) return owner === undefined ? 'owner_unknown' : { gateway: owner.gateway };
	if (session.gateway === null) return 'offline';
	if (owner !== undefined && owner.sessionEpoch > session.sessionEpoch) return { gateway: owner.gateway };
	return session.gatewayLive ? { gateway: session.gateway } : 'owner_dead';
}

function chunks<T>(items: readonly T[], size: number): T[][] {
	const result: T[][] = [];
	for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
	return result;
}
