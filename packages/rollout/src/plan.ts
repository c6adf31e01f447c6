import { domainCount, domainsMax, orderMembers, spread } from './cohorts.js';
import { canConfirm } from './fold.js';
import type { AgentFacts, Domain, Member, Rollout, SkipReason, Target } from './model.js';

/** The targets of a rollout as they are before anything is pushed. */
export interface Plan {
	readonly targets: readonly Target[];
	/** Agents that are to be pushed. */
	readonly candidates: number;
	readonly alreadyApplied: number;
	/** Candidates that never proved a version, with nowhere named to go back to. */
	readonly noWayBack: number;
	/** Candidates unhealthy by now. */
	readonly sickBefore: number;
	readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
	/** Failure domains the candidates stand in; 1 where they are not spread. */
	readonly domains: number;
	/** All that the rollout has by now; none where it is not spread. */
	readonly standing: readonly Domain[];
	readonly nextRank: number;
}

type PlanFor = Pick<Rollout, 'versionId' | 'spec'>;

/** Why an agent cannot be pushed; null: it can. */
export function skipReason(facts: AgentFacts, rollout: PlanFor): SkipReason | null {
	if (!facts.reports.remoteConfig) return 'no-remote-config';
	if (facts.quarantined) return 'quarantined';
	if (!canConfirm(facts.reports) && rollout.spec.unconfirmed === 'skip') return 'cannot-confirm';
	return null;
}

/** By semantic hash, and by its own word: it answered Applied to this version, or to another one that means the same. */
export const hasApplied = ({ assignment }: AgentFacts, rollout: PlanFor): boolean =>
	assignment?.answer === 'applied' && (assignment.sameMeaning ?? assignment.versionId === rollout.versionId);

const isCandidate = ({ facts }: Member, rollout: PlanFor): boolean =>
	!hasApplied(facts, rollout) && skipReason(facts, rollout) === null;

/**
 * Classifies and ranks members: candidates in the order asked for, starting at `firstRank`, then those that are not to be pushed, so
 * that a rank below the number of candidates means: was there at the start.
 */
export function planTargets(
	rollout: PlanFor & Pick<Rollout, 'domains'>,
	members: readonly Member[],
	firstRank = 0,
): Plan {
	const ordered = orderMembers(members, rollout.spec.order, rollout.spec.seed);
	const able = ordered.filter((member) => isCandidate(member, rollout));
	const domains = rollout.spec.spreadBy ? domainCount(able) : 1;
	const candidates = domains > 1 && domains <= domainsMax ? spread(able) : able;
	const others = ordered.filter((member) => !isCandidate(member, rollout));
	const standing = new Domains(rollout.domains ?? []);
	const targets = [...candidates, ...others].map((member, index) => ({
		...newTarget(member.facts, rollout, firstRank + index),
		...(rollout.spec.spreadBy && { domain: standing.add(member.domain ?? null) }),
	}));
	const hasWayBack = rollout.spec.rollbackTo !== null;
	return {
		targets,
		candidates: candidates.length,
		domains,
		standing: standing.all,
		alreadyApplied: targets.filter((target) => target.state === 'AlreadyApplied').length,
		noWayBack: hasWayBack ? 0 : candidates.filter(({ facts }) => provenBefore(facts, rollout) === null).length,
		sickBefore: targets.filter((target) => target.state === 'Pending' && target.sickBefore).length,
		skipped: countReasons(targets),
		nextRank: firstRank + targets.length,
	};
}

/** Numbers failure domains as they come, and counts who stands in them. */
class Domains {
	readonly #agents: number[];
	readonly #names: (string | null)[];
	readonly #index: Map<string | null, number>;

	constructor(known: readonly Domain[]) {
		this.#names = known.map(({ name }) => name);
		this.#agents = known.map(({ agents }) => agents);
		this.#index = new Map(this.#names.map((name, index) => [name, index]));
	}

	get all(): readonly Domain[] {
		return this.#names.map((name, index) => ({ name, agents: this.#agents[index] ?? 0 }));
	}

	/** Past the maximum, which joiners alone can exceed, domains are not told apart any more. */
	add(domain: string | null): number {
		const name = this.#index.has(domain) || this.#names.length < domainsMax ? domain : null;
		const index = this.#index.get(name) ?? this.#names.length;
		this.#index.set(name, index);
		this.#names[index] = name;
		this.#agents[index] = (this.#agents[index] ?? 0) + 1;
		return index;
	}
}

/** The version it can be given back: proven, and not the one now rolled out. */
export const provenBefore = (facts: AgentFacts, rollout: PlanFor): AgentFacts['provenVersion'] =>
	facts.provenVersion === rollout.versionId ? null : facts.provenVersion;

function countReasons(targets: readonly Target[]): Partial<Record<SkipReason, number>> {
	const counts: Partial<Record<SkipReason, number>> = {};
	for (const { state, reason } of targets) {
		if (state !== 'Skipped' || reason === null) continue;
		counts[reason as SkipReason] = (counts[reason as SkipReason] ?? 0) + 1;
	}
	return counts;
}

/** An agent's row before anything was decided about it. */
export function newTarget(facts: AgentFacts, rollout: PlanFor, rank: number): Target {
	const reason = hasApplied(facts, rollout) ? null : skipReason(facts, rollout);
	const state = hasApplied(facts, rollout) ? 'AlreadyApplied' : reason === null ? 'Pending' : 'Skipped';
	return {
		agentId: facts.agentId,
		rank,
		step: null,
		state,
		reason,
		error: null,
		reports: facts.reports,
		sickBefore: facts.reports.health && facts.healthy === false,
		previousVersion: null,
		seq: null,
		attempt: 1,
		dispatches: 0,
		dispatchAt: null,
		pushedAt: null,
		waitedMs: 0,
		waitingSince: null,
		goneSince: null,
		unhealthySince: null,
		healthFlips: facts.healthFlips,
		mismatchSince: null,
		restartsAtPush: facts.restarts,
		against: {},
		judged: {},
		back: null,
		wakeAt: null,
	};
}
