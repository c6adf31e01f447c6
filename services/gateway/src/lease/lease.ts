import type { GatewayId } from '@ampora/runtime';
import type { GatewayLease } from '@ampora/store';

/** The gateway's row, as last renewed, and what the last calls say about the database. */
export interface Lease {
	readonly current: GatewayLease;
	/** False before the first renewal, after the row lapsed, and while the database is away. */
	readonly usable: boolean;
	storeAnswered(): void;
	storeAway(error: unknown): void;
}

export const leaseOf = (gateway: GatewayId, incarnation: number, ttlMs: number): GatewayLease => ({
	gateway,
	incarnation,
	ttlMs,
});
