import { createHash } from 'node:crypto';

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** What happened, line by line. Ids made at run time are written as the order of their first appearance, so that two runs of a seed agree. */
export class Trace {
	readonly #hash = createHash('sha256');
	readonly #ids = new Map<string, string>();
	readonly #last: string[] = [];
	readonly #names = new Map<string, string>();

	constructor(
		private readonly nowMs: () => number,
		private readonly keep: number,
	) {}

	/** Shows an id under this name from now on. */
	name(id: string, name: string): void {
		this.#names.set(id, name);
	}

	line(text: string): void {
		const line = `${(this.nowMs() / 1000).toFixed(3)} ${text.replaceAll(uuid, (id) => this.#short(id))}`;
		this.#hash.update(line);
		if (this.keep === 0) return;
		this.#last.push(line);
		if (this.#last.length > 2 * this.keep) this.#last.splice(0, this.#last.length - this.keep);
	}

	/** The newest lines. */
	tail(): readonly string[] {
		return this.#last.slice(-this.keep);
	}

	digest(): string {
		return this.#hash.copy().digest('hex');
	}

	#short(id: string): string {
		const name = this.#names.get(id) ?? this.#ids.get(id);
		if (name !== undefined) return name;
		const made = `#${this.#ids.size}`;
		this.#ids.set(id, made);
		return made;
	}
}
