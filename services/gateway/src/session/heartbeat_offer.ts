import { createHash } from 'node:crypto';
import { encodeSharedSettings, type SharedOffer } from '@ampora/opamp';
import type { AgentId } from '@ampora/runtime';
import type { AgentSession } from './session.js';

export interface HeartbeatSettings {
	readonly intervalSeconds: number;
	/** URL agents reach the gateways at: an offer without one is rejected whole (C-80). */
	readonly publicUrl: string;
}

/** Agents remembered as having the interval already. */
const rememberedMax = 100_000;

/** Offers a heartbeat interval to agents that say they follow one (C-63). Off unless configured. */
export class HeartbeatOffers {
	/** Agents that take whole connection settings reconnect for every offer: offering once per session would never end. */
	readonly #given = new Set<AgentId>();
	readonly #encoded = new Map<string, SharedOffer>();

	constructor(private readonly settings: HeartbeatSettings | null) {}

	get enabled(): boolean {
		return this.settings !== null;
	}

	offerFor(session: AgentSession): SharedOffer | null {
		const { settings } = this;
		if (!settings || session.heartbeatOffered || !session.capabilities.has('ReportsHeartbeat')) return null;
		session.heartbeatOffered = true;
		if (session.capabilities.has('AcceptsOpAMPConnectionSettings')) {
			if (this.#given.has(session.agentId)) return null;
			if (this.#given.size < rememberedMax) this.#given.add(session.agentId);
			else return null;
		}
		return this.#shared(session.carrier.authorization, settings);
	}

	/** The agent replaces all it has by the offer, so the offer repeats the credential it came with. */
	#shared(authorization: string | null, { intervalSeconds, publicUrl }: HeartbeatSettings): SharedOffer {
		const key = authorization ?? '';
		const known = this.#encoded.get(key);
		if (known) return known;
		const hash = createHash('sha256')
			.update(JSON.stringify([publicUrl, intervalSeconds, key]))
			.digest();
		const made = encodeSharedSettings({
			hash,
			destinationEndpoint: publicUrl,
			heartbeatIntervalSeconds: intervalSeconds,
			headers: authorization === null ? [] : [{ key: 'Authorization', value: authorization }],
		});
		if (this.#encoded.size < 1_000) this.#encoded.set(key, made);
		return made;
	}
}
