import {
	type Calendar,
	decideEnrolment,
	type EnrolmentDecision,
	type EnrolmentSnapshot,
	enrolmentTickMs,
	type RolloutSpec,
} from '@ampora/rollout';
import type { Clock, GroupId } from '@ampora/runtime';
import type { EnrolmentStore, LeaderLease } from '@ampora/store';
import { LeaderLoop } from '../leader/leader_loop.js';
import type { LeaseKeeper } from '../leader/lease_keeper.js';

/** What people have decided about groups: read anew at every look. */
export interface EnrolmentRules {
	/** Windows and freezes of the group. */
	calendarOf(groupId: GroupId): Promise<Calendar>;
	/** The gates' defaults as they are set, and the caps. */
	spec(): Promise<RolloutSpec>;
}

export interface EnrolmentKeeperDeps {
	readonly store: EnrolmentStore;
	readonly rules: EnrolmentRules;
	readonly leases: Pick<LeaseKeeper, 'current' | 'lost'>;
	readonly clock: Clock;
	readonly events: EnrolmentEvents;
}

export interface EnrolmentEvents {
	/** Newcomers of the group were given its default, judged, or both. */
	enrolled(groupId: GroupId, decision: EnrolmentDecision): void;
	enrolmentFailed(error: unknown): void;
}

/** Groups looked at in one go, and agents of each. Whoever does not fit comes with the next look: the longest waiting go first. */
const groupsAtOnce = 1_000;
const agentsAtOnce = { watched: 20_000, waiting: 2_000 } as const;

/** Gives newcomers the default of their group, while this process leads: one look at each group with something to do, every second. */
export class EnrolmentKeeper {
	readonly #loop: LeaderLoop;

	constructor(private readonly deps: EnrolmentKeeperDeps) {
		const round = async (lease: LeaderLease) => {
			await this.#round(lease).catch(deps.events.enrolmentFailed);
			return enrolmentTickMs;
		};
		this.#loop = new LeaderLoop({ leases: deps.leases, clock: deps.clock, round, restMs: enrolmentTickMs });
	}

	start(): void {
		this.#loop.start();
	}

	/** Finishes the look under way. */
	stop(): Promise<void> {
		return this.#loop.stop();
	}

	async #round(lease: LeaderLease): Promise<void> {
		const groups = await this.deps.store.enrolmentGroups(groupsAtOnce);
		if (groups.length === 0) return;
		const spec = await this.deps.rules.spec();
		for (const groupId of groups) {
			if (this.#loop.stopped || !(await this.#look(lease, groupId, spec))) return;
		}
	}

	/** False: somebody else leads now. A decision that met another is made anew at the next look. */
	async #look(lease: LeaderLease, groupId: GroupId, spec: RolloutSpec): Promise<boolean> {
		const { store, rules, leases, events } = this.deps;
		const loaded = await store.loadEnrolment(groupId, agentsAtOnce);
		if (loaded === null) return true;
		const calendar = await rules.calendarOf(groupId);
		const snapshot: EnrolmentSnapshot = { ...loaded, spec, calendar };
		const decision = decideEnrolment(snapshot);
		if (isIdle(snapshot, decision)) return true;
		const outcome = await store.commitEnrolment(lease, groupId, loaded, { decision, calendar });
		if (outcome === 'committed') events.enrolled(groupId, decision);
		if (outcome === 'lease-lost') leases.lost(lease.epoch);
		return outcome !== 'lease-lost';
	}
}

/** Nobody is watched, so that its clock need not run, and nothing else came of the look. */
function isIdle({ state, watched }: EnrolmentSnapshot, decision: EnrolmentDecision): boolean {
	const { assignments, settled, fired, state: after } = decision;
	const moved = watched.length + assignments.length + settled.length > 0 || fired;
	return !moved && after.waitsFor === state.waitsFor && after.versionId === state.versionId;
}
