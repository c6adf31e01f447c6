import { type AgentId, assert } from '@ampora/runtime';
import type { AssignmentWrite, CommandOutcome, Decision, RolloutEvent, Snapshot } from './decision.js';
import type { AgentFacts, Rollout, Step, Target, TargetView } from './model.js';
import { addBack, backTally, tallyInto, type WorkingCounters, withDomain, workingCopy } from './tally.js';

/**
 * The decision being made: a working copy that one call of `decide` owns and nobody else sees. Every change of a target goes through
 * `put`, which keeps all counters equal to the sum of the targets' tallies.
 */
export class Draft {
	readonly nowMs: number;
	/** Journal seq of this decision. */
	readonly seq: number;
	readonly assignments: AssignmentWrite[] = [];
	readonly withdraw: AgentId[] = [];
	readonly quarantine: { readonly agentId: AgentId; readonly reason: string }[] = [];
	readonly unquarantine: AgentId[] = [];
	readonly outcomes: CommandOutcome[] = [];
	readonly events: RolloutEvent[] = [];
	readonly #dispatch = new Set<AgentId>();
	readonly #steps = new Map<number, Step>();
	readonly #changedSteps = new Set<number>();
	/** Counters this decision has copied and may change in place. */
	readonly #own = new Map<unknown, WorkingCounters>();
	readonly #targets = new Map<AgentId, Target>();
	readonly #facts = new Map<AgentId, AgentFacts>();
	readonly #changedTargets = new Set<AgentId>();
	withdrawUnsent = false;
	/** There is more to do at once: the next decision need not wait. */
	more = false;
	/** Somebody who was deferred is back: a candidate that is on no page of this decision. */
	returned = false;
	/** An agent changed state, or a step began. */
	progressed = false;
	/** Something changed besides the clocks. */
	dirty = false;
	#rollout: Rollout;

	constructor(readonly snapshot: Snapshot) {
		// Whole ms: everything below is whole as long as this is.
		this.nowMs = Math.floor(snapshot.nowMs);
		this.seq = snapshot.rollout.seq + 1;
		this.#rollout = snapshot.rollout;
		for (const step of snapshot.steps.toSorted((a, b) => a.index - b.index)) this.#steps.set(step.index, step);
		const { changed, fill, admit, back, named } = snapshot;
		for (const view of [...changed, ...fill, ...admit, ...back, ...named]) {
			this.#targets.set(view.target.agentId, view.target);
			this.#facts.set(view.target.agentId, view.facts);
		}
	}

	get rollout(): Rollout {
		return this.#rollout;
	}

	/** In order: a step that is started comes after all before it. */
	get steps(): readonly Step[] {
		return [...this.#steps.values()];
	}

	get current(): Step | null {
		const { currentStep } = this.#rollout;
		return currentStep === null ? null : (this.#steps.get(currentStep) ?? null);
	}

	step(index: number): Step | null {
		return this.#steps.get(index) ?? null;
	}

	/** The agents loaded for this decision, as they are by now. */
	views(): readonly TargetView[] {
		return [...this.#facts].map(([agentId, facts]) => ({ target: this.target(agentId), facts }));
	}

	target(agentId: AgentId): Target {
		const target = this.#targets.get(agentId);
		assert(target !== undefined, `target ${agentId} was not loaded`);
		return target;
	}

	find(agentId: AgentId): TargetView | null {
		const target = this.#targets.get(agentId);
		const facts = this.#facts.get(agentId);
		return target === undefined || facts === undefined ? null : { target, facts };
	}

	patch(change: Partial<Rollout>): void {
		this.#rollout = { ...this.#rollout, ...change };
		this.dirty = true;
	}

	/** Clocks alone are not worth a journal row each time: they make nothing dirty. */
	patchClocks(
		change: Partial<Pick<Rollout, 'observedMs' | 'progressedMs' | 'bakedMs' | 'lastTickAtMs' | 'hold'>>,
	): void {
		this.#rollout = { ...this.#rollout, ...change };
	}

	putStep(step: Step): void {
		this.putStepClock(step);
		this.dirty = true;
	}

	putStepClock(step: Step): void {
		this.#steps.set(step.index, step);
		this.#changedSteps.add(step.index);
	}

	/** A new target, from planning; it stands in no step yet. */
	addTarget(target: Target): void {
		assert(!this.#targets.has(target.agentId), `target ${target.agentId} is planned twice`);
		this.#targets.set(target.agentId, target);
		this.#changedTargets.add(target.agentId);
		this.#count(target, 1);
		this.dirty = true;
	}

	put(target: Target): void {
		const before = this.target(target.agentId);
		if (sameTarget(before, target)) return;
		if (before.state !== target.state) this.progressed = true;
		this.#count(before, -1);
		this.#targets.set(target.agentId, target);
		this.#changedTargets.add(target.agentId);
		this.#count(target, 1);
		this.dirty = true;
	}

	event(event: RolloutEvent): void {
		this.events.push(event);
		this.dirty = true;
	}

	dispatch(agentId: AgentId): void {
		this.#dispatch.add(agentId);
		this.dirty = true;
	}

	/** Nothing that was not offered yet is to be offered now. */
	stopDispatch(): void {
		this.#dispatch.clear();
	}

	/** Targets changed in this decision. */
	changedTargets(): readonly Target[] {
		return [...this.#changedTargets].map((agentId) => this.target(agentId));
	}

	finish(end: Pick<Decision, 'nextWakeAtMs' | 'waitsFor' | 'changed'>): Decision {
		return {
			rollout: { ...this.#rollout, seq: this.seq },
			steps: this.steps.filter((step) => this.#changedSteps.has(step.index)),
			targets: this.changedTargets(),
			assignments: this.assignments,
			withdrawUnsent: this.withdrawUnsent,
			withdraw: this.withdraw,
			quarantine: this.quarantine,
			unquarantine: this.unquarantine,
			outcomes: this.outcomes,
			events: this.events,
			dispatch: [...this.#dispatch],
			...end,
		};
	}

	#count(target: Target, sign: 1 | -1): void {
		if (target.back !== null) {
			this.#rollout = { ...this.#rollout, back: addBack(this.#rollout.back, backTally(target), sign) };
			if (target.back.state === 'assigned' && target.domain !== undefined) {
				const backByDomain = withDomain(this.#rollout.backByDomain, target.domain, sign);
				this.#rollout = { ...this.#rollout, backByDomain };
			}
		}
		if (target.step === null) {
			const { unplaced } = this.#rollout;
			const count = unplaced[target.state] + sign;
			this.#rollout = { ...this.#rollout, unplaced: { ...unplaced, [target.state]: count } };
			return;
		}
		tallyInto(this.#countersOf(target.step), target, this.#rollout.acceptedSeq, sign);
	}

	#countersOf(index: number): WorkingCounters {
		const step = this.#steps.get(index);
		assert(step !== undefined, `step ${index} does not exist`);
		const own = this.#own.get(step.counters);
		if (own !== undefined) return own;
		const counters = workingCopy(step.counters);
		this.#own.set(counters, counters);
		this.putStep({ ...step, counters });
		return counters;
	}
}

/** Folding rebuilds a target each time; one that says the same is no change. */
function sameTarget(a: Target, b: Target): boolean {
	if (a === b) return true;
	return (Object.keys(a) as (keyof Target)[]).every((key) => a[key] === b[key] || sameRecord(a[key], b[key]));
}

function sameRecord(a: unknown, b: unknown): boolean {
	if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
	const right = new Map(Object.entries(b));
	const left = Object.entries(a);
	return left.length === right.size && left.every(([key, value]) => right.has(key) && right.get(key) === value);
}
