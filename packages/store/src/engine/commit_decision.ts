import type { ChangeWindow, Decision, RolloutEvent } from '@ampora/rollout';
import type { GroupId } from '@ampora/runtime';
import * as statements from '../gen/sql.js';
import type { CommitOutcome, Committing, JournalEntry, LeaderLease, LoadedSnapshot } from '../ports.js';
import { machineOf, stepRow, stepsAfter, targetRow, watchingOf } from '../rollout_rows.js';
import { hex, onlyRow, type Sql } from '../sql.js';

/** Rows in one statement at most; a plan may have a million. */
const chunkRows = 5_000;

/** Ends the transaction without effect: something moved since the snapshot. */
export class Conflict extends Error {
	override readonly name = 'Conflict';
}

export interface AuditLine {
	readonly actor: string;
	/** `Rollout.Started`, … */
	readonly action: string;
	readonly before: { readonly state: string };
	readonly after: { readonly state: string; readonly why: string };
	readonly trace_id: string | null;
}

function actionOf({ from, to }: Extract<RolloutEvent, { kind: 'state' }>): string {
	if (to === 'InProgress') return from === 'Paused' ? 'Rollout.Resumed' : 'Rollout.Started';
	if (to === 'RollingBack' && from === 'Paused') return 'Rollout.RollbackContinued';
	return `Rollout.${to}`;
}

/** Who moved it: the person whose command was accepted, else Ampora itself. */
export function auditOf(loaded: LoadedSnapshot, decision: Decision): readonly AuditLine[] {
	const accepted = new Set(decision.outcomes.filter((outcome) => outcome.accepted).map((outcome) => outcome.commandId));
	const actor = loaded.snapshot.commands.find((command) => accepted.has(command.id))?.actor ?? 'ampora';
	return decision.events
		.filter((event) => event.kind === 'state')
		.map((event) => ({
			actor,
			action: actionOf(event),
			before: { state: event.from },
			after: { state: event.to, why: event.why },
			trace_id: loaded.traceparent?.split('-')[1] ?? null,
		}));
}

async function writeAssignments(sql: Sql, loaded: LoadedSnapshot, decision: Decision): Promise<void> {
	const rows = decision.assignments.map(({ agentId, versionId, attempt, cause, expectedSeq }) => ({
		agent_id: agentId,
		version_id: versionId,
		expected_seq: expectedSeq,
		...{ attempt, cause },
	}));
	for (let from = 0; from < rows.length; from += chunkRows) {
		const chunk = rows.slice(from, from + chunkRows);
		const params = [decision.rollout.id, loaded.traceparent, JSON.stringify(chunk)];
		const { written } = onlyRow(await sql.query<{ written: number }>(statements.writeAssignments, params));
		if (written !== chunk.length) throw new Conflict('an assignment moved');
	}
}

async function writeTargets(sql: Sql, { rollout, targets }: Decision): Promise<void> {
	for (let from = 0; from < targets.length; from += chunkRows) {
		const chunk = targets.slice(from, from + chunkRows).map(targetRow);
		await sql.query(statements.writeTargets, [rollout.id, JSON.stringify(chunk)]);
	}
}

async function writeRest(
	sql: Sql,
	lease: LeaderLease,
	loaded: LoadedSnapshot,
	decision: Decision,
	journal: JournalEntry,
): Promise<void> {
	const { rollout } = decision;
	const given = {
		state: rollout.state,
		offers: journal.offers,
		watching: watchingOf(rollout, stepsAfter(loaded.snapshot.steps, decision.steps)),
		machine: machineOf(rollout),
		startedAtMs: rollout.startedAtMs,
		endedAtMs: rollout.endedAtMs,
		nextWakeAtMs: decision.nextWakeAtMs,
		waitsFor: decision.waitsFor,
		membershipSeq: loaded.membershipSeq,
		input: journal.input,
		events: decision.events,
		digest: hex(journal.digest),
	};
	const { journalled } = onlyRow(
		await sql.query<{ journalled: number }>(statements.writeDecision, [
			rollout.id,
			loaded.snapshot.rollout.seq + 1,
			lease.epoch,
			JSON.stringify(given),
			JSON.stringify(decision.steps.map(stepRow)),
			JSON.stringify(decision.outcomes),
			JSON.stringify(auditOf(loaded, decision)),
			loaded.signalIds,
			JSON.stringify(decision.quarantine),
			decision.unquarantine,
		]),
	);
	if (journalled !== 1) throw new Conflict('the journal moved');
}

async function withdraw(sql: Sql, decision: Decision): Promise<void> {
	if (!decision.withdrawUnsent && decision.withdraw.length === 0) return;
	const params = [decision.rollout.id, decision.withdraw, decision.withdrawUnsent];
	const { taken } = onlyRow(await sql.query<{ taken: readonly string[] }>(statements.withdrawAssignments, params));
	const withdrawn = new Set(taken);
	// The core has moved these targets already: one that was offered meanwhile has to be looked at again.
	if (decision.withdraw.some((agentId) => !withdrawn.has(agentId))) throw new Conflict('an offer was made');
}

/** Does it push: a way back is never closed. */
export const handsOut = ({ snapshot }: LoadedSnapshot, { assignments }: Decision): boolean =>
	snapshot.environment.calendar !== undefined &&
	snapshot.rollout.rollbackOf === null &&
	assignments.some(({ cause }) => cause === 'rollout' || cause === 'retry');

/** What a decision was made under. */
export interface Opening {
	readonly windows: readonly ChangeWindow[];
	/** Null: not in sight. */
	readonly closesAtMs: number | null;
}

export const openingOf = ({ snapshot }: LoadedSnapshot, { closesAtMs = null }: JournalEntry): Opening => ({
	windows: snapshot.environment.calendar?.windows ?? [],
	closesAtMs,
});

/** Time may have passed since it was decided, and windows or freezes changed: what was open then may be closed now (R1). */
export async function isStillOpen(sql: Sql, groupId: GroupId, { windows, closesAtMs }: Opening): Promise<boolean> {
	const params = [groupId, windows.map(({ name }) => name), closesAtMs];
	return onlyRow(await sql.query<{ open: boolean }>(statements.stillOpen, params)).open;
}

/** A decision, and that of the rollout that takes its place, in the transaction that the caller gives; throws `Conflict` where nothing may be written. */
export async function commitBoth(
	sql: Sql,
	lease: LeaderLease,
	first: Committing,
	successor: Committing | undefined,
): Promise<CommitOutcome> {
	const outcome = await commitDecision(sql, lease, first);
	if (outcome.kind !== 'committed' || successor === undefined) return outcome;
	const next = await commitDecision(sql, lease, successor);
	if (next.kind !== 'committed') throw new Conflict('what was to take its place moved');
	return { kind: 'committed', dispatch: [...outcome.dispatch, ...next.dispatch] };
}

async function commitDecision(
	sql: Sql,
	lease: LeaderLease,
	{ loaded, decision, journal }: Committing,
): Promise<CommitOutcome> {
	const { id, seq } = loaded.snapshot.rollout;
	const fence = onlyRow(
		await sql.query<{ leading: boolean; seq: number | null }>(statements.holdDecision, [
			...[lease.name, lease.holder, lease.epoch],
			id,
		]),
	);
	if (!fence.leading) return { kind: 'lease-lost' };
	if (fence.seq !== seq) return { kind: 'conflict' };
	if (!decision.changed) {
		await sql.query(statements.foldSignals, [id, loaded.signalIds, loaded.membershipSeq]);
		return { kind: 'committed', dispatch: decision.dispatch };
	}
	const { groupId } = loaded.snapshot.rollout;
	const handed = handsOut(loaded, decision);
	if (handed && !(await isStillOpen(sql, groupId, openingOf(loaded, journal)))) return { kind: 'conflict' };
	const written = decision.assignments.map(({ agentId }) => agentId);
	if (written.length > 0 || decision.withdraw.length > 0 || decision.withdrawUnsent) {
		const concerned = [...written, ...decision.withdraw];
		await sql.query(statements.holdAssignments, [id, concerned, decision.withdrawUnsent]);
	}
	if (written.length > 0) await sql.query(statements.keepLateAnswers, [written]);
	await writeTargets(sql, decision);
	await writeAssignments(sql, loaded, decision);
	await writeRest(sql, lease, loaded, decision, journal);
	await withdraw(sql, decision);
	if (decision.rollout.rollingBack && !loaded.snapshot.rollout.rollingBack) {
		await sql.query(statements.beginWayBack, [id]);
	}
	return { kind: 'committed', dispatch: decision.dispatch };
}
