import type { Clock } from '@ampora/runtime';
import type { EngineStore, LeaderLease, Retention } from '@ampora/store';

export interface RetentionKeeperDeps {
	readonly store: Pick<EngineStore, 'archiveAgents'>;
	/** As it is set now. */
	readonly retention: () => Promise<Retention>;
	readonly clock: Clock;
	readonly events: RetentionEvents;
}

export interface RetentionEvents {
	agentsArchived(agents: number): void;
	storeFailed(error: unknown): void;
}

/** Soon enough where ten minutes are the least that can be set. */
const lookEveryMs = 60_000;
/** Agents archived in one go: a fleet that is gone leaves in steps, between which the rollouts have their turns. */
const archivedMax = 1_000;

/** Archives agents that have been away for long, while this process leads. */
export class RetentionKeeper {
	#looking: Promise<void> | null = null;
	#nextAtMs = 0;

	constructor(private readonly deps: RetentionKeeperDeps) {}

	/** Starts a look when it is time for one, and returns: it holds up no tick (D7). */
	look(lease: LeaderLease): void {
		if (this.#looking !== null || this.deps.clock.monotonicMs() < this.#nextAtMs) return;
		this.#nextAtMs = this.deps.clock.monotonicMs() + lookEveryMs;
		this.#looking = this.#look(lease)
			.catch(this.deps.events.storeFailed)
			.finally(() => {
				this.#looking = null;
			});
	}

	/** Resolves when no look is under way. */
	async idle(): Promise<void> {
		await this.#looking;
	}

	async #look(lease: LeaderLease): Promise<void> {
		const archived = await this.deps.store.archiveAgents(lease, await this.deps.retention(), archivedMax);
		if (archived > 0) this.deps.events.agentsArchived(archived);
		// There may be more: the next tick goes on.
		if (archived === archivedMax) this.#nextAtMs = 0;
	}
}
