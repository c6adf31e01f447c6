import type { Clock } from '@ampora/runtime';
import { type GatewayStore, StoreUnavailable } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import type { Lease } from '../lease/lease.js';
import { learnAssignment } from '../report/answers.js';
import type { Sessions } from '../session/registry.js';
import type { AgentSession } from '../session/session.js';

export interface HealerDeps {
	readonly store: Pick<GatewayStore, 'changedAssignments' | 'settleIdentities'>;
	readonly lease: Lease;
	readonly sessions: Sessions;
	readonly clock: Clock;
	readonly intervalMs: number;
	readonly log: Logger;
	/** The wanted state of the session was read anew. */
	readonly onLearned: (session: AgentSession) => void;
}

/**
 * Reads, every few seconds, what changed about this gateway's own agents: it makes good for every envelope that was lost, and for an
 * agent's coming back before anybody knew that it had gone.
 */
export class Healer {
	readonly #stopping = new AbortController();
	#cursor: string | null = null;
	#loop: Promise<void> = Promise.resolve();

	constructor(private readonly deps: HealerDeps) {}

	start(): void {
		this.#loop = this.#run();
	}

	async stop(): Promise<void> {
		this.#stopping.abort();
		await this.#loop;
	}

	async #run(): Promise<void> {
		const { clock, intervalMs, lease, log } = this.deps;
		const { signal } = this.#stopping;
		while (!signal.aborted) {
			await clock.sleep(intervalMs, signal);
			if (signal.aborted || !lease.usable) continue;
			try {
				await this.#look();
				await this.#settle();
			} catch (error) {
				if (error instanceof StoreUnavailable) lease.storeAway(error);
				else log.error('a look at the own agents failed', { error });
			}
		}
	}

	async #settle(): Promise<void> {
		for (const agentId of await this.deps.store.settleIdentities(this.deps.lease.current)) {
			const session = this.deps.sessions.of(agentId);
			if (session) this.deps.sessions.merge(session);
		}
	}

	async #look(): Promise<void> {
		const { assignments, cursor } = await this.deps.store.changedAssignments(this.deps.lease.current, this.#cursor);
		this.#cursor = cursor;
		for (const assignment of assignments) {
			const session = this.deps.sessions.of(assignment.agentId);
			if (session && learnAssignment(session, assignment)) this.deps.onLearned(session);
		}
	}
}
