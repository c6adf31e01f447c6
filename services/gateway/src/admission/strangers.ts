import type { InstanceUid, ScannedMessage } from '@ampora/opamp';
import type { GatewayId } from '@ampora/runtime';
import { bounded } from '../session/session.js';

/** Uids remembered; the longest unheard go first. */
const rememberedMax = 50_000;

/**
 * Polls of agents whose session is at another gateway. One poll that a load balancer sent here does not move the session; two in a
 * row do: the second follows the first in sequence, so none went elsewhere between them.
 */
export class Strangers {
	readonly #sequences = new Map<InstanceUid, number>();

	constructor(private readonly gateway: GatewayId) {}

	/** Is this poll to be answered without beginning a session? `holder`: the live gateway that has the session. */
	isPassing({ instanceUid, sequenceNum }: ScannedMessage, holder: GatewayId | null): boolean {
		const sequence = bounded(sequenceNum);
		const before = this.#sequences.get(instanceUid);
		this.#sequences.delete(instanceUid);
		if (holder === null || holder === this.gateway || before === sequence - 1) return false;
		this.#sequences.set(instanceUid, sequence);
		const oldest = this.#sequences.keys().next();
		if (this.#sequences.size > rememberedMax && !oldest.done) this.#sequences.delete(oldest.value);
		return true;
	}
}
