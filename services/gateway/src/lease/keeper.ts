import { DirectoryUnavailable, type OwnershipDirectory } from '@ampora/dispatch';
import { type BackoffOptions, backoffDelayMs, type Clock, type GatewayId, type Random } from '@ampora/runtime';
import { type CurrentAssignment, type GatewayLease, type GatewayStore, StoreUnavailable } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import { learnAssignment } from '../report/answers.js';
import type { Sessions } from '../session/registry.js';
import type { AgentSession } from '../session/session.js';
import { type Lease, leaseOf } from './lease.js';

export interface LeaseKeeperDeps {
	readonly gateway: GatewayId;
	readonly ttlMs: number;
	readonly store: Pick<GatewayStore, 'renewGateway' | 'readmitAgents' | 'currentAssignments'>;
	readonly directory: Pick<OwnershipDirectory, 'checkSentinel' | 'claimAgents'>;
	readonly clock: Clock;
	readonly random: Random;
	readonly log: Logger;
	readonly sessions: () => Sessions;
	readonly onSuperseded: (session: AgentSession) => void;
	/** The wanted state of the session was read anew. */
	readonly onLearned: (session: AgentSession) => void;
}

const backoff: BackoffOptions = { baseMs: 100, maxMs: 2_000 };
/** Sessions in one statement, or one script, when all of them are taken over or claimed again. */
export const chunkSessions = 2_000;

/** Keeps the gateway's row alive: it stands for all its sessions. A row that lapsed is replaced by a new incarnation, which takes the sessions over. */
export class LeaseKeeper implements Lease {
	#lease: GatewayLease;
	#incarnation: number | null = null;
	#away: string | null = 'not started';
	#directoryStale = false;
	/** Sessions are not all in the present incarnation yet. */
	#readmissionDue = false;
	#renewedAtMs = Number.NEGATIVE_INFINITY;
	#stopped = false;
	#wake: (() => void) | null = null;
	#loop: Promise<void> = Promise.resolve();

	constructor(private readonly deps: LeaseKeeperDeps) {
		this.#lease = leaseOf(deps.gateway, 0, deps.ttlMs);
	}

	get current(): GatewayLease {
		return this.#lease;
	}

	get usable(): boolean {
		return this.#away === null && this.deps.clock.monotonicMs() - this.#renewedAtMs < this.deps.ttlMs;
	}

	/** Undefined when all is well. */
	get trouble(): string | undefined {
		if (this.#away !== null) return this.#away;
		return this.usable ? undefined : 'the gateway row lapsed';
	}

	/** Any answer of the database says that it is there; whether the row is still ours only a renewal tells. */
	storeAnswered(): void {
		if (this.#away !== null && this.#incarnation !== null) this.#wake?.();
	}

	storeAway(error: unknown): void {
		const reason =
			error instanceof StoreUnavailable && error.reason === 'lapsed' ? 'the gateway row lapsed' : String(error);
		if (this.#away === null) this.deps.log.warn('Postgres is away', { error, gateway: this.deps.gateway });
		const first = this.#away === null;
		this.#away = reason;
		if (first) this.#wake?.();
	}

	/** Sessions are missing from the directory: they are claimed again when it is back. */
	directoryAway(error: unknown): void {
		if (!this.#directoryStale) this.deps.log.warn('the ownership directory is away', { error });
		this.#directoryStale = true;
	}

	/** Resolves after the first attempt: a gateway that finds no database waits for it, and is not ready. */
	async start(): Promise<void> {
		const renewed = await this.#attempt();
		this.#loop = this.#run(renewed ? 0 : 1);
	}

	async stop(): Promise<void> {
		this.#stopped = true;
		this.#wake?.();
		await this.#loop;
	}

	async #run(failures: number): Promise<void> {
		let failed = failures;
		while (!this.#stopped) {
			await this.#sleep(failed === 0 ? this.deps.ttlMs / 3 : backoffDelayMs(failed - 1, backoff, this.deps.random));
			if (this.#stopped) return;
			failed = (await this.#attempt()) ? 0 : failed + 1;
		}
	}

	async #attempt(): Promise<boolean> {
		try {
			await this.#renew();
			return true;
		} catch (error) {
			if (error instanceof StoreUnavailable) this.storeAway(error);
			else this.deps.log.error('the gateway row was not renewed', { error });
			return false;
		}
	}

	async #sleep(delayMs: number): Promise<void> {
		const sleeping = new AbortController();
		this.#wake = () => sleeping.abort();
		await this.deps.clock.sleep(delayMs, sleeping.signal);
		this.#wake = null;
	}

	async #renew(): Promise<void> {
		const { store, gateway, ttlMs, clock, log } = this.deps;
		const startedMs = clock.monotonicMs();
		const { lease, lapsed } = await store.renewGateway(gateway, this.#incarnation, ttlMs);
		const before = this.#incarnation;
		this.#lease = lease;
		this.#incarnation = lease.incarnation;
		this.#renewedAtMs = startedMs;
		if (this.#away !== null) log.info('the gateway row is renewed', { gateway, lease_epoch: lease.incarnation });
		if (before !== null && (lapsed || before !== lease.incarnation)) this.#readmissionDue = true;
		// Until all of them are, so also when the last attempt was cut short.
		if (this.#readmissionDue) await this.#readmit();
		this.#away = null;
		await this.#keepDirectory();
	}

	/** What the old incarnation held is taken over where nobody else has it by now; what was wanted of it meanwhile is read. */
	async #readmit(): Promise<void> {
		const { store, log, gateway } = this.deps;
		log.warn('the gateway row had lapsed; taking the sessions over', { gateway });
		for (const chunk of chunksOf([...this.deps.sessions().all()], chunkSessions)) {
			const wanted = chunk.map(({ agentId, epoch }) => ({ agentId, sessionEpoch: epoch }));
			const { refused } = await store.readmitAgents(this.#lease, wanted);
			this.#supersede(refused, chunk);
			this.#learn(await store.currentAssignments(wanted.map(({ agentId }) => agentId)));
		}
		this.#readmissionDue = false;
		this.#directoryStale = true;
	}

	#learn(assignments: readonly CurrentAssignment[]): void {
		for (const read of assignments) {
			const session = this.deps.sessions().of(read.agentId);
			if (session && learnAssignment(session, read)) this.deps.onLearned(session);
		}
	}

	/** A directory that was emptied, or that missed claims, is filled again. */
	async #keepDirectory(): Promise<void> {
		try {
			const kept = await this.deps.directory.checkSentinel(this.deps.gateway);
			if (kept && !this.#directoryStale) return;
			for (const chunk of chunksOf([...this.deps.sessions().all()], chunkSessions)) await this.#claim(chunk);
			this.#directoryStale = false;
		} catch (error) {
			if (!(error instanceof DirectoryUnavailable)) throw error;
			this.directoryAway(error);
		}
	}

	async #claim(sessions: readonly AgentSession[]): Promise<void> {
		const { gateway, directory } = this.deps;
		const claims = sessions.map(({ agentId, epoch }) => ({ agentId, gateway, sessionEpoch: epoch }));
		const outcomes = await directory.claimAgents(claims);
		const lost = claims.filter((_, at) => outcomes[at]?.kind === 'lost').map(({ agentId }) => agentId);
		this.#supersede(lost, sessions);
	}

	#supersede(agentIds: readonly string[], sessions: readonly AgentSession[]): void {
		const gone = new Set(agentIds);
		if (gone.size > 0) for (const session of sessions) if (gone.has(session.agentId)) this.deps.onSuperseded(session);
	}
}

export function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
	for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
