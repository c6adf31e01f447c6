import { type AgentId, assert, type GroupId, type RolloutId, type VersionId } from '@ampora/runtime';
import { decide } from '../decide.js';
import type { Command, CommandKind, Decision, Environment, MetricResult, Snapshot } from '../decision.js';
import { breaches } from '../invariants.js';
import { canonicalJson } from '../journal.js';
import type { AgentFacts, Member, Reports, Rollout, Step, Target } from '../model.js';
import { byState } from '../names.js';
import { dueObservedMs, snapshotNeeds } from '../needs.js';
import { newRollout } from '../new_rollout.js';
import { offersOf } from '../offers.js';
import { resolveSpec, type SpecInput } from '../spec.js';
import { addBack, backTally, emptyBack, isTouched, tally, withoutUnsent } from '../tally.js';

/** What an agent does with a version it is offered; called once per offer, after the frame was written. */
export type Behaviour = (agent: WorldAgent, world: RolloutWorld) => void;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Assignment = Mutable<NonNullable<AgentFacts['assignment']>>;

/** An agent as the database knows it, with what it does when it is offered something. */
export interface WorldAgent extends Omit<Mutable<AgentFacts>, 'assignment'> {
	assignment: Assignment | null;
	readonly key: string;
	readonly domain: string | null;
	former: { versionId: VersionId | null; seq: number } | null;
	behaviour: Behaviour;
}

const fullReports: Reports = { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true };

/** Answers APPLIED at once and shows the config. */
export const applies: Behaviour = (agent) => {
	if (agent.assignment === null) return;
	agent.assignment.answer = 'applied';
	agent.assignment.effective = 'match';
	agent.provenVersion = agent.assignment.versionId;
};

/** Answers FAILED to the new version, and applies what it ran before. */
export const fails: Behaviour = (agent, world) => {
	if (agent.assignment?.versionId !== world.rollout.versionId) return applies(agent, world);
	agent.assignment.answer = 'failed';
	agent.assignment.error = 'no such exporter';
};

/** As `applies`, and reconnects with the new config. */
export const reconnects: Behaviour = (agent, world) => {
	applies(agent, world);
	agent.sessionEpoch += 1;
};

export const keepsSilent: Behaviour = () => {};

export const goesAway: Behaviour = (agent) => {
	agent.session = 'lost';
};

export const idleEnvironment: Environment = {
	unheardGateways: [],
	controlLost: 0,
	controlConnected: 0,
	latestOfGroup: true,
};

export const rolloutId = 'rollout-1' as RolloutId;
export const newVersion = 'version-2' as VersionId;
export const oldVersion = 'version-1' as VersionId;

/** Differs whenever something differs that a rollout folds. */
function fingerprint({
	session,
	sessionEpoch,
	healthy,
	healthFlips,
	restarts,
	inGroup,
	quarantined,
	provenVersion,
	assignment,
}: AgentFacts): string {
	const { seq, answer, effective, versionId, rolloutId: owner } = assignment ?? {};
	const own = [session, sessionEpoch, healthy, healthFlips, restarts, inGroup, quarantined, provenVersion];
	return [...own, seq, answer, effective, versionId, owner].join();
}

/** One rollout over agents kept in maps: it does what the store and the gateways do, in the plainest way, and checks the sums after every decision. */
export class RolloutWorld {
	/** False: neither checks the sums nor keeps decisions and snapshots, for worlds that are run by the thousand. */
	readonly #examined: boolean;
	nowMs = 1_000_000;
	rollout: Rollout;
	environment: Environment = idleEnvironment;
	/** Verdicts the next decisions are handed. */
	metricResults: readonly MetricResult[] = [];
	readonly steps = new Map<number, Step>();
	readonly targets = new Map<AgentId, Target>();
	readonly agents = new Map<AgentId, WorldAgent>();
	readonly commands: Command[] = [];
	readonly decisions: Decision[] = [];
	readonly snapshots: Snapshot[] = [];
	/** Assignments of the new version written to a socket: agent and instant. */
	readonly offers: { readonly agentId: AgentId; readonly atMs: number; readonly seq: number }[] = [];
	#commandCount = 0;

	constructor(input: Partial<SpecInput> = {}, { examined = true }: { readonly examined?: boolean } = {}) {
		this.#examined = examined;
		this.rollout = newRollout({
			id: rolloutId,
			groupId: 'group-1' as GroupId,
			versionId: newVersion,
			spec: resolveSpec({ seed: 'seed', ...input }),
			createdAtMs: this.nowMs,
		});
	}

	addAgents(count: number, change: Partial<WorldAgent> = {}): readonly WorldAgent[] {
		return Array.from({ length: count }, () => this.addAgent(change));
	}

	addAgent(change: Partial<WorldAgent> = {}): WorldAgent {
		const name = `agent-${String(this.agents.size).padStart(5, '0')}`;
		const agent: WorldAgent = {
			agentId: name as AgentId,
			key: name,
			domain: null,
			inGroup: true,
			session: 'live',
			sessionEpoch: 1,
			reports: fullReports,
			healthy: true,
			healthFlips: 0,
			restarts: 0,
			provenVersion: oldVersion,
			quarantined: false,
			assignment: null,
			former: null,
			behaviour: applies,
			...change,
		};
		this.agents.set(agent.agentId, agent);
		return agent;
	}

	setHealth(agent: WorldAgent, healthy: boolean): void {
		if (agent.healthy !== healthy) agent.healthFlips += 1;
		agent.healthy = healthy;
	}

	/** Asks for something; it is decided by the next tick. */
	ask(kind: CommandKind, change: Partial<Command> = {}): string {
		this.#commandCount += 1;
		const id = `command-${this.#commandCount}`;
		this.commands.push({ id, kind, actor: 'ann', ...change });
		return id;
	}

	/** The state every target is in. */
	count(state: Target['state']): number {
		return [...this.targets.values()].filter((target) => target.state === state).length;
	}

	targetOf(agent: WorldAgent): Target {
		const target = this.targets.get(agent.agentId);
		assert(target !== undefined, `${agent.agentId} is no target`);
		return target;
	}

	agentsIn(state: Target['state']): readonly WorldAgent[] {
		return [...this.agents.values()].filter(({ agentId }) => this.targets.get(agentId)?.state === state);
	}

	snapshot(): Snapshot {
		const steps = [...this.steps.values()].toSorted((a, b) => a.index - b.index);
		const needs = snapshotNeeds(this.rollout, steps);
		const byRank = this.#byRank();
		const page = (limit: number, wanted: (target: Target) => boolean) =>
			byRank
				.filter(wanted)
				.slice(0, limit)
				.map((target) => ({ target, facts: this.#factsOf(target.agentId) }));
		const tail = this.rollout.state === 'Completed';
		const due = dueObservedMs(this.rollout, this.nowMs);
		const named = this.commands.flatMap(({ agentIds }) => agentIds ?? []);
		const retryAll = this.commands.some(({ kind, agentIds }) => kind === 'retry' && (agentIds ?? []).length === 0);
		const failed = ['Failed', 'Reverted', 'TimedOut'];
		return {
			rollout: this.rollout,
			steps,
			changed: page(5_000, (target) => this.#isChanged(target) || (target.wakeAt !== null && target.wakeAt <= due)),
			members: this.#members(needs.members),
			fill: page(needs.fill, ({ state, step }) => state === 'Pending' && step === null),
			admit: page(
				needs.admit,
				({ state, step, seq }) =>
					state === 'Pending' && seq === null && (tail ? step !== null : step === this.rollout.currentStep),
			),
			back: page(needs.back, ({ back }) => back?.state === 'todo'),
			named: page(5_000, ({ agentId, state }) => named.includes(agentId) || (retryAll && failed.includes(state))),
			commands: [...this.commands],
			environment: this.environment,
			metricResults: this.metricResults,
			nowMs: this.nowMs,
		};
	}

	/** One decision, committed; `meanwhile` happens after its snapshot and before its commit. */
	tick(meanwhile: () => void = () => {}): Decision {
		const snapshot = this.snapshot();
		const decision = decide(snapshot);
		meanwhile();
		if (!decision.changed) return decision;
		this.#commit(snapshot, decision);
		if (!this.#examined) return decision;
		this.snapshots.push(snapshot);
		this.decisions.push(decision);
		if (decision.targets.length > 0 || decision.events.length > 0) this.#checkSums();
		return decision;
	}

	/** Ticks until nothing more is to be done at once, and lets the gateways and agents act. */
	settle(): void {
		for (let turn = 0; turn < 50; turn += 1) {
			const decision = this.tick();
			this.deliver();
			if (decision.nextWakeAtMs === null || decision.nextWakeAtMs > this.nowMs) return;
		}
		throw new Error('a rollout that always has more to do at once');
	}

	/** Lets time pass, second by second. */
	pass(seconds: number): void {
		for (let second = 0; second < seconds; second += 1) {
			this.nowMs += 1_000;
			this.settle();
		}
	}

	/** Lets time pass until something holds; throws when it does not within `seconds`. */
	passUntil(holds: (world: RolloutWorld) => boolean, seconds = 7_200): void {
		for (let second = 0; second < seconds; second += 1) {
			if (holds(this)) return;
			this.pass(1);
		}
		if (!holds(this)) throw new Error(`not within ${seconds} s: ${this.rollout.state} ${this.rollout.pauseReasons}`);
	}

	start(): void {
		this.ask('start');
		this.settle();
	}

	/** The gateways write every assignment they may offer, and the agents act. */
	deliver(): void {
		for (const agent of this.agents.values()) {
			const { assignment } = agent;
			if (assignment === null || assignment.answer !== 'none' || agent.session !== 'live') continue;
			if (assignment.versionId === null) continue;
			const forward = assignment.versionId === this.rollout.versionId;
			if (forward && offersOf(this.rollout) !== 'open') continue;
			assignment.answer = 'offered';
			if (forward) this.offers.push({ agentId: agent.agentId, atMs: this.nowMs, seq: assignment.seq });
			agent.behaviour(agent, this);
		}
	}

	#factsOf(agentId: AgentId): AgentFacts {
		const agent = this.agents.get(agentId);
		assert(agent !== undefined, `${agentId} does not exist`);
		const { behaviour: _behaviour, key: _key, domain: _domain, former: _former, assignment, ...facts } = agent;
		return { ...facts, assignment: assignment === null ? null : { ...assignment } };
	}

	#members(limit: number): readonly Member[] {
		return [...this.agents.values()]
			.filter(({ agentId, inGroup }) => inGroup && !this.targets.has(agentId))
			.slice(0, limit)
			.map((agent) => ({
				facts: this.#factsOf(agent.agentId),
				key: agent.key,
				hostname: agent.key,
				lastSeenMs: 0,
				domain: agent.domain,
			}));
	}

	/** Ranks never change: the order only has to be made anew when somebody was added. */
	#ranked: readonly AgentId[] = [];

	#byRank(): readonly Target[] {
		if (this.#ranked.length !== this.targets.size) {
			const sorted = [...this.targets.values()].toSorted((a, b) => a.rank - b.rank);
			this.#ranked = sorted.map(({ agentId }) => agentId);
		}
		return this.#ranked.flatMap((agentId) => this.targets.get(agentId) ?? []);
	}

	readonly #seen = new Map<AgentId, string>();

	#isChanged({ agentId }: Target): boolean {
		return this.#seen.get(agentId) !== fingerprint(this.#agent(agentId));
	}

	#commit(snapshot: Snapshot, decision: Decision): void {
		for (const { facts } of snapshot.changed) this.#seen.set(facts.agentId, fingerprint(facts));
		assert(decision.rollout.seq === this.rollout.seq + 1, 'the journal has no gaps');
		const startsRollback = decision.rollout.rollingBack && !this.rollout.rollingBack;
		this.rollout = decision.rollout;
		for (const step of decision.steps) this.steps.set(step.index, step);
		for (const target of decision.targets) this.targets.set(target.agentId, target);
		for (const write of decision.assignments) this.#assign(write);
		for (const agentId of decision.withdraw) this.#withdraw(agentId);
		if (decision.withdrawUnsent) this.#withdrawUnsent();
		if (startsRollback) this.#markBack();
		for (const { agentId } of decision.quarantine) this.#agent(agentId).quarantined = true;
		for (const agentId of decision.unquarantine) this.#agent(agentId).quarantined = false;
		const decided = new Set(decision.outcomes.map(({ commandId }) => commandId));
		this.commands.splice(0, this.commands.length, ...this.commands.filter(({ id }) => !decided.has(id)));
	}

	#agent(agentId: AgentId): WorldAgent {
		const agent = this.agents.get(agentId);
		assert(agent !== undefined, `${agentId} does not exist`);
		return agent;
	}

	#assign({ agentId, versionId, attempt, expectedSeq }: Decision['assignments'][number]): void {
		const agent = this.#agent(agentId);
		assert((agent.assignment?.seq ?? null) === expectedSeq, `${agentId}: the assignment moved`);
		agent.former = agent.assignment;
		const seq = (expectedSeq ?? 0) + 1;
		agent.assignment = {
			seq,
			versionId,
			rolloutId: this.rollout.id,
			attempt,
			answer: 'none',
			error: null,
			effective: 'unknown',
		};
	}

	#withdraw(agentId: AgentId): boolean {
		const agent = this.#agent(agentId);
		const { assignment } = agent;
		if (assignment === null || assignment.answer !== 'none' || assignment.versionId !== this.rollout.versionId)
			return false;
		agent.assignment = {
			...assignment,
			seq: assignment.seq + 1,
			versionId: agent.former?.versionId ?? null,
			rolloutId: null,
			answer: 'applied',
		};
		return true;
	}

	#withdrawUnsent(): void {
		for (const target of [...this.targets.values()]) {
			if (target.seq === null || target.state !== 'Pending' || !this.#withdraw(target.agentId)) continue;
			this.targets.set(target.agentId, { ...target, seq: null, dispatches: 0, dispatchAt: null, wakeAt: null });
			const step = this.steps.get(target.step ?? -1);
			assert(step !== undefined, 'an admitted target has a step');
			this.steps.set(step.index, { ...step, counters: withoutUnsent(step.counters, target) });
		}
	}

	#markBack(): void {
		for (const target of [...this.targets.values()]) {
			if (isTouched(target)) this.targets.set(target.agentId, { ...target, back: { state: 'todo' } });
		}
	}

	#checkSums(): void {
		const found = breaches(this.rollout, [...this.steps.values()]);
		assert(found.length === 0, found.join('; '));
		const targets = [...this.targets.values()];
		for (const step of this.steps.values()) {
			const own = targets.filter((target) => target.step === step.index);
			const sum = tally(own, this.rollout.acceptedSeq);
			assert(
				canonicalJson(sum) === canonicalJson(step.counters),
				`step ${step.index}: counters are not the sum of its targets:
${JSON.stringify(sum)}
${JSON.stringify(step.counters)}`,
			);
		}
		const unplaced = byState(
			(state) => targets.filter((target) => target.step === null && target.state === state).length,
		);
		assert(
			JSON.stringify(unplaced) === JSON.stringify(this.rollout.unplaced),
			'unplaced is not the sum of the unplaced',
		);
		const back = targets.reduce((sum, target) => addBack(sum, backTally(target), 1), emptyBack);
		assert(
			JSON.stringify(back) === JSON.stringify(this.rollout.back),
			`back is not the sum: ${JSON.stringify([back, this.rollout.back])}`,
		);
		const { backByDomain = {} } = this.rollout;
		const onTheirWay = targets.filter(({ back: way, domain }) => way?.state === 'assigned' && domain !== undefined);
		const counted = Object.values(backByDomain).reduce((sum, count) => sum + count, 0);
		assert(
			counted === onTheirWay.length && onTheirWay.every(({ domain = -1 }) => (backByDomain[domain] ?? 0) > 0),
			`the domains of ${onTheirWay.length} on their way back are counted as ${JSON.stringify(backByDomain)}`,
		);
	}
}
