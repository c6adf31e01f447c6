import type { Random, Timer } from '@ampora/runtime';

/** Who an event happens to: what is planned for a dead process does not happen, and a paused one gets it later. */
export interface Owner {
	readonly alive: boolean;
	/** Virtual ms until which nothing happens to it. */
	readonly pausedUntilMs: number;
}

interface Planned {
	readonly atMs: number;
	readonly tie: number;
	readonly order: number;
	readonly owner: Owner | null;
	readonly run: () => void;
	cancelled: boolean;
}

/** Everything that will happen, in order of virtual time; what falls on the same instant in an order chosen by the seed. */
export class Schedule {
	nowMs = 0;
	events = 0;
	#order = 0;
	readonly #heap: Planned[] = [];

	constructor(private readonly ties: Random) {}

	after(delayMs: number, owner: Owner | null, run: () => void): Timer {
		const planned: Planned = {
			atMs: this.nowMs + Math.max(0, delayMs),
			tie: this.ties.next(),
			order: this.#order++,
			owner,
			run,
			cancelled: false,
		};
		this.#push(planned);
		return {
			cancel: () => {
				planned.cancelled = true;
			},
		};
	}

	/** Runs events until `done` says so or the time is over; `after` is called when each event and all that followed from it is through. */
	async run(untilMs: number, after: () => void, done: () => boolean): Promise<void> {
		for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
			this.#pop();
			if (next.cancelled || next.owner?.alive === false) continue;
			this.nowMs = next.atMs;
			if (next.owner && next.owner.pausedUntilMs > this.nowMs) {
				this.#push({ ...next, atMs: next.owner.pausedUntilMs, tie: 0, order: next.order });
				continue;
			}
			this.events += 1;
			next.run();
			await quiescence();
			after();
			if (done()) return;
		}
		this.nowMs = Math.max(this.nowMs, untilMs);
	}

	#push(planned: Planned): void {
		const heap = this.#heap;
		let at = heap.push(planned) - 1;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (!this.#swapIfLess(at, parent)) break;
			at = parent;
		}
	}

	#pop(): void {
		const heap = this.#heap;
		const last = heap.pop();
		if (last === undefined || heap.length === 0) return;
		heap[0] = last;
		for (let at = 0; ; ) {
			const left = 2 * at + 1;
			const right = left + 1;
			const least = right < heap.length && this.#less(right, left) ? right : left;
			if (least >= heap.length || !this.#swapIfLess(least, at)) return;
			at = least;
		}
	}

	#less(a: number, b: number): boolean {
		const [x, y] = [this.#heap[a], this.#heap[b]];
		return x !== undefined && y !== undefined && before(x, y);
	}

	#swapIfLess(a: number, b: number): boolean {
		const [x, y] = [this.#heap[a], this.#heap[b]];
		if (x === undefined || y === undefined || !before(x, y)) return false;
		this.#heap[a] = y;
		this.#heap[b] = x;
		return true;
	}
}

const before = (a: Planned, b: Planned): boolean => {
	if (a.atMs !== b.atMs) return a.atMs < b.atMs;
	return a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;
};

/** All promise reactions that are due have run: nothing in the world does real input or output. */
const quiescence = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
