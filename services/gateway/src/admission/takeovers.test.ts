import { expect, test } from 'vitest';
import { newUid } from '../testing/index.js';
import { Takeovers } from './takeovers.js';

test('takeovers of one uid are a second apart', () => {
	const takeovers = new Takeovers();
	const uid = newUid();
	expect(takeovers.delayMs(uid, 0)).toBe(0);
	takeovers.record(uid, false, 0);
	expect(takeovers.delayMs(uid, 400)).toBe(600);
	expect(takeovers.delayMs(uid, 1_000)).toBe(0);
	expect(takeovers.delayMs(newUid(), 400)).toBe(0);
});

test('the third within a minute shows a duplicate, and closes the history', () => {
	const takeovers = new Takeovers();
	const uid = newUid();
	expect(takeovers.record(uid, false, 0)).toBe(false);
	expect(takeovers.exhausted(uid, 1_000)).toBe(false);
	expect(takeovers.record(uid, false, 1_000)).toBe(false);
	expect(takeovers.exhausted(uid, 2_000)).toBe(true);
	expect(takeovers.record(uid, false, 2_000)).toBe(true);
	expect(takeovers.exhausted(uid, 3_000)).toBe(false);
});

test('reconnects that go on in sequence never count, and old ones are forgotten', () => {
	const takeovers = new Takeovers();
	const uid = newUid();
	for (let at = 0; at < 10_000; at += 1_000) expect(takeovers.record(uid, true, at)).toBe(false);
	takeovers.record(uid, false, 10_000);
	takeovers.record(uid, false, 11_000);
	expect(takeovers.exhausted(uid, 71_001)).toBe(false);
});
