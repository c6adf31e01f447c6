import { CalendarHistory } from './calendar.js';
import type { AssignmentRow, DatabaseView } from './database_view.js';
import * as dispatch from './dispatch.js';
import { enrolmentGate } from './enrolment.js';
import { metricGates } from './metrics.js';
import { AssignmentHistory, type Check, type Checked, type Observation, StandingHistory } from './observation.js';
import * as pushes from './pushes.js';
import * as rollout from './rollout.js';

export interface Violation {
	/** D1 … D7, R1 … R16, `liveness`, `consistency` or `exception`. */
	readonly invariant: string;
	readonly message: string;
	readonly atMs: number;
}

export interface CheckersDeps {
	readonly db: DatabaseView;
	readonly nowMs: () => number;
	readonly calmSinceMs: () => number | null;
	readonly trace: { line(text: string): void };
}

export interface Checkers {
	readonly violations: readonly Violation[];
	readonly failed: boolean;
	check(seen: Observation): void;
	/** An exception nobody expects in a process. */
	unexpected(error: unknown): void;
	/** Something that had to come about did not. */
	unmet(what: 'liveness' | 'consistency', message: string): void;
}

const createChecks = (): Readonly<Record<string, Check>> => ({
	D1: dispatch.D1,
	D2: dispatch.D2,
	D3: dispatch.D3(),
	D4: dispatch.D4,
	D5: dispatch.D5,
	D6: dispatch.D6,
	D7: dispatch.D7(),
	R1: rollout.R1(),
	'R1 (startAt)': pushes.startAt(),
	'enrolment gate': enrolmentGate(),
	R2: rollout.R2(),
	R3: rollout.R3,
	R4: rollout.R4,
	'R4 (seen from outside)': pushes.caps(),
	R5: rollout.R5,
	'R5 (first agent)': pushes.firstAgent(),
	'R5 (gate edits)': pushes.gateEdits,
	'R5 (metric gates)': metricGates(),
	R6: rollout.R6,
	R7: rollout.R7,
	R8: rollout.R8,
	R9: rollout.R9,
	R10: rollout.R10,
	R11: rollout.R11(),
	R12: rollout.R12,
	'R12 (deadline)': pushes.deadline(),
	R13: rollout.R13,
	R14: rollout.R14,
	R15: rollout.R15,
	R16: rollout.R16(),
});

/** How often checkers look when nothing is told to them, virtual ms. */
const lookEveryMs = 2_000;

/** All invariants, each a small function named by its id; the first that does not hold stops the world. */
export function createCheckers({ db, nowMs, calmSinceMs, trace }: CheckersDeps): Checkers {
	const checks = createChecks();
	const history = new AssignmentHistory();
	const standings = new StandingHistory();
	const calendars = new CalendarHistory();
	const violations: Violation[] = [];
	let lookedAtMs = 0;
	const report = (invariant: string, message: string) => {
		trace.line(`${invariant} does not hold: ${message}`);
		violations.push({ invariant, message, atMs: nowMs() });
	};
	return {
		violations,
		get failed() {
			return violations.length > 0;
		},
		check(seen) {
			for (const groupId of db.groups()) calendars.look(db, groupId, nowMs());
			if (seen.kind === 'looked' && nowMs() - lookedAtMs < lookEveryMs) return;
			if (seen.kind === 'looked') lookedAtMs = nowMs();
			if (seen.kind === 'committed' || seen.kind === 'enrolled')
				for (const row of seen.moved) history.moved(row, nowMs());
			if (seen.kind === 'committed') {
				for (const id of db.rollouts()) standings.look(id, rollout.letsOut(db.standing(id)), nowMs());
				traceCommit(seen, trace);
			}
			const world: Checked = { db, history, standings, calendars, nowMs: nowMs(), calmSinceMs: calmSinceMs() };
			for (const [invariant, check] of Object.entries(checks)) {
				const wrong = check(seen, world);
				if (wrong !== null) report(invariant, wrong);
			}
		},
		unmet: report,
		unexpected(error) {
			report('exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
		},
	};
}

function traceCommit(
	{ lease, decision, moved }: Extract<Observation, { kind: 'committed' }>,
	trace: CheckersDeps['trace'],
): void {
	const { rollout } = decision;
	const events = decision.events.map((event) => JSON.stringify(event)).join(' ');
	const writes = moved.map((row: AssignmentRow) => `${row.agentId}:${row.seq}:${row.cause}`).join(' ');
	trace.line(`commit e${lease.epoch} ${rollout.id} seq ${rollout.seq} ${rollout.state} ${events} ${writes}`);
}
