import type { DeliveryOutcome, DispatchEnvelope, OwnershipClaim } from '@ampora/dispatch';
import type { Decision, MetricAnswer } from '@ampora/rollout';
import type { AgentId, GatewayId, GroupId, RolloutId } from '@ampora/runtime';
import type {
	AgentReport,
	GatewayLease,
	JournalEntry,
	LeaderLease,
	LoadedSnapshot,
	OfferDecision,
	OfferRequest,
} from '@ampora/store';
import type { CalendarHistory } from './calendar.js';
import type { AgentRow, AssignmentRow, DatabaseView, LeaseRow, RolloutRow } from './database_view.js';

/** One thing that happened in the world, at the instant it took effect. */
export type Observation =
	| {
			readonly kind: 'committed';
			readonly lease: LeaderLease;
			readonly loaded: LoadedSnapshot;
			readonly decision: Decision;
			readonly journal: JournalEntry;
			readonly before: RolloutRow;
			readonly leaseBefore: LeaseRow | null;
			readonly assignmentsBefore: ReadonlyMap<AgentId, AssignmentRow>;
			/** Rows that differ now. */
			readonly moved: readonly AssignmentRow[];
	  }
	/** Newcomers of a group were given its default, or it was taken back from them. */
	| { readonly kind: 'enrolled'; readonly groupId: GroupId; readonly moved: readonly AssignmentRow[] }
	| {
			readonly kind: 'claimed';
			readonly lease: GatewayLease;
			readonly requests: readonly OfferRequest[];
			readonly decisions: readonly OfferDecision[];
	  }
	| {
			readonly kind: 'flushed';
			readonly lease: GatewayLease;
			readonly reports: readonly AgentReport[];
			readonly agentsBefore: ReadonlyMap<AgentId, AgentRow>;
			readonly assignmentsBefore: ReadonlyMap<AgentId, AssignmentRow>;
	  }
	| { readonly kind: 'reaped'; readonly agentsBefore: ReadonlyMap<AgentId, AgentRow> }
	| {
			readonly kind: 'released';
			readonly claims: readonly OwnershipClaim[];
			readonly before: ReadonlyMap<AgentId, OwnershipClaim>;
			readonly after: ReadonlyMap<AgentId, OwnershipClaim>;
	  }
	/** A gateway wrote an offer to a socket. */
	| { readonly kind: 'written'; readonly agentId: AgentId; readonly gateway: GatewayId; readonly offer: Written }
	/** An agent read it. */
	| { readonly kind: 'delivered'; readonly agentId: AgentId; readonly offer: Written }
	/** An agent said how far it is with an offer. */
	| { readonly kind: 'answered'; readonly agentId: AgentId; readonly said: Said }
	| {
			readonly kind: 'dispatched';
			readonly envelope: DispatchEnvelope;
			readonly outcomes: readonly DeliveryOutcome[] | null;
	  }
	/** The metrics server answered a gate. */
	| {
			readonly kind: 'measured';
			readonly rolloutId: RolloutId;
			readonly gate: string;
			/** The same query about those that wait for their push is `control`; who is changed, and how many, is `cohort`. */
			readonly about: 'changed' | 'control' | 'cohort';
			/** The instant that was asked about, by the database's clock. */
			readonly atMs: number;
			/** When it was asked, virtual ms. */
			readonly askedAtMs: number;
			readonly answer: MetricAnswer;
	  }
	/** Once every few virtual seconds, and after every event of which nothing else is said. */
	| { readonly kind: 'looked' };

export interface Written {
	readonly hash: string;
	/** The assignment the gateway was given permission for; null: it had none. */
	readonly seq: number | null;
	readonly connection: number;
}

export interface Said {
	readonly hash: string;
	readonly status: 'applied' | 'failed';
	readonly seq: number;
	/** Its own numbers: the process of the agent, and the message within it. */
	readonly sequenceNum: number;
	readonly process: number;
	/** Said on another connection than the one the offer came on. */
	readonly elsewhere: boolean;
	/** Said under a uid that nobody knows yet: whoever hears it may take it for another agent. */
	readonly unknown: boolean;
}

/** What checkers may look at beside the observation. */
export interface Checked {
	readonly db: DatabaseView;
	readonly history: AssignmentHistory;
	readonly standings: StandingHistory;
	readonly calendars: CalendarHistory;
	/** Virtual ms; never steps. */
	readonly nowMs: number;
	/** Since when engines and servers have had no trouble; null: they have. */
	readonly calmSinceMs: number | null;
}

/** Null: as it should be. */
export type Check = (seen: Observation, world: Checked) => string | null;

export interface PastAssignment extends AssignmentRow {
	readonly fromMs: number;
	untilMs: number;
}

/** Every assignment row there ever was, and when it was current. */
export class AssignmentHistory {
	readonly #rows = new Map<AgentId, PastAssignment[]>();

	of(agentId: AgentId): readonly PastAssignment[] {
		return this.#rows.get(agentId) ?? [];
	}

	withSeq(agentId: AgentId, seq: number): PastAssignment | null {
		return this.of(agentId).findLast((row) => row.seq === seq) ?? null;
	}

	current(agentId: AgentId): PastAssignment | null {
		return this.of(agentId).at(-1) ?? null;
	}

	moved(row: AssignmentRow, nowMs: number): void {
		const rows = this.#rows.get(row.agentId) ?? [];
		this.#rows.set(row.agentId, rows);
		const last = rows.at(-1);
		if (last) last.untilMs = nowMs;
		rows.push({ ...row, fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY });
	}
}

/** Since when each rollout does not let its version go out, by virtual time; null: it does. */
export class StandingHistory {
	readonly #closedSince = new Map<RolloutId, number | null>();

	closedSinceMs(rolloutId: RolloutId): number | null {
		return this.#closedSince.get(rolloutId) ?? null;
	}

	look(rolloutId: RolloutId, open: boolean, nowMs: number): void {
		const since = this.#closedSince.get(rolloutId);
		if (open) this.#closedSince.set(rolloutId, null);
		else if (since === undefined || since === null) this.#closedSince.set(rolloutId, nowMs);
	}
}
