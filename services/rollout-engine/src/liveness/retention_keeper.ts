import type { Clock } from '@ampora/runtime';
import type { EngineStore, LeaderLease, Retention } from '@ampora/store';
import { OccasionalLook } from './occasional_look.js';

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
	readonly #looks: OccasionalLook;

	constructor(private readonly deps: RetentionKeeperDeps) {
		const { clock, events } = deps;
		this.#looks = new OccasionalLook({ clock, everyMs: lookEveryMs, onError: events.storeFailed });
	}

	/** Starts a look when it is time for one, and returns: it holds up no tick (D7). */
	look(lease: LeaderLease): void {
		this.#looks.start(() => this.#look(lease));
	}

	/** Resolves when no look is under way. */
	async idle(): Promise<void> {
		await this.#looks.idle();
	}

	async #look(lease: LeaderLease): Promise<{ readonly more: boolean }> {
		const archived = await this.deps.store.archiveAgents(lease, await this.deps.retention(), archivedMax);
		if (archived > 0) this.deps.events.agentsArchived(archived);
		return { more: archived === archivedMax };
	}
}
