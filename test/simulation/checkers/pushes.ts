// Invariants judged by what was seen to leave the gateways, and by what people asked for when they made a rollout.
import type { GateName, Rollout, RolloutSpec } from '@ampora/rollout';
import type { AgentId, RolloutId } from '@ampora/runtime';
import type { Check, Checked, Observation, PastAssignment } from './observation.js';

type Committed = Extract<Observation, { kind: 'committed' }>;

const isForward = ({ cause }: { readonly cause: string }): boolean => cause === 'rollout' || cause === 'retry';

const accepts = ({ decision }: Committed, ...kinds: readonly string[]): boolean =>
	decision.events.some((event) => event.kind === 'command' && event.accepted && kinds.includes(event.command));

/** What was asked for when a rollout was made: nothing but its gates is ever changed. */
class Wishes {
	readonly #specs = new Map<RolloutId, RolloutSpec>();

	get(id: RolloutId): RolloutSpec | undefined {
		return this.#specs.get(id);
	}

	of({ before }: Committed): RolloutSpec {
		const known = this.#specs.get(before.rollout.id) ?? before.rollout.spec;
		this.#specs.set(before.rollout.id, known);
		return known;
	}
}

/** When the database's clock was last set: what is measured by it over that instant is not comparable. */
class ClockSteps {
	#offMs: number | null = null;
	lastMs = Number.NEGATIVE_INFINITY;

	look({ db, nowMs }: Checked): void {
		const offMs = db.nowMs() - nowMs;
		if (this.#offMs !== null && Math.abs(offMs - this.#offMs) > 5) this.lastMs = nowMs;
		this.#offMs = offMs;
	}
}

/** Rounding of virtual time, and of the database's. */
const graceMs = 2;

interface Handed {
	readonly agentId: AgentId;
	/** The session it had when it was handed the version. */
	sessionEpoch: number;
	applied: boolean;
}

/** A change of how agents reach their server: nobody else gets it before the first one came back with it, or a person takes that on. */
export const firstAgent = (): Check => {
	const wishes = new Wishes();
	const first = new Map<RolloutId, Handed>();
	const passed = new Set<RolloutId>();
	return (seen, { db, history }) => {
		if (seen.kind === 'committed') wishes.of(seen);
		if (seen.kind === 'committed' && accepts(seen, 'resume', 'advance')) passed.add(seen.decision.rollout.id);
		if (seen.kind === 'answered' && seen.said.status === 'applied') {
			const id = history.withSeq(seen.agentId, seen.said.seq)?.rolloutId ?? null;
			const handed = id === null ? undefined : first.get(id);
			if (handed?.agentId === seen.agentId) handed.applied = true;
		}
		if (seen.kind !== 'written' || seen.offer.seq === null) return null;
		const row = history.withSeq(seen.agentId, seen.offer.seq);
		if (row?.rolloutId == null || !isForward(row) || passed.has(row.rolloutId)) return null;
		if (wishes.get(row.rolloutId)?.strategy.firstAgentAlone !== true) return null;
		const sessionEpoch = db.agent(seen.agentId)?.sessionEpoch ?? 0;
		const before = first.get(row.rolloutId);
		const target = before && db.rollout(row.rolloutId)?.targets.get(before.agentId)?.target;
		// One that reports no status never says so: its effective config does.
		const shown = target?.reports.configStatus === false && target.state === 'Applied';
		// Somebody gave it something else before it answered: another one is the first now.
		const replaced = target?.state === 'Skipped';
		if (before === undefined || before.agentId === seen.agentId || replaced) {
			// It is handed the version whenever it comes back, for nobody can tell that it has it.
			if (shown) passed.add(row.rolloutId);
			first.set(row.rolloutId, { agentId: seen.agentId, sessionEpoch, applied: false });
			return null;
		}
		const cameBack = (db.agent(before.agentId)?.sessionEpoch ?? 0) > before.sessionEpoch;
		passed.add(row.rolloutId);
		if (!before.applied && !shown) return 'a second agent was handed the version before the first one applied it';
		return cameBack ? null : 'a second agent was handed the version before the first one came back with it';
	};
};

const inFlightPercent = 5;
const domainPercent = 25;

function capsOf(spec: RolloutSpec, eligible: number): { readonly all: number; readonly domain: number | null } {
	const { maxInFlight, spreadBy } = spec;
	if (maxInFlight === 'unlimited') return { all: Number.POSITIVE_INFINITY, domain: null };
	if (maxInFlight !== null) return { all: maxInFlight, domain: null };
	const all = Math.min(1_000, Math.max(1, Math.floor((eligible * inFlightPercent) / 100)));
	return { all, domain: spreadBy ? domainPercent : null };
}

/**
 * Of the agents whose row says the version: those that have not answered by the database, are in the session in which it was written, and
 * not for so long that they could have timed out. These are in flight whatever the rollout says of them (R4).
 */
export const caps = (): Check => {
	const wishes = new Wishes();
	const clock = new ClockSteps();
	const sessions = new Map<AgentId, { readonly seq: number; readonly epoch: number }>();
	return (seen, world) => {
		clock.look(world);
		if (seen.kind !== 'committed') return null;
		const { db, nowMs, history } = world;
		const spec = wishes.of(seen);
		for (const { agentId, seq } of seen.moved)
			sessions.set(agentId, { seq, epoch: db.agent(agentId)?.sessionEpoch ?? 0 });
		const { id } = seen.decision.rollout;
		const admitted = seen.moved.filter((row) => row.rolloutId === id && isForward(row));
		const after = admitted.length === 0 ? null : db.rollout(id);
		if (after === null) return null;
		const youngMs = spec.gates['apply-timeout-ratio'].windowMs;
		const isWaiting = (row: PastAssignment | null): boolean => {
			if (row?.rolloutId !== id || !isForward(row) || nowMs - row.fromMs > youngMs - graceMs) return false;
			if (row.fromMs < clock.lastMs) return false;
			const session = sessions.get(row.agentId);
			const answer = db.assignment(row.agentId)?.answer;
			const agent = db.agent(row.agentId);
			const same = session?.seq === row.seq && agent?.sessionEpoch === session.epoch && agent.gateway !== null;
			return same && (answer === 'none' || answer === 'offered' || answer === 'applying');
		};
		const waiting = [...after.targets.keys()].filter((agentId) => isWaiting(history.current(agentId)));
		const { all, domain } = capsOf(spec, after.targets.size);
		if (waiting.length > all) return `${waiting.length} agents have not answered, ${all} may`;
		if (domain === null || !spec.spreadBy) return null;
		const zoneOf = (agentId: AgentId) => db.attribute(agentId, spec.spreadBy ?? '');
		for (const zone of new Set(admitted.map(({ agentId }) => zoneOf(agentId)))) {
			const of = (ids: Iterable<AgentId>) => [...ids].filter((agentId) => zoneOf(agentId) === zone).length;
			const most = Math.max(1, Math.floor((of(after.targets.keys()) * domain) / 100));
			if (of(waiting) > most) return `${of(waiting)} agents of zone ${zone} have not answered, ${most} may`;
		}
		return null;
	};
};

/** What waits for its time starts then, or when a person says so, and not before (R1). */
export const startAt = (): Check => {
	const wishes = new Wishes();
	const clock = new ClockSteps();
	return (seen, world) => {
		clock.look(world);
		if (seen.kind !== 'committed') return null;
		const { startAtMs } = wishes.of(seen);
		const { before, decision } = seen;
		const started = before.rollout.startedAtMs === null && decision.rollout.startedAtMs !== null;
		if (!started || startAtMs == null || accepts(seen, 'start') || world.nowMs - clock.lastMs < 10_000) return null;
		const earlyMs = startAtMs - world.db.nowMs();
		return earlyMs > graceMs ? `it started ${Math.round(earlyMs)} ms before its time` : null;
	};
};

/** An answer that took this long on its way may not have been known to whoever decided, virtual ms. */
const underWayMs = 6_000;
/** No look moves the observed clock by more than two ticks while somebody is waited for. */
const looksMs = 2_000;
const quietLooksMs = 10_000;

interface Progress {
	/** Virtual time at which an agent's answer moved, newest last. */
	readonly answeredMs: number[];
	/** When it was last resumed, or started. */
	runsSinceMs: number;
	/** When it was committed before, and the observed time each of those commits can have added at most. */
	readonly looks: { readonly atMs: number; readonly addedMs: number }[];
}

const settled = (answer: string | undefined): boolean =>
	answer === 'applied' || answer === 'failed' || answer === 'reverted';

/** The deadline passes only after so much time in which we could hear, and no agent answered (R12). */
export const deadline = (): Check => {
	const wishes = new Wishes();
	const progress = new Map<RolloutId, Progress>();
	const of = (id: RolloutId): Progress => {
		const known = progress.get(id) ?? { answeredMs: [], runsSinceMs: 0, looks: [] };
		progress.set(id, known);
		return known;
	};
	return (seen, { db, nowMs }) => {
		if (seen.kind === 'flushed') {
			for (const { agentId } of seen.reports) {
				const row = db.assignment(agentId);
				const before = seen.assignmentsBefore.get(agentId);
				if (row?.rolloutId == null || row.seq !== before?.seq || !isForward(row)) continue;
				if (settled(row.answer) && row.answer !== before.answer) of(row.rolloutId).answeredMs.push(nowMs);
			}
		}
		if (seen.kind !== 'committed' || !seen.decision.changed) return null;
		const { before, decision } = seen;
		const known = of(decision.rollout.id);
		const lookedAtMs = known.looks.at(-1)?.atMs ?? nowMs;
		const mostMs = isQuiet(before.rollout, before.steps) ? quietLooksMs : looksMs;
		known.looks.push({ atMs: nowMs, addedMs: Math.min(nowMs - lookedAtMs, mostMs) });
		if (known.looks.length > 5_000) known.looks.splice(0, 1_000);
		const paused =
			decision.rollout.pauseReasons.includes('deadline') && !before.rollout.pauseReasons.includes('deadline');
		if (before.rollout.state !== 'InProgress') known.runsSinceMs = nowMs;
		if (!paused) return null;
		const heardMs = known.answeredMs.findLast((atMs) => nowMs - atMs > underWayMs) ?? 0;
		const sinceMs = Math.max(heardMs, known.runsSinceMs);
		const passedMs = known.looks.reduce((sum, { atMs, addedMs }) => (atMs > sinceMs ? sum + addedMs : sum), 0);
		const deadlineMs = wishes.of(seen).progressDeadlineMs ?? 1_800_000;
		// A clock that was set forward counts for one look.
		return passedMs + 3 * mostMs < deadlineMs
			? `the deadline of ${deadlineMs} ms passed after ${Math.round(passedMs)} ms in which agents could have answered`
			: null;
	};
};

const isQuiet = ({ state }: Rollout, steps: Committed['before']['steps']): boolean =>
	state === 'Paused' || steps.every(({ counters }) => counters.inFlight === 0);

/** Gates change when somebody edits them and not otherwise, and become looser only while the rollout is paused (R5). */
export const gateEdits: Check = (seen) => {
	if (seen.kind !== 'committed') return null;
	const { before, decision } = seen;
	const paused = before.rollout.state === 'Paused' || decision.rollout.state === 'Paused' || accepts(seen, 'pause');
	for (const [gate, is] of Object.entries(decision.rollout.spec.gates)) {
		const was = before.rollout.spec.gates[gate as GateName];
		const moves = [is.thresholdPercent - was.thresholdPercent, (is.minSample ?? 0) - (was.minSample ?? 0)];
		if (moves.every((by) => by === 0)) continue;
		if (!accepts(seen, 'edit-gates')) return `${gate} changed, and nobody asked for that`;
		if (!paused && moves.some((by) => by > 0)) return `${gate} became looser while ${before.rollout.state}`;
	}
	return null;
};
