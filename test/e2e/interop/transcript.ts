/** How long a test waits for a process to say something, unless it says otherwise. */
const patienceMs = 20_000;

interface Waiter<T> {
	readonly wanted: (item: T) => boolean;
	readonly resolve: (item: T) => void;
	readonly reject: (reason: Error) => void;
}

/** What a process said so far, in order, and a way to await what it has yet to say. */
export class Transcript<T> {
	readonly #said: T[] = [];
	readonly #untaken: T[] = [];
	readonly #waiters = new Set<Waiter<T>>();
	#ended: Error | undefined;

	/** Everything, taken or not. */
	get said(): readonly T[] {
		return this.#said;
	}

	push(item: T): void {
		this.#said.push(item);
		const waiter = [...this.#waiters].find(({ wanted }) => wanted(item));
		if (waiter === undefined) {
			this.#untaken.push(item);
			return;
		}
		this.#waiters.delete(waiter);
		waiter.resolve(item);
	}

	/** What was said until now is no longer there to be taken. */
	forget(): void {
		this.#untaken.length = 0;
	}

	/** Nothing more will come: whoever waits, or waits later, gets `reason`. */
	end(reason: Error): void {
		this.#ended ??= reason;
		for (const { reject } of this.#waiters) reject(this.#ended);
		this.#waiters.clear();
	}

	/**
	 * The oldest wanted item that nobody has taken yet, said already or still to come. Each item is handed out once, so taking
	 * twice means "and then again".
	 * @param what names the awaited thing in the error of a wait that took too long
	 */
	take(wanted: (item: T) => boolean, what: string, timeoutMs = patienceMs): Promise<T> {
		const found = this.#untaken.findIndex(wanted);
		for (const item of found < 0 ? [] : this.#untaken.splice(found, 1)) return Promise.resolve(item);
		if (this.#ended !== undefined) return Promise.reject(this.#ended);
		return new Promise((resolve, reject) => {
			const waiter: Waiter<T> = {
				wanted,
				resolve: (item) => {
					clearTimeout(timer);
					resolve(item);
				},
				reject: (reason) => {
					clearTimeout(timer);
					reject(reason);
				},
			};
			const timer = setTimeout(() => {
				this.#waiters.delete(waiter);
				reject(new Error(`no ${what} within ${timeoutMs} ms; ${this.#said.length} items said, ${this.#tail()}`));
			}, timeoutMs);
			this.#waiters.add(waiter);
		});
	}

	#tail(): string {
		const last = this.#said.slice(-5).map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
		return `the last ones:\n${last.map((line) => line.slice(0, 500)).join('\n')}`;
	}
}
