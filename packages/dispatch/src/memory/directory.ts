import type { AgentId, GatewayId } from '@ampora/runtime';
import { DirectoryUnavailable } from '../errors.js';
import type { ClaimOutcome, OwnershipClaim, OwnershipDirectory } from '../ports.js';

/** The directory of a single process, and of the simulator. */
export interface MemoryDirectory extends OwnershipDirectory {
	/** Forgets everything, as a flushed Redis does. */
	flush(): void;
	/** While true every call throws `DirectoryUnavailable`. */
	setAway(away: boolean): void;
	/** What is known of one agent now. */
	entry(agentId: AgentId): OwnershipClaim | undefined;
}

/** Safety checks that a test leaves out to see that somebody notices. */
export interface DirectoryFlaws {
	/** Release the entry of a newer session too (D4). */
	readonly ignoreReleaseEpoch?: boolean;
}

export function createMemoryDirectory(flaws: DirectoryFlaws = {}): MemoryDirectory {
	const entries = new Map<AgentId, OwnershipClaim>();
	const sentinels = new Set<GatewayId>();
	let away = false;
	const reachable = () => {
		if (away) throw new DirectoryUnavailable('away');
	};
	return {
		async claimAgents(claims) {
			reachable();
			return claims.map((claim) => claimOne(entries, claim));
		},
		async releaseAgents(claims) {
			reachable();
			for (const claim of claims) {
				if (flaws.ignoreReleaseEpoch || isSame(entries.get(claim.agentId), claim)) entries.delete(claim.agentId);
			}
		},
		async lookupOwners(agentIds) {
			reachable();
			const found = new Map<AgentId, OwnershipClaim>();
			for (const agentId of agentIds) {
				const held = entries.get(agentId);
				if (held) found.set(agentId, held);
			}
			return found;
		},
		async checkSentinel(gateway) {
			reachable();
			const present = sentinels.has(gateway);
			sentinels.add(gateway);
			return present;
		},
		async close() {},
		flush() {
			entries.clear();
			sentinels.clear();
		},
		setAway(value) {
			away = value;
		},
		entry: (agentId) => entries.get(agentId),
	};
}

const isSame = (held: OwnershipClaim | undefined, claim: OwnershipClaim): boolean =>
	held?.gateway === claim.gateway && held.sessionEpoch === claim.sessionEpoch;

function claimOne(entries: Map<AgentId, OwnershipClaim>, claim: OwnershipClaim): ClaimOutcome {
	const held = entries.get(claim.agentId);
	if (held && held.sessionEpoch > claim.sessionEpoch) return { kind: 'lost', to: held };
	entries.set(claim.agentId, claim);
	return held && held.gateway !== claim.gateway && held.sessionEpoch < claim.sessionEpoch
		? { kind: 'stolen', from: held }
		: { kind: 'acquired' };
}
