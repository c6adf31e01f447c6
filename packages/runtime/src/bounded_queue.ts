/** First in, first out, and never more than `capacity`: full is an answer the caller has to handle (D6). */
export class BoundedQueue<T> {
	readonly #items: T[] = [];
	#head = 0;

	constructor(readonly capacity: number) {
		if (!Number.isInteger(capacity) || capacity < 1)
			throw new Error(`capacity must be a positive integer, not ${capacity}`);
	}

	get size(): number {
		return this.#items.length - this.#head;
	}

	/** False when the queue is full; the item was not taken. */
	push(item: T): boolean {
		if (this.size >= this.capacity) return false;
		this.#items.push(item);
		return true;
	}

	shift(): T | undefined {
		if (this.size === 0) return undefined;
		const item = this.#items[this.#head];
		this.#head += 1;
		// Compact once half of the array is spent: amortised constant time, and spent items are not kept alive for long.
		if (this.#head * 2 >= this.#items.length) {
			this.#items.splice(0, this.#head);
			this.#head = 0;
		}
		return item;
	}
}
