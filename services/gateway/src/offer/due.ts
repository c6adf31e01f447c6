import type { OfferRequest } from '@ampora/store';
import type { AgentSession } from '../session/session.js';

/** An offer that an agent still does not follow is repeated after this time, doubled each time. */
export const repeatAfterMs = 30_000;
const repeatDoublingsMax = 6;

const same = (a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean =>
	!!a && !!b && Buffer.compare(a, b) === 0;

export type Due = 'no' | 'first' | 'repeat';

/**
 * Is there something to offer this agent, as far as is known here? Only a suggestion: the assignment row decides when the offer is
 * claimed. `poll` is the crc32 of the request that could carry it, null on a WebSocket.
 */
export function offerDue(session: AgentSession, nowMs: number, poll: number | null): Due {
	const { assignment, sent, capabilities } = session;
	if (!session.settled || !assignment?.offeredHash || !capabilities.has('AcceptsRemoteConfig')) return 'no';
	if (assignment.answer === 'failed' || assignment.answer === 'reverted') return 'no';
	const reports = capabilities.has('ReportsRemoteConfig');
	// What was sent for an earlier row, of a rollout that is over, is no offer of this one.
	const forThis = sent && (sent.seq === assignment.seq || assignment.answer !== 'none');
	if (!forThis || !same(sent.hash, assignment.offeredHash)) {
		const underWay = sent !== null && !sent.acknowledged && reports;
		return !underWay && reports && same(session.reportedHash, assignment.offeredHash) ? 'no' : 'first';
	}
	if (poll !== null && sent.answered === poll) return 'repeat';
	if (!reports || same(session.reportedHash, assignment.offeredHash)) return 'no';
	if (sent.acknowledged && sent.repeats === 0) return 'repeat';
	const waitMs = repeatAfterMs * 2 ** Math.min(sent.repeats, repeatDoublingsMax);
	return nowMs - sent.sentAtMs >= waitMs ? 'repeat' : 'no';
}

/**
 * How the claim is worded. While an offer is under way the agent is about to report that one, so its last report is no reason to
 * keep another from it; a repetition is one that this session means to send again.
 */
export function offerRequest(session: AgentSession, repeat: boolean): OfferRequest {
	const { agentId, epoch: sessionEpoch, sent, capabilities, reportedHash } = session;
	const reports = capabilities.has('ReportsRemoteConfig');
	const underWay = sent !== null && !sent.acknowledged && reports;
	return {
		agentId,
		sessionEpoch,
		reportedHash: reports && !underWay ? reportedHash : null,
		alreadyOffered: repeat ? null : (sent?.hash ?? null),
	};
}
