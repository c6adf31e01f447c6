import { createHash } from 'node:crypto';
import { type Random, seededRandom } from '@ampora/runtime';

/** Chance by name: what one subsystem draws moves no other, so that a new kind of fault leaves the rest of a seed as it was. */
export class Streams {
	readonly #streams = new Map<string, Stream>();

	constructor(readonly seed: number) {}

	named(name: string): Stream {
		let stream = this.#streams.get(name);
		if (stream === undefined) {
			stream = new Stream(seededRandom(createHash('sha256').update(`${this.seed}/${name}`).digest().readInt32BE(0)));
			this.#streams.set(name, stream);
		}
		return stream;
	}
}

export class Stream implements Random {
	constructor(private readonly random: Random) {}

	next(): number {
		return this.random.next();
	}

	below(bound: number): number {
		return this.random.below(bound);
	}

	between(low: number, high: number): number {
		return low + this.random.next() * (high - low);
	}

	whole(low: number, high: number): number {
		return low + this.random.below(high - low + 1);
	}

	chance(probability: number): boolean {
		return this.random.next() < probability;
	}

	pick<T>(items: readonly T[]): T {
		const item = items[this.random.below(items.length)];
		if (item === undefined) throw new Error('nothing to pick from');
		return item;
	}

	/** `weights`: how often each is drawn, relative to the others. */
	weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
		const entries = Object.entries(weights) as [T, number][];
		let left = this.random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
		for (const [item, weight] of entries) {
			left -= weight;
			if (left < 0) return item;
		}
		return (entries[0] as [T, number])[0];
	}
}
