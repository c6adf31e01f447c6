import type { AgentId } from '@ampora/runtime';
import type { AssignmentRow } from './database_view.js';
import type { Check } from './observation.js';

/** The gate looks back on this many, and bears less than so many bad ones among them. */
const of = 20;
const badMax = 3;
/** A failure that was heard so long ago is known to whoever decides, however slow the database is. */
const knownAfterMs = 15_000;
/** What was decided while it was open may be committed a moment later. */
const graceMs = 1_000;

interface Given {
	readonly agentId: AgentId;
	readonly seq: number;
	failedAtMs: number | null;
}

const isFailure = (row: AssignmentRow | null, { seq }: Given): boolean =>
	row?.seq === seq && (row.answer === 'failed' || row.answer === 'reverted');

/**
 * Newcomers are given nothing while windows or freezes are closed (R1), nor once three of so few that the gate looks back on all of them
 * failed.
 */
export function enrolmentGate(): Check {
	const given = new Map<string, Given[]>();
	return (seen, { db, calendars, nowMs }) => {
		for (const one of [...given.values()].flat())
			if (one.failedAtMs === null && isFailure(db.assignment(one.agentId), one)) one.failedAtMs = nowMs;
		if (seen.kind !== 'enrolled') return null;
		const rows = seen.moved.filter(({ cause }) => cause === 'default');
		const closed = calendars.closedSinceMs(seen.groupId);
		if (rows.length > 0 && closed !== null && nowMs - closed > graceMs)
			return `a newcomer was given the default ${Math.round(nowMs - closed)} ms after windows or freezes closed`;
		for (const { agentId, seq, versionId } of rows) {
			const before = given.get(`${seen.groupId} ${versionId}`) ?? [];
			given.set(`${seen.groupId} ${versionId}`, before);
			const failed = before.filter(({ failedAtMs }) => failedAtMs !== null && nowMs - failedAtMs > knownAfterMs);
			if (before.length <= of && failed.length >= badMax)
				return `a newcomer was given the default though ${failed.length} of ${before.length} had failed`;
			before.push({ agentId, seq, failedAtMs: null });
		}
		return null;
	};
}
