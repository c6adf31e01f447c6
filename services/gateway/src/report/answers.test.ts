import type { CurrentAssignment } from '@ampora/store';
import { describe, expect, test } from 'vitest';
import { aSession, hashOf } from '../testing/a_session.js';
import { judgeStatus, learnAssignment, withAnswer } from './answers.js';
import { type HeardAnswer, raiseAnswer, type Unsaved } from './unsaved.js';

const [A, B, C] = [hashOf('A'), hashOf('B'), hashOf('C')];
const assignment = (seq: number, offeredHash: Uint8Array, answer: CurrentAssignment['answer'] = 'offered') =>
	({ agentId: 'x', versionId: `v${seq}`, seq, offeredHash, answer }) as CurrentAssignment;

function session(given: { current?: CurrentAssignment; former?: CurrentAssignment; sentHash?: Uint8Array } = {}) {
	const made = aSession();
	if (given.former) learnAssignment(made, given.former);
	if (given.current) learnAssignment(made, given.current);
	if (given.sentHash) made.sent = sentOf(given.sentHash);
	return made;
}

const sentOf = (hash: Uint8Array, crossing: Uint8Array | null = null) => ({
	...{ hash, seq: 1, sentAtMs: 0, repeats: 0, acknowledged: false, crossing, answered: null },
	...{ span: null, traceparent: null },
});

/** Says a status and takes its judgement in, as a report does. */
function says(made: ReturnType<typeof session>, hash: Uint8Array, status: 'applying' | 'applied' | 'failed' | 'unset') {
	made.reportedHash = hash;
	made.reportedStatus = status;
	made.reportedError = status === 'failed' ? 'because' : '';
	const judgement = judgeStatus(made);
	if (judgement) withAnswer(made, judgement);
	return judgement && `${judgement.seq} ${judgement.answer}`;
}

describe('a status is judged against what was assigned', () => {
	test('answers rise from offered to applied, and each is news once', () => {
		const made = session({ current: assignment(1, B) });
		expect(says(made, B, 'applying')).toBe('1 applying');
		expect(says(made, B, 'applying')).toBe(null);
		expect(says(made, B, 'applied')).toBe('1 applied');
		expect(says(made, B, 'applying')).toBe(null);
	});

	test('an unset status with the right hash is no answer', () => {
		expect(says(session({ current: assignment(1, B) }), B, 'unset')).toBe(null);
	});

	test('FAILED keeps its error', () => {
		const made = session({ current: assignment(1, B) });
		made.reportedHash = B;
		made.reportedStatus = 'failed';
		made.reportedError = 'because';
		expect(judgeStatus(made)).toEqual({ seq: 1, answer: 'failed', error: 'because' });
	});

	test('an old status that crosses the offer is no revert', () => {
		const made = session({ current: assignment(2, B) });
		expect(says(made, A, 'applied')).toBe(null);
	});

	test('another hash after the assigned one was taken is a revert', () => {
		const made = session({ current: assignment(2, B) });
		says(made, B, 'applied');
		expect(says(made, A, 'applied')).toBe('2 reverted');
		expect(says(made, A, 'applied')).toBe(null);
	});

	test('a supervisor that failed and went back has failed, not reverted', () => {
		const made = session({ current: assignment(2, B) });
		says(made, B, 'applying');
		expect(says(made, B, 'failed')).toBe('2 failed');
		expect(says(made, A, 'applied')).toBe(null);
	});

	test('an agent that lost its state, and names no hash, has not reverted', () => {
		const made = session({ current: assignment(2, B, 'applied') });
		made.reportedHash = null;
		made.reportedStatus = 'unset';
		expect(judgeStatus(made)).toBe(null);
	});

	test('nor has one that had named no hash before it came to this gateway', () => {
		const made = aSession({ reportedHash: new Uint8Array(0), reportedStatus: 'unset' });
		learnAssignment(made, assignment(2, B, 'applied'));
		expect(judgeStatus(made)).toBe(null);
	});

	test('a late answer belongs to the assignment it names', () => {
		const made = session({ former: assignment(1, A), current: assignment(2, B) });
		expect(says(made, A, 'failed')).toBe('1 failed');
		expect(says(made, B, 'applied')).toBe('2 applied');
	});

	test('while another version is on its way, the last status says nothing about the next', () => {
		// A ran; B was sent and not answered; now A is wanted again, and the agent still names A.
		const made = session({ former: assignment(1, B), current: assignment(2, A), sentHash: B });
		expect(says(made, A, 'applied')).toBe(null);
	});

	test('the status of an offer that was overtaken is no revert from the one that overtook it', () => {
		const made = session({ current: assignment(2, A, 'applied') });
		made.sent = sentOf(A, C);
		expect(says(made, C, 'applying')).toBe(null);
		expect(says(made, B, 'applied')).toBe('2 reverted');
	});
});

describe('learning what is wanted', () => {
	test('an older seq changes nothing (D3)', () => {
		const made = session({ current: assignment(5, B) });
		expect(learnAssignment(made, assignment(4, A))).toBe(false);
		expect(made.assignment?.seq).toBe(5);
	});

	test('what was heard here stays ahead of the row', () => {
		const made = session({ current: assignment(5, B) });
		says(made, B, 'applied');
		learnAssignment(made, assignment(5, B, 'offered'));
		expect(made.assignment?.answer).toBe('applied');
	});
});

test('answers of one seq merge to the highest in any order (R16)', () => {
	const heard = (seq: number, answer: HeardAnswer['answer']): HeardAnswer => ({
		seq,
		answer,
		error: null,
		heardAtMs: 0,
	});
	const facts = [heard(1, 'applying'), heard(1, 'failed'), heard(2, 'applied'), heard(1, 'applied')];
	for (const order of [facts, [...facts].reverse()]) {
		const unsaved: Unsaved = {};
		for (const fact of order) raiseAnswer(unsaved, fact);
		const merged = new Map(unsaved.answers?.map(({ seq, answer }) => [seq, answer]));
		expect(merged).toEqual(
			new Map([
				[1, 'failed'],
				[2, 'applied'],
			]),
		);
	}
});
