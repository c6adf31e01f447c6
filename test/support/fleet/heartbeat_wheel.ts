import type { Clock, Timer } from '@ampora/runtime';

/** Something that beats; `nextBeatMs` is monotonic and may be moved later without telling the wheel; to move it nearer, add again. */
export interface Beating {
	readonly nextBeatMs: number;
	/** Must move `nextBeatMs` on. */
	beat(): void;
}

const slotMs = 50;
const slotCount = 1024;

/** One timer for the heartbeats of a whole fleet: a ring of slots, each looked at once when its time comes. */
export class HeartbeatWheel {
	readonly #slots: Set<Beating>[] = Array.from({ length: slotCount }, () => new Set());
	readonly #slotOf = new Map<Beating, Set<Beating>>();
	#at: number;
	#timer: Timer | undefined;

	constructor(readonly clock: Clock) {
		this.#at = Math.floor(clock.monotonicMs() / slotMs);
	}

	add(member: Beating): void {
		this.remove(member);
		if (this.#slotOf.size === 0) this.#at = Math.floor(this.clock.monotonicMs() / slotMs);
		this.#place(member);
		this.#timer ??= this.clock.after(slotMs, () => this.#turn());
	}

	remove(member: Beating): void {
		this.#slotOf.get(member)?.delete(member);
		this.#slotOf.delete(member);
	}

	#place(member: Beating): void {
		const due = Math.ceil(member.nextBeatMs / slotMs);
		const slot = this.#slots[Math.min(Math.max(due, this.#at + 1), this.#at + slotCount - 1) % slotCount];
		slot?.add(member);
		if (slot) this.#slotOf.set(member, slot);
	}

	#turn(): void {
		this.#timer = undefined;
		const now = this.clock.monotonicMs();
		while (this.#at < Math.floor(now / slotMs)) {
			this.#at += 1;
			const slot = this.#slots[this.#at % slotCount];
			for (const member of [...(slot ?? [])]) {
				if (this.#slotOf.get(member) !== slot) continue;
				slot?.delete(member);
				if (member.nextBeatMs <= now) member.beat();
				if (this.#slotOf.get(member) === slot) this.#place(member);
			}
		}
		if (this.#slotOf.size > 0) this.#timer ??= this.clock.after(slotMs, () => this.#turn());
	}
}
