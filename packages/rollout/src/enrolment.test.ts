import type { AgentId, RolloutId, VersionId } from '@ampora/runtime';
import { describe, expect, it } from 'vitest';
import {
	decideEnrolment,
	type Enrolled,
	type EnrolmentDecision,
	type EnrolmentSnapshot,
	type EnrolmentState,
	newEnrolment,
	resumedEnrolment,
} from './enrolment.js';
import type { AgentFacts } from './model.js';
import { resolveSpec } from './spec.js';

const first = 'version-1' as VersionId;
const minute = 60;
const full = { remoteConfig: true, configStatus: true, effectiveConfig: true, health: true };
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Behaviour = (agent: Mutable<AgentFacts>) => void;

const answering =
	(answer: 'applied' | 'failed', effective: 'match' | 'unknown' = 'match'): Behaviour =>
	(agent) => {
		if (agent.assignment === null) return;
		agent.assignment = {
			...agent.assignment,
			answer,
			error: answer === 'failed' ? 'no such exporter' : null,
			effective,
		};
	};
const unsent = { rolloutId: null, attempt: 1, seq: 1, answer: 'none', error: null, effective: 'unknown' } as const;
const applies = answering('applied');
const fails = answering('failed', 'unknown');

/** One group over agents kept in maps, looked at every second; a newcomer is offered the default a second after it was assigned. */
class EnrolmentWorld {
	nowMs = 1_000_000;
	state: EnrolmentState = newEnrolment;
	versionId: VersionId | null = first;
	given: Partial<EnrolmentSnapshot> = {};
	readonly agents = new Map<AgentId, Mutable<AgentFacts>>();
	readonly waiting = new Set<AgentId>();
	readonly watched = new Map<AgentId, Enrolled>();
	readonly assigned: AgentId[] = [];
	readonly quarantined: AgentId[] = [];
	mostAtOnce = 0;
	constructor(private readonly behaviour: Behaviour = applies) {}

	join(count: number, change: Partial<AgentFacts> = {}): readonly AgentId[] {
		return Array.from({ length: count }, () => {
			const agentId = `agent-${String(this.agents.size).padStart(5, '0')}` as AgentId;
			this.agents.set(agentId, {
				...{ agentId, inGroup: true, session: 'live', sessionEpoch: 1, reports: full, healthy: true, healthFlips: 0 },
				...{ restarts: 0, provenVersion: null, quarantined: false, assignment: null, ...change },
			});
			this.waiting.add(agentId);
			return agentId;
		});
	}

	agent(agentId: AgentId | undefined): Mutable<AgentFacts> {
		const agent = agentId && this.agents.get(agentId);
		if (!agent) throw new Error('there is no such agent');
		return agent;
	}

	snapshot(): EnrolmentSnapshot {
		const candidates = [...this.waiting].filter((id) => !this.watched.has(id) && this.agent(id).session === 'live');
		return {
			...{ nowMs: this.nowMs, state: this.state, versionId: this.versionId, published: true },
			...{ spec: resolveSpec({ seed: 'enrolment' }), members: this.agents.size },
			...{ calendar: { windows: [], freezes: [] }, busyWith: null, controlLost: 0, controlConnected: 0 },
			watched: [...this.watched].map(([id, one]) => ({ ...one, facts: this.agent(id) })),
			waiting: candidates.slice(0, 100).map((id) => ({ facts: this.agent(id), placed: false })),
			...this.given,
		};
	}

	/** One look, and what stores, gateways and agents make of it. */
	look(): EnrolmentDecision {
		this.nowMs += 1_000;
		const decision = decideEnrolment(this.snapshot());
		this.state = decision.state;
		for (const one of decision.enrolled) this.watched.set(one.target.agentId, one);
		for (const agentId of decision.dropped) this.watched.delete(agentId);
		for (const agentId of decision.settled) this.waiting.delete(agentId);
		for (const agentId of decision.withdraw) {
			const agent = this.agent(agentId);
			if (agent.assignment?.answer !== 'none') throw new Error('what was offered cannot be taken back');
			agent.assignment = { ...agent.assignment, seq: agent.assignment.seq + 1, versionId: null };
		}
		for (const { agentId } of decision.quarantine) {
			this.agent(agentId).quarantined = true;
			this.quarantined.push(agentId);
		}
		for (const [id] of this.watched) this.#offer(id);
		for (const { agentId, versionId, attempt, expectedSeq } of decision.assignments) {
			this.agent(agentId).assignment = { ...unsent, versionId, attempt, seq: (expectedSeq ?? 0) + 1 };
			this.assigned.push(agentId);
		}
		const unanswered = [...this.watched.values()].filter(({ well }) => !well).length;
		this.mostAtOnce = Math.max(this.mostAtOnce, unanswered);
		return decision;
	}

	#offer(agentId: AgentId): void {
		const agent = this.agent(agentId);
		if (agent.session !== 'live' || agent.assignment?.answer !== 'none' || agent.assignment.versionId === null) return;
		agent.assignment = { ...agent.assignment, answer: 'offered' };
		this.behaviour(agent);
	}

	pass(seconds: number): EnrolmentDecision[] {
		return Array.from({ length: seconds }, () => this.look());
	}
}

const bad = ({ state }: EnrolmentWorld) => state.verdicts.filter((verdict) => verdict.bad !== null).length;

describe('enrolment', () => {
	it('gives newcomers the default one by one at first, then as many at once as the cap allows', () => {
		const world = new EnrolmentWorld();
		world.join(200);
		world.look();
		expect(world.assigned).toHaveLength(1);
		world.pass(45 * minute);
		expect(world.assigned).toHaveLength(200);
		expect(world.mostAtOnce).toBe(10);
		expect(world.waiting.size).toBe(0);
		expect(world.watched.size).toBe(0);
	});

	it('stops at the third that fails, quarantines those, and leaves everybody else what they run', () => {
		const world = new EnrolmentWorld(fails);
		world.join(1_000);
		const decisions = world.pass(10 * minute);
		expect(bad(world)).toBe(3);
		expect(world.assigned).toHaveLength(3);
		expect(world.quarantined).toEqual(world.assigned);
		expect(world.state.stopped?.why).toBe('3 bad of the last 3, the last one: failed: no such exporter');
		expect(decisions.filter(({ fired }) => fired)).toHaveLength(1);
	});

	it('one that applies and falls ill within a minute counts', () => {
		const world = new EnrolmentWorld((agent) => {
			applies(agent);
			agent.healthy = false;
			agent.healthFlips += 1;
		});
		world.join(500);
		world.pass(20 * minute);
		expect(world.state.stopped?.why).toContain('unhealthy');
		expect(world.assigned).toHaveLength(3);
	});

	it('two bad of twenty are borne, and what is long past does not count', () => {
		let turn = 0;
		const world = new EnrolmentWorld((agent) => {
			turn += 1;
			(turn % 20 === 0 ? fails : applies)(agent);
		});
		world.join(200);
		world.pass(45 * minute);
		expect(world.state.stopped).toBeNull();
		expect(world.quarantined).toHaveLength(10);
	});

	it('takes back what was not offered yet when it stops', () => {
		const world = new EnrolmentWorld();
		const [id] = world.join(300);
		expect(world.look().assignments).toHaveLength(1);
		world.state = { ...world.state, stopped: { atMs: world.nowMs, why: 'somebody' } };
		world.agent(id).assignment = { ...unsent, versionId: first };
		expect(world.look().withdraw).toEqual([id]);
		expect(world.watched.size).toBe(0);
		expect(world.waiting.size).toBe(300);
	});

	it('goes on, carefully, once a person let it', () => {
		const world = new EnrolmentWorld(fails);
		world.join(100);
		world.pass(5 * minute);
		expect(world.state.stopped).not.toBeNull();
		world.state = resumedEnrolment(world.state);
		world.look();
		expect(world.assigned).toHaveLength(4);
	});

	it.each([
		['a rollout', { busyWith: 'rollout-9' as RolloutId }, 'rollout rollout-9 is under way'],
		['an archived version', { published: false }, 'archived'],
		[
			'a freeze',
			{ calendar: { windows: [], freezes: [{ name: 'night', reason: 'quiet', fromMs: 0, untilMs: 9_000_000 }] } },
			'freeze "night": quiet',
		],
		['lost agents elsewhere', { controlLost: 60, controlConnected: 1_000 }, 'holding: 60 of 1000'],
	])('waits while there is %s, and says so', (_, given, why) => {
		const world = new EnrolmentWorld();
		world.join(10);
		world.given = given;
		world.pass(minute);
		expect(world.assigned).toEqual([]);
		expect(world.state.waitsFor).toContain(why);
		world.given = {};
		world.pass(minute);
		expect(world.assigned.length).toBeGreaterThan(0);
		expect(world.state.waitsFor).toBeNull();
	});

	it('passes over whoever runs it, cannot take it, or failed on it before', () => {
		const world = new EnrolmentWorld();
		world.join(1, { reports: { ...full, remoteConfig: false } });
		world.join(1, { quarantined: true });
		const answered = { rolloutId: null, attempt: 1, error: null, effective: 'match', answer: 'applied' } as const;
		world.join(1, { assignment: { ...answered, seq: 4, versionId: first } });
		world.pass(3);
		expect(world.waiting.size).toBe(0);
		expect(world.assigned).toEqual([]);
	});

	it('an agent that leaves before it was offered anything is not the new group’s business', () => {
		const world = new EnrolmentWorld();
		const [id] = world.join(1);
		const { assignments } = world.look();
		expect(assignments).toHaveLength(1);
		world.agent(id).inGroup = false;
		const { withdraw, dropped } = decideEnrolment(world.snapshot());
		expect([withdraw, dropped]).toEqual([[id], [id]]);
	});

	it('another default begins anew and lets go of whoever was watched', () => {
		const world = new EnrolmentWorld();
		world.join(40);
		world.pass(minute);
		expect(world.watched.size).toBeGreaterThan(0);
		world.versionId = 'version-2' as VersionId;
		world.look();
		expect(world.watched.size).toBe(1);
		expect(world.state).toMatchObject({ versionId: 'version-2', verdicts: [], stopped: null });
	});

	it('one that vanishes counts after its window, and not while its gateway cannot be heard', () => {
		const world = new EnrolmentWorld();
		const [id] = world.join(1);
		world.pass(10);
		world.agent(id).session = 'unheard';
		world.pass(10 * minute);
		expect(bad(world)).toBe(0);
		world.agent(id).session = 'lost';
		world.pass(4 * minute);
		expect(bad(world)).toBe(0);
		world.pass(2 * minute);
		expect(world.state.verdicts.at(-1)?.bad).toContain('disconnected');
	});
});
