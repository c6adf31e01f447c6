import type { CurrentAssignment } from '@ampora/store';
import type { AgentSession } from '../session/session.js';
import { type AnswerKind, answerRank } from './unsaved.js';

export interface Judgement {
	readonly seq: number;
	readonly answer: 'applying' | 'applied' | 'failed' | 'reverted';
	readonly error: string | null;
}

const same = (a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean =>
	!!a && !!b && Buffer.compare(a, b) === 0;

/** What the agent's status, as now known, answers to the assignment it has now, or had before. Null: nothing new. */
export function judgeStatus(session: AgentSession): Judgement | null {
	const { reportedHash, reportedStatus, assignment, formerAssignment, sent } = session;
	if (!reportedHash || !reportedStatus) return null;
	if (assignment && same(reportedHash, assignment.offeredHash)) {
		// Another version is on its way to it: this status was said before that arrived.
		if (sent && !sent.acknowledged && !same(sent.hash, reportedHash)) return null;
		return rising(assignment, reportedStatus, session.reportedError);
	}
	if (formerAssignment && same(reportedHash, formerAssignment.offeredHash)) {
		const late = rising(formerAssignment, reportedStatus, session.reportedError);
		if (late) return late;
	}
	return assignment && hasReverted(session, assignment, reportedHash) ? reverted(assignment, session) : null;
}

function rising(
	assignment: CurrentAssignment,
	status: AgentSession['reportedStatus'],
	error: string,
): Judgement | null {
	if (status === 'unset' || status === null) return null;
	if (answerRank(status) <= answerRank(assignment.answer)) return null;
	return { seq: assignment.seq, answer: status, error: status === 'failed' ? error : null };
}

/** It had taken the assigned version and now names another. A status that only crossed the offer was said before it took it. */
function hasReverted(session: AgentSession, assignment: CurrentAssignment, reportedHash: Uint8Array): boolean {
	const taken: AnswerKind[] = ['applying', 'applied'];
	return taken.includes(assignment.answer) && !same(session.sent?.crossing, reportedHash);
}

const reverted = ({ seq }: CurrentAssignment, { reportedStatus, reportedError }: AgentSession): Judgement => ({
	seq,
	answer: 'reverted',
	error: reportedError || `the agent went back to another configuration (${reportedStatus})`,
});

/** The session after a judgement: the answer of the assignment concerned is as high as it was said. */
export function withAnswer(session: AgentSession, { seq, answer }: Judgement): void {
	if (session.assignment?.seq === seq) session.assignment = { ...session.assignment, answer };
	else if (session.formerAssignment?.seq === seq) session.formerAssignment = { ...session.formerAssignment, answer };
}

/**
 * Takes in what was read of the wanted state; false when it is older than what is known. `answer` only moves up while seq stays,
 * and what was heard here may be ahead of the row.
 */
export function learnAssignment(session: AgentSession, read: CurrentAssignment): boolean {
	const known = session.assignment;
	if (known && known.seq > read.seq) return false;
	if (known?.seq === read.seq) {
		if (answerRank(read.answer) > answerRank(known.answer)) session.assignment = read;
		return true;
	}
	session.formerAssignment = known;
	session.assignment = read;
	return true;
}
