import type { CurrentAssignment } from '@ampora/store';
import { describe, expect, test } from 'vitest';
import type { AgentSession, SentOffer } from '../session/session.js';
import { aSession, hashOf } from '../testing/a_session.js';
import { offerDue, offerRequest, repeatAfterMs } from './due.js';

const [A, B] = [hashOf('A'), hashOf('B')];
const statusless = 0x7n;

const wants = (session: AgentSession, hash: Uint8Array, answer: CurrentAssignment['answer'] = 'none') => {
	session.assignment = {
		...session,
		versionId: 'v',
		seq: 1,
		offeredHash: hash,
		answer,
	} as unknown as CurrentAssignment;
	return session;
};
const wasSent = (session: AgentSession, hash: Uint8Array, more: Partial<SentOffer> = {}) => {
	session.sent = {
		...{ hash, seq: 1, sentAtMs: 0, repeats: 0, acknowledged: false, crossing: null, answered: null },
		...{ span: null, traceparent: null },
		...more,
	};
	return session;
};

describe('an offer is due', () => {
	test('when the agent reports another hash, or none', () => {
		expect(offerDue(wants(aSession(), B), 0, null)).toBe('first');
		expect(offerDue(wants(aSession({ reportedHash: A }), B), 0, null)).toBe('first');
		expect(offerDue(wants(aSession({ reportedHash: B }), B), 0, null)).toBe('no');
	});

	test('never without the capability, or after a failure or a revert', () => {
		expect(offerDue(wants(aSession({ capabilities: 0x5n }), B), 0, null)).toBe('no');
		for (const answer of ['failed', 'reverted'] as const)
			expect(offerDue(wants(aSession({ reportedHash: A }), B, answer), 0, null)).toBe('no');
	});

	test('not again while the agent may still follow the first one, then with growing pauses', () => {
		const session = wasSent(wants(aSession({ reportedHash: A }), B), B);
		expect(offerDue(session, repeatAfterMs - 1, null)).toBe('no');
		expect(offerDue(session, repeatAfterMs, null)).toBe('repeat');
		wasSent(session, B, { repeats: 2 });
		expect(offerDue(session, 4 * repeatAfterMs - 1, null)).toBe('no');
		expect(offerDue(session, 4 * repeatAfterMs, null)).toBe('repeat');
	});

	test('at once, once, when the agent had taken it and lost it', () => {
		expect(offerDue(wasSent(wants(aSession(), B), B, { acknowledged: true }), 1, null)).toBe('repeat');
		expect(offerDue(wasSent(wants(aSession(), B), B, { acknowledged: true, repeats: 1 }), 1, null)).toBe('no');
	});

	test('C-71 once per session to an agent that reports no status', () => {
		const session = wants(aSession({ capabilities: statusless }), B);
		expect(offerDue(session, 0, null)).toBe('first');
		expect(offerDue(wasSent(session, B), 10 * repeatAfterMs, null)).toBe('no');
		expect(offerDue(wants(session, A), 1, null)).toBe('first');
	});

	test('when what was sent was sent for an earlier row, and nobody recorded it for this one', () => {
		const session = wasSent(wants(aSession({ capabilities: statusless }), B), B, { seq: 0 });
		expect(offerDue(session, 0, null)).toBe('first');
		expect(offerDue(wants(session, B, 'offered'), 0, null)).toBe('no');
	});

	test('again to a poll that is byte-identical to the one it answered', () => {
		const session = wasSent(wants(aSession(), B), B, { answered: 7 });
		expect(offerDue(session, 1, 7)).toBe('repeat');
		expect(offerDue(session, 1, 8)).toBe('no');
	});

	test('when the version it last reported is wanted again while another is on its way to it', () => {
		const session = wasSent(wants(aSession({ reportedHash: A }), A), B);
		expect(offerDue(session, 0, null)).toBe('first');
		expect(offerRequest(session, false)).toMatchObject({ reportedHash: null, alreadyOffered: B });
		expect(offerRequest(wasSent(session, B, { acknowledged: true }), true)).toMatchObject({
			reportedHash: A,
			alreadyOffered: null,
		});
	});
});
