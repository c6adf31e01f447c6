import type { Backplane } from '@ampora/dispatch';
import { type BackoffOptions, backoffDelayMs, type Clock, type Random } from '@ampora/runtime';
import type { AgentReport, FlushResult, GatewayStore } from '@ampora/store';
import { StoreUnavailable } from '@ampora/store';
import type { Logger, Tracer } from '@ampora/telemetry';
import type { Lease } from '../lease/lease.js';
import type { GatewayLimits } from '../limits.js';
import type { AgentSession } from '../session/session.js';
import type { GatewayMeters } from '../telemetry/meters.js';
import type { Unsaved } from './unsaved.js';

export interface FlusherDeps {
	readonly store: Pick<GatewayStore, 'flushReports'>;
	readonly backplane: Pick<Backplane, 'publishHint'>;
	readonly lease: Lease;
	readonly clock: Clock;
	readonly random: Random;
	readonly limits: GatewayLimits;
	readonly meters: GatewayMeters;
	readonly log: Logger;
	readonly tracer: Tracer;
	/** The database knows a newer session of this agent. */
	readonly onRefused: (agentId: AgentSession['agentId'], epoch: number) => void;
}

/** Time that changes are collected for: as long as the last statement took, within these, ms. */
const collectMs = { least: 20, most: 50 };
const backoff: BackoffOptions = { baseMs: 100, maxMs: 2_000 };

/** One agent's changes as they are being written; repeated under the same factSeq until it is known what became of them. */
interface Saving {
	readonly session: AgentSession;
	readonly factSeq: number;
	/** Of the last message whose facts these are: a repetition must not claim those of later ones (R16). */
	readonly sequenceNum: number;
	readonly unsaved: Unsaved;
}

/** Folds the changes of all agents into one statement every few tens of milliseconds. While Postgres is away they stay here: as much as there are sessions. */
export class Flusher {
	readonly #dirty = new Set<AgentSession>();
	#saving: readonly Saving[] = [];
	#waiters: { readonly session: AgentSession | null; readonly done: () => void }[] = [];
	#running = false;
	#stopped = false;
	#hurry: (() => void) | null = null;
	#lastMs = collectMs.least;

	constructor(private readonly deps: FlusherDeps) {}

	/** Agents whose changes are not yet in the database. */
	get dirtyAgents(): number {
		return this.#dirty.size + this.#saving.length;
	}

	/** Where a change of this session is put; it will be saved. */
	unsaved(session: AgentSession): Unsaved {
		session.unsaved ??= {};
		if (!this.#dirty.has(session)) {
			this.#dirty.add(session);
			if (!this.#running) void this.#run();
		}
		return session.unsaved;
	}

	/** Resolves when what is known of this session now is in the database; of all sessions without one. */
	saved(session: AgentSession | null): Promise<void> {
		if (this.isSaved(session)) return Promise.resolve();
		this.#hurry?.();
		return new Promise((done) => this.#waiters.push({ session, done }));
	}

	/** Gives up what is not saved yet. */
	stop(): void {
		this.#stopped = true;
		this.#hurry?.();
	}

	isSaved(session: AgentSession | null): boolean {
		if (this.#stopped) return true;
		return session === null ? this.dirtyAgents === 0 : session.unsaved === null && !session.saving;
	}

	async #run(): Promise<void> {
		this.#running = true;
		while (this.#dirty.size > 0 && !this.#stopped) {
			if (this.#dirty.size < this.deps.limits.flushBatchMax) await this.#collect();
			this.#saving = this.#takeBatch();
			await this.#save(this.#saving);
			for (const { session } of this.#saving) session.saving = false;
			this.#saving = [];
			this.deps.meters.opamp.ampora_gateway_dirty_agents.set(this.#dirty.size);
			this.#wakeWaiters();
		}
		this.#running = false;
		this.#wakeWaiters();
	}

	#collect(): Promise<void> {
		if (this.#waiters.length > 0) return Promise.resolve();
		const delayMs = Math.min(collectMs.most, Math.max(collectMs.least, this.#lastMs));
		return this.#pause(delayMs);
	}

	async #pause(delayMs: number): Promise<void> {
		const waiting = new AbortController();
		this.#hurry = () => waiting.abort();
		await this.deps.clock.sleep(delayMs, waiting.signal);
		this.#hurry = null;
	}

	#wakeWaiters(): void {
		const waiters = this.#waiters;
		this.#waiters = [];
		for (const waiter of waiters)
			if (this.isSaved(waiter.session)) waiter.done();
			else this.#waiters.push(waiter);
	}

	#takeBatch(): Saving[] {
		const batch: Saving[] = [];
		for (const session of this.#dirty) {
			if (batch.length >= this.deps.limits.flushBatchMax) break;
			this.#dirty.delete(session);
			if (!session.unsaved) continue;
			session.factSeq += 1;
			const sequenceNum = Math.max(0, session.sequence);
			batch.push({ session, factSeq: session.factSeq, sequenceNum, unsaved: session.unsaved });
			session.unsaved = null;
			session.saving = true;
		}
		return batch;
	}

	/** Returns when the batch is in the database, or cannot be. Repeating is safe: the same facts under the same number. */
	async #save(batch: readonly Saving[]): Promise<void> {
		for (let attempt = 0; !this.#stopped && batch.length > 0; attempt++) {
			const startedMs = this.deps.clock.monotonicMs();
			try {
				const result = await this.deps.store.flushReports(
					this.deps.lease.current,
					batch.map((saving) => this.#report(saving, startedMs)),
				);
				this.#lastMs = this.deps.clock.monotonicMs() - startedMs;
				this.deps.lease.storeAnswered();
				return this.#saved(batch, result);
			} catch (error) {
				if (!(error instanceof StoreUnavailable)) return this.#isolate(batch, error);
				this.deps.lease.storeAway(error);
				this.deps.meters.opamp.ampora_gateway_dirty_agents.set(this.dirtyAgents);
				await this.#pause(backoffDelayMs(attempt, backoff, this.deps.random));
			}
		}
	}

	/** One agent's report the database cannot take must not keep those of the others from it. */
	async #isolate(batch: readonly Saving[], error: unknown): Promise<void> {
		const [first] = batch;
		if (batch.length === 1 && first) {
			const { agentId, uid, epoch } = first.session;
			const fields = { agent_id: agentId, instance_uid: uid, session_epoch: epoch, error };
			this.deps.log.error('a report cannot be saved and is given up', fields);
			return;
		}
		const middle = Math.ceil(batch.length / 2);
		await this.#save(batch.slice(0, middle));
		await this.#save(batch.slice(middle));
	}

	#report({ session, factSeq, sequenceNum, unsaved }: Saving, nowMs: number): AgentReport {
		const { answers, ...facts } = unsaved;
		return {
			agentId: session.agentId,
			sessionEpoch: session.epoch,
			factSeq,
			sequenceNum,
			...facts,
			...(answers && {
				answers: answers.map(({ heardAtMs, ...answer }) => ({ ...answer, ageMs: Math.max(0, nowMs - heardAtMs) })),
			}),
		};
	}

	#saved(batch: readonly Saving[], { refused, touchedRollouts }: FlushResult): void {
		if (refused.length > 0) {
			const epochs = new Map(batch.map(({ session }) => [session.agentId, session.epoch]));
			for (const agentId of refused) this.deps.onRefused(agentId, epochs.get(agentId) ?? 0);
		}
		if (touchedRollouts.length === 0) return;
		// Only a hint: the engine looks by itself as well (D5).
		this.deps.backplane.publishHint({ rolloutIds: touchedRollouts }).catch((error: unknown) => {
			this.deps.log.debug('a hint was not sent', { error });
		});
	}
}
