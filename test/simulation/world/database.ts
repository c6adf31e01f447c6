import { isDeepStrictEqual } from 'node:util';
import type { OwnershipClaim, OwnershipDirectory } from '@ampora/dispatch';
import {
	createMemoryDirectory,
	type DirectoryFlaws,
	DirectoryUnavailable,
	type MemoryDirectory,
} from '@ampora/dispatch';
import type { AgentId } from '@ampora/runtime';
import {
	type Committing,
	type EngineStore,
	type EnrolmentStore,
	type GatewayStore,
	type SelectorStore,
	StoreUnavailable,
} from '@ampora/store';
import { createMemoryStore, type Flaws, type MemoryState, type MemoryStore } from '@ampora/store/testing';
import type { AgentRow, AssignmentRow, DatabaseView } from '../checkers/database_view.js';
import type { Observation } from '../checkers/observation.js';
import { viewOf } from './memory_view.js';
import { type CallFate, remote } from './remote.js';
import type { Schedule } from './schedule.js';
import { type SimProcess, wallStartMs } from './sim_process.js';
import type { Stream } from './streams.js';

/** What may happen to calls, as shares of all of them; changed by the world's faults. */
export interface CallFaults {
	/** Nothing answers. */
	away: boolean;
	/** Carried out, and the acknowledgement lost. */
	lost: number;
	/** Takes up to some seconds. */
	slow: number;
	/** The process dies at this await. */
	crash: number;
}

export interface DatabaseDeps {
	readonly schedule: Schedule;
	readonly chance: Stream;
	readonly flaws: Flaws & DirectoryFlaws;
	readonly observe: (seen: Observation) => void;
	readonly onCrash: (process: SimProcess, method: string) => void;
}

const noFaults = (): CallFaults => ({ away: false, lost: 0, slow: 0, crash: 0 });

/** Postgres and Redis as the processes of the world reach them, and as the checkers see them. */
export class Servers {
	readonly storeFaults = noFaults();
	readonly directoryFaults = noFaults();
	/** How far the database's clock is off, ms. */
	clockOffMs = 0;
	/** Lets a process die at a call of its choice; `call` counts the store calls of all processes. */
	dieAt: (process: SimProcess, call: number) => 'before' | 'after' | null = () => null;
	#calls = 0;
	readonly store: MemoryStore;
	readonly directory: MemoryDirectory;
	readonly view: DatabaseView;

	constructor(private readonly deps: DatabaseDeps) {
		const nowMs = () => wallStartMs + deps.schedule.nowMs + this.clockOffMs;
		this.store = createMemoryStore({ nowMs }, { flaws: deps.flaws });
		this.directory = createMemoryDirectory(deps.flaws);
		this.view = viewOf(this.state);
	}

	get state(): MemoryState {
		return this.store.state;
	}

	engineStore(process: SimProcess): EngineStore {
		return this.#remoteStore(process, this.store.engine);
	}

	/** Of whoever keeps the members of groups, and gives newcomers what their group runs. */
	membershipStore(process: SimProcess): EngineStore & SelectorStore & EnrolmentStore {
		const { engine, selectors, enrolments } = this.store;
		return this.#remoteStore(process, { ...engine, ...selectors, ...enrolments });
	}

	gatewayStore(process: SimProcess): GatewayStore {
		return this.#remoteStore(process, this.store.gateway);
	}

	directoryOf(process: SimProcess): OwnershipDirectory {
		let before: ReadonlyMap<AgentId, OwnershipClaim> = new Map();
		return remote<OwnershipDirectory>(this.directory, {
			schedule: this.deps.schedule,
			process,
			fate: (method) => this.#fate(this.directoryFaults, process, method),
			unavailable: () => new DirectoryUnavailable('away'),
			onCall: (method, args) => {
				if (method !== 'releaseAgents') return;
				before = this.#claims(args[0] as readonly OwnershipClaim[]);
			},
			onAnswer: (method, args) => {
				if (method !== 'releaseAgents') return;
				const claims = args[0] as readonly OwnershipClaim[];
				this.deps.observe({ kind: 'released', claims, before, after: this.#claims(claims) });
			},
		});
	}

	#claims(claims: readonly OwnershipClaim[]): ReadonlyMap<AgentId, OwnershipClaim> {
		return found(claims, ({ agentId }) => this.directory.entry(agentId) ?? null);
	}

	#remoteStore<Port extends object>(process: SimProcess, port: Port): Port {
		const watcher = new StoreWatcher(this.view, this.deps.observe);
		return remote(port, {
			schedule: this.deps.schedule,
			process,
			fate: (method) => {
				const fate = this.#fate(this.storeFaults, process, method);
				return process.cutOffUntilMs > this.deps.schedule.nowMs ? { ...fate, kind: 'away' } : fate;
			},
			unavailable: () => new StoreUnavailable('away', 'Postgres is away'),
			onCall: (method, args) => watcher.before(method, args),
			onAnswer: (method, args, answer) => watcher.after(method, args, answer),
		});
	}

	#fate(faults: CallFaults, process: SimProcess, method: string): CallFate {
		const { chance } = this.deps;
		const slow = chance.chance(faults.slow);
		const thereMs = slow ? chance.between(100, 4_000) : chance.between(0.2, 3);
		const backMs = slow ? chance.between(1, 1_500) : chance.between(0.2, 3);
		const lost = chance.chance(faults.lost);
		const chosen = chance.chance(faults.crash) ? (chance.chance(0.5) ? 'before' : 'after') : null;
		const dies = chosen ?? this.dieAt(process, this.#calls++);
		if (dies !== null) this.deps.onCrash(process, method);
		return { thereMs, backMs, dies, kind: faults.away ? 'away' : lost ? 'lost' : 'answered' };
	}
}

/** Remembers what was there before a call, and tells what it did. */
class StoreWatcher {
	#agents: ReadonlyMap<AgentId, AgentRow> = new Map();
	#assignments: ReadonlyMap<AgentId, AssignmentRow> = new Map();
	#rollouts: readonly ReturnType<DatabaseView['rollout']>[] = [];
	#lease: ReturnType<DatabaseView['lease']> = null;

	constructor(
		private readonly view: DatabaseView,
		private readonly observe: (seen: Observation) => void,
	) {}

	before(method: string, args: readonly unknown[]): void {
		if (method === 'flushReports') {
			const [, reports] = args as Parameters<GatewayStore['flushReports']>;
			this.#agents = found(reports, ({ agentId }) => this.view.agent(agentId));
			this.#assignments = found(reports, ({ agentId }) => this.view.assignment(agentId));
		} else if (method === 'reapGateways') {
			this.#agents = this.view.agents();
		} else if (method === 'commitEnrolment') {
			this.#assignments = new Map(this.view.assignments().map((row) => [row.agentId, row]));
		} else if (method === 'commitDecision') {
			const [lease, ...parts] = args as Parameters<EngineStore['commitDecision']>;
			this.#rollouts = committing(parts).map(({ loaded }) => this.view.rollout(loaded.snapshot.rollout.id));
			this.#lease = this.view.lease(lease.name);
			this.#assignments = new Map(this.view.assignments().map((row) => [row.agentId, row]));
		}
	}

	after(method: string, args: readonly unknown[], answer: unknown): void {
		if (method === 'flushReports') {
			const [lease, reports] = args as Parameters<GatewayStore['flushReports']>;
			const before = { agentsBefore: this.#agents, assignmentsBefore: this.#assignments };
			this.observe({ kind: 'flushed', lease, reports, ...before });
		} else if (method === 'reapGateways') {
			this.observe({ kind: 'reaped', agentsBefore: this.#agents });
		} else if (method === 'claimOffers') {
			const [lease, requests] = args as Parameters<GatewayStore['claimOffers']>;
			const decisions = answer as Awaited<ReturnType<GatewayStore['claimOffers']>>;
			this.observe({ kind: 'claimed', lease, requests, decisions });
		} else if (method === 'commitEnrolment') {
			const [, groupId] = args as Parameters<EnrolmentStore['commitEnrolment']>;
			this.observe({ kind: 'enrolled', groupId, moved: this.#moved() });
		} else if (method === 'commitDecision') this.#committed(args as Parameters<EngineStore['commitDecision']>, answer);
	}

	/** Rows that differ from what they were before the call. */
	#moved(): AssignmentRow[] {
		return this.view.assignments().filter((row) => !isSameWish(row, this.#assignments.get(row.agentId)));
	}

	#committed([lease, ...parts]: Parameters<EngineStore['commitDecision']>, answer: unknown): void {
		const { kind } = answer as Awaited<ReturnType<EngineStore['commitDecision']>>;
		const all = this.#moved();
		const successor = parts[3]?.decision.rollout.id;
		const [leaseBefore, assignmentsBefore] = [this.#lease, this.#assignments];
		for (const [index, one] of committing(parts).entries()) {
			const before = this.#rollouts[index];
			if (kind !== 'committed' || !before) return;
			const moved = all.filter(({ rolloutId }) => (rolloutId === successor) === index > 0);
			this.observe({ kind: 'committed', lease, ...one, moved, before, leaseBefore, assignmentsBefore });
		}
	}
}

type Committed = Parameters<EngineStore['commitDecision']> extends [unknown, ...infer Rest] ? Rest : never;
/** A decision, and that of the rollout that takes its place. */
const committing = ([loaded, decision, journal, successor]: Committed): Committing[] => [
	{ loaded, decision, journal },
	...(successor ? [successor] : []),
];

const isSameWish = (row: AssignmentRow, before: AssignmentRow | undefined): boolean =>
	before !== undefined && isDeepStrictEqual({ ...row, answer: null }, { ...before, answer: null });

function found<T extends { readonly agentId: AgentId }, Row>(
	items: readonly T[],
	find: (item: T) => Row | null,
): ReadonlyMap<AgentId, Row> {
	const rows = new Map<AgentId, Row>();
	for (const item of items) {
		const row = find(item);
		if (row !== null) rows.set(item.agentId, row);
	}
	return rows;
}
