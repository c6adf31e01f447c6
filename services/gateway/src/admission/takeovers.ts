import type { InstanceUid } from '@ampora/opamp';

/** Takeovers of one uid are at least this far apart, and so many within the window mean that two agents share it. */
const apartMs = 1_000;
const windowMs = 60_000;
const duplicateAt = 3;
const rememberedMax = 10_000;

interface History {
	/** Monotonic ms of the takeovers within the window that did not continue the session they ended. */
	readonly atMs: number[];
	lastMs: number;
}

/**
 * Tells a reconnect from a duplicate. The newest connection wins; but an agent that comes back continues its sequence, or starts
 * anew once, while two agents with one uid keep taking it from each other.
 */
export class Takeovers {
	readonly #histories = new Map<InstanceUid, History>();

	/** How long a takeover has to wait. */
	delayMs(uid: InstanceUid, nowMs: number): number {
		const history = this.#histories.get(uid);
		return history ? Math.max(0, history.lastMs + apartMs - nowMs) : 0;
	}

	/** Would one more takeover be the one that shows a duplicate? */
	exhausted(uid: InstanceUid, nowMs: number): boolean {
		return this.#recent(uid, nowMs).length >= duplicateAt - 1;
	}

	/** `continues`: the newcomer's sequence follows the ended session's. True: two agents share the uid, and its history is closed. */
	record(uid: InstanceUid, continues: boolean, nowMs: number): boolean {
		const atMs = this.#recent(uid, nowMs);
		if (!continues) atMs.push(nowMs);
		this.#histories.delete(uid);
		if (atMs.length >= duplicateAt) return true;
		this.#histories.set(uid, { atMs, lastMs: nowMs });
		this.#prune(nowMs);
		return false;
	}

	forget(uid: InstanceUid): void {
		this.#histories.delete(uid);
	}

	#recent(uid: InstanceUid, nowMs: number): number[] {
		return (this.#histories.get(uid)?.atMs ?? []).filter((at) => nowMs - at < windowMs);
	}

	/** Oldest first: the map is in the order of the last takeover. */
	#prune(nowMs: number): void {
		for (const [uid, { lastMs }] of this.#histories) {
			if (this.#histories.size <= rememberedMax && nowMs - lastMs < windowMs) return;
			this.#histories.delete(uid);
		}
	}
}
