import { expect, test } from 'vitest';
import { aSession } from '../testing/a_session.js';
import { Poller, Pollers } from './pollers.js';

function polling() {
	const pollers = new Pollers();
	const poller = new Poller(pollers, 'test', null, 0);
	const session = aSession({}, poller);
	pollers.seat(session.uid, session);
	return { poller, session, silent: (nowMs: number) => [...pollers.silent(nowMs)] };
}

test('C-47 C-64 a poller is given up after 90 s of silence, not before', () => {
	const { session, silent } = polling();
	expect(silent(89_999)).toEqual([]);
	expect(silent(90_000)).toEqual([session]);
});

test('C-47 one with a long interval has three of them', () => {
	const { poller, silent } = polling();
	poller.polled(300_000);
	// Something new, told between two polls, is not its rhythm.
	poller.polled(300_100);
	expect(silent(300_100 + 899_999)).toEqual([]);
	expect(silent(300_100 + 900_000)).toHaveLength(1);
});
