import type { AgentId, GroupId, VersionId } from '@ampora/runtime';
import type { AssignmentRow } from './database_view.js';
import type { Check } from './observation.js';

/** The gate looks back on this many, and bears less than so many bad ones among them. */
const of = 20;
const badMax = 3;
/** So long everybody is watched at least from the push on: the longest window of the gates in these worlds. What fails later is nobody's. */
const watchedMs = 8_000;
/** A failure that was heard so long ago is known to whoever decides, however slow the database is. */
const knownAfterMs = 15_000;
/** What was decided while it was open may be committed a moment later. */
const graceMs = 1_000;

interface Given {
	readonly agentId: AgentId;
	readonly seq: number;
	/** When it was first written to a socket. */
	writtenAtMs: number | null;
	failedAtMs: number | null;
}

const isFailure = (row: AssignmentRow | null, { seq }: Given): boolean =>
	row?.seq === seq && (row.answer === 'failed' || row.answer === 'reverted');

const isCounted = ({ writtenAtMs, failedAtMs }: Given, nowMs: number): boolean =>
	writtenAtMs !== null &&
	failedAtMs !== null &&
	failedAtMs - writtenAtMs <= watchedMs &&
	nowMs - failedAtMs > knownAfterMs;

/**
 * Newcomers are given nothing while windows or freezes are closed (R1), nor once three of so few that the gate looks back on all of them
 * failed.
 */
export function enrolmentGate(): Check {
	const given = new Map<GroupId, { readonly versionId: VersionId | null; readonly agents: Given[] }>();
	return (seen, { db, calendars, nowMs }) => {
		for (const one of [...given.values()].flatMap(({ agents }) => agents))
			if (one.failedAtMs === null && isFailure(db.assignment(one.agentId), one)) one.failedAtMs = nowMs;
		if (seen.kind === 'written') {
			for (const one of [...given.values()].flatMap(({ agents }) => agents))
				if (one.agentId === seen.agentId && one.seq === seen.offer.seq) one.writtenAtMs ??= nowMs;
		}
		if (seen.kind !== 'enrolled') return null;
		const rows = seen.moved.filter(({ cause }) => cause === 'default');
		const closed = calendars.closedSinceMs(seen.groupId);
		if (rows.length > 0 && closed !== null && nowMs - closed > graceMs)
			return `a newcomer was given the default ${Math.round(nowMs - closed)} ms after windows or freezes closed`;
		for (const { agentId, seq, versionId } of rows) {
			const known = given.get(seen.groupId);
			// Another default begins anew, also one that was the default before.
			const before = known?.versionId === versionId ? known.agents : [];
			given.set(seen.groupId, { versionId, agents: before });
			const failed = before.filter((one) => isCounted(one, nowMs));
			if (before.length <= of && failed.length >= badMax)
				return `a newcomer was given the default though ${failed.length} of ${before.length} had failed`;
			before.push({ agentId, seq, writtenAtMs: null, failedAtMs: null });
		}
		return null;
	};
}
