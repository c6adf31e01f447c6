import type { Clock } from '@ampora/runtime';
import { expect, test } from 'vitest';
import { type Beating, HeartbeatWheel } from './heartbeat_wheel.js';

/** Time that moves when told to; one pending callback is all a wheel has. */
class HandClock implements Clock {
	#nowMs = 0;
	#pending: { dueMs: number; callback: () => void }[] = [];

	nowMs = (): number => this.#nowMs;
	monotonicMs = (): number => this.#nowMs;
	sleep = (): Promise<void> => Promise.reject(new Error('nobody sleeps here'));

	after(delayMs: number, callback: () => void) {
		const entry = { dueMs: this.#nowMs + delayMs, callback };
		this.#pending.push(entry);
		return { cancel: () => (this.#pending = this.#pending.filter((one) => one !== entry)) };
	}

	/** In steps, as an event loop would; or in one leap, as one that was held up. */
	advance(ms: number, stepMs = ms): void {
		for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; ) {
			this.#nowMs += stepMs;
			const due = this.#pending.filter(({ dueMs }) => dueMs <= this.#nowMs);
			this.#pending = this.#pending.filter(({ dueMs }) => dueMs > this.#nowMs);
			for (const { callback } of due) callback();
		}
	}

	get idle(): boolean {
		return this.#pending.length === 0;
	}
}

class Heart implements Beating {
	beats: number[] = [];
	nextBeatMs: number;

	constructor(
		readonly clock: Clock,
		readonly everyMs: number,
	) {
		this.nextBeatMs = clock.monotonicMs() + everyMs;
	}

	beat(): void {
		this.beats.push(this.clock.monotonicMs());
		this.nextBeatMs = this.clock.monotonicMs() + this.everyMs;
	}
}

test('hearts beat in their own time, also beyond one turn of the wheel', () => {
	const clock = new HandClock();
	const wheel = new HeartbeatWheel(clock);
	const [quick, slow] = [new Heart(clock, 1000), new Heart(clock, 70_000)];
	wheel.add(quick);
	wheel.add(slow);
	clock.advance(150_000, 10);
	expect(quick.beats.length).toBeGreaterThanOrEqual(142);
	expect(quick.beats.length).toBeLessThanOrEqual(150);
	expect(slow.beats).toHaveLength(2);
	expect(slow.beats[0]).toBeGreaterThanOrEqual(70_000);
	expect(slow.beats[0]).toBeLessThan(70_200);
});

test('a beat put off does not come early, one removed not at all', () => {
	const clock = new HandClock();
	const wheel = new HeartbeatWheel(clock);
	const [putOff, removed] = [new Heart(clock, 1000), new Heart(clock, 1000)];
	wheel.add(putOff);
	wheel.add(removed);
	clock.advance(500, 10);
	putOff.nextBeatMs = 1500;
	wheel.remove(removed);
	clock.advance(900, 10);
	expect(putOff.beats).toEqual([]);
	clock.advance(300, 10);
	expect(putOff.beats).toHaveLength(1);
	expect(removed.beats).toEqual([]);
});

test('after the loop was held up each heart beats once, and an empty wheel stands still', () => {
	const clock = new HandClock();
	const wheel = new HeartbeatWheel(clock);
	const heart = new Heart(clock, 1000);
	wheel.add(heart);
	clock.advance(200_000);
	expect(heart.beats).toEqual([200_000]);
	wheel.remove(heart);
	clock.advance(1000, 10);
	expect(clock.idle).toBe(true);
});
