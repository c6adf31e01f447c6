import type { DynamicGroup } from '@ampora/policy';
import type { Clock, GroupId } from '@ampora/runtime';
import type { LeaderLease, SelectionWrite, SelectorRow, SelectorStore, SelectorWork } from '@ampora/store';
import { LeaderLoop } from '../leader/leader_loop.js';
import type { LeaseKeeper } from '../leader/lease_keeper.js';
import { CompiledGroups, dueInSweep, dueOf, lookAt } from './look.js';

export interface MembershipKeeperDeps {
	readonly store: SelectorStore;
	readonly leases: Pick<LeaseKeeper, 'current' | 'lost'>;
	readonly clock: Clock;
	readonly events: MembershipEvents;
}

export interface MembershipEvents {
	/** `change`: something of an agent changed. `sweep`: a selector did, and all agents are looked at. */
	looked(cause: 'change' | 'sweep', evaluations: number, moved: number): void;
	storeFailed(error: unknown): void;
}

/** How long a change waits for a look at most, ms; the rest of the second is the gateway's. */
const lookEveryMs = 200;
const restMs = 1_000;
/** Agents looked at in one go: changes do not wait long behind a sweep, nor the process for a large number of selectors. */
const agentsAtOnce = 1_000;
const evaluationsAtOnce = 20_000;

/**
 * Keeps agents in the dynamic groups they belong to, while this process leads: first whoever changed, then a page of a sweep. What was
 * found and what it was found from are written together, so that a crash repeats a look and loses none.
 */
export class MembershipKeeper {
	readonly #compiled = new CompiledGroups();
	readonly #loop: LeaderLoop;

	constructor(private readonly deps: MembershipKeeperDeps) {
		const round = (lease: LeaderLease) => this.#round(lease);
		this.#loop = new LeaderLoop({ leases: deps.leases, clock: deps.clock, round, restMs });
	}

	start(): void {
		this.#loop.start();
	}

	/** Finishes the look under way. */
	stop(): Promise<void> {
		return this.#loop.stop();
	}

	/** Answers how long nothing is expected to be to do, ms. */
	async #round(lease: LeaderLease): Promise<number> {
		try {
			const rows = await this.deps.store.dynamicGroups();
			const groups = this.#compiled.compile(rows);
			const limit = Math.max(1, Math.min(agentsAtOnce, Math.floor(evaluationsAtOnce / Math.max(1, rows.length))));
			const work = await this.deps.store.selectorWork(limit);
			if (work.length > 0 && !(await this.#changes(lease, groups, work))) return restMs;
			const sweeping = rows.find(({ sweep }) => sweep !== null);
			if (sweeping !== undefined && !(await this.#sweep(lease, groups, { sweeping, limit }))) return restMs;
			return sweeping !== undefined || work.length === limit ? 0 : lookEveryMs;
		} catch (error) {
			this.deps.events.storeFailed(error);
			return restMs;
		}
	}

	async #changes(
		lease: LeaderLease,
		groups: readonly DynamicGroup<GroupId>[],
		work: readonly SelectorWork[],
	): Promise<boolean> {
		const workIds = work.flatMap((one) => one.workIds);
		const due = new Map(work.map((one) => [one.agentId, dueOf(one)]));
		const subjects = await this.deps.store.subjects([...due.keys()]);
		const { selections, evaluations } = lookAt(groups, subjects, (id) => due.get(id) ?? { kind: 'all' });
		return this.#write(lease, { selections, workIds, sweep: null }, { cause: 'change', evaluations });
	}

	async #sweep(
		lease: LeaderLease,
		groups: readonly DynamicGroup<GroupId>[],
		{ sweeping, limit }: { sweeping: SelectorRow; limit: number },
	): Promise<boolean> {
		const { id, sweep } = sweeping;
		if (sweep === null) return true;
		const page = await this.deps.store.describedAgents(sweep.after, limit);
		const due = dueInSweep(sweeping);
		const { selections, evaluations } = lookAt(groups, await this.deps.store.subjects(page), () => due);
		const after = page.length < limit ? null : (page.at(-1) ?? null);
		const progress = { groupId: id, seq: sweep.seq, after };
		return this.#write(lease, { selections, workIds: [], sweep: progress }, { cause: 'sweep', evaluations });
	}

	/** False: somebody else leads now. */
	async #write(
		lease: LeaderLease,
		write: SelectionWrite,
		{ cause, evaluations }: { cause: 'change' | 'sweep'; evaluations: number },
	): Promise<boolean> {
		const { held, moved } = await this.deps.store.writeSelection(lease, write);
		if (held) this.deps.events.looked(cause, evaluations, moved);
		else this.deps.leases.lost(lease.epoch);
		return held;
	}
}
