import type { Clock } from '@ampora/runtime';
import { type GatewayStore, StoreUnavailable } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import { chunkSessions, chunksOf } from '../lease/keeper.js';
import type { Lease } from '../lease/lease.js';
import { learnAssignment } from '../report/answers.js';
import type { Sessions } from '../session/registry.js';
import type { AgentSession } from '../session/session.js';

export interface HealerDeps {
	readonly store: Pick<GatewayStore, 'changedAssignments' | 'settleIdentities' | 'sessionHolders'>;
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
	/** Agents may have been given their places without our having heard of it: what the store answered was lost. */
	#unheard = false;
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
		const { store, lease, sessions } = this.deps;
		const unheard = this.#unheard;
		this.#unheard = true;
		for (const agentId of await store.settleIdentities(lease.current)) {
			const session = sessions.of(agentId);
			if (session) sessions.merge(session);
		}
		if (unheard) await this.#mergeUnheard();
		this.#unheard = false;
	}

	/** Whose uid is another agent's now: only one that is assigned nothing is ever given a place. */
	async #mergeUnheard(): Promise<void> {
		const { store, lease, sessions } = this.deps;
		const bare = [...sessions.all()].filter(({ assignment }) => assignment === null);
		for (const chunk of chunksOf(bare, chunkSessions)) {
			const holders = await store.sessionHolders(chunk.map(({ uid }) => uid));
			for (const [at, session] of chunk.entries()) if (holders[at] !== lease.current.gateway) sessions.merge(session);
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
