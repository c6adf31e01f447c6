import { componentSections } from '@ampora/collector-config';
import { type AvailableComponents, encodeServerToAgent } from '@ampora/opamp';
import type { Clock } from '@ampora/runtime';
import type { CatalogueComponents, GatewayStore } from '@ampora/store';
import type { Logger } from '@ampora/telemetry';
import type { Flusher } from '../report/flusher.js';
import type { AgentSession } from '../session/session.js';

export interface CataloguesDeps {
	readonly store: Pick<GatewayStore, 'claimCatalogues' | 'saveCatalogue'>;
	readonly flusher: Pick<Flusher, 'isSaved' | 'saved'>;
	readonly clock: Clock;
	readonly log: Logger;
}

/** Sessions asked about in one statement. */
const batchMax = 1_000;
/** While a catalogue is waited for, it is looked for this often. */
const recheckMs = 30_000;
/** Component types kept of one agent; a catalogue with more is one without details. */
const typesMax = 5_000;
/** What a collector accepts as the type of a component. */
const typeShape = /^[a-zA-Z]\w{0,62}$/;

/**
 * Finds out what components agents have. Agents tell a hash first; of all that share one, by type and version too, one is asked for the
 * rest, by whichever gateway gets to it (C-106).
 */
export class Catalogues {
	/** Sessions whose catalogue may be unknown. */
	readonly #open = new Set<AgentSession>();
	#nextMs = 0;
	#busy = false;

	constructor(private readonly deps: CataloguesDeps) {}

	consider(session: AgentSession): void {
		if (session.componentsHash === null || !session.capabilities.has('ReportsAvailableComponents')) return;
		this.#open.add(session);
		this.#nextMs = 0;
	}

	received(session: AgentSession, available: AvailableComponents): void {
		if (session.componentsHash !== available.hash) return;
		this.#keep(session, available.hash, componentsOf(available)).catch((error: unknown) => {
			this.deps.log.debug('a component catalogue was not kept', { agent_id: session.agentId, error });
		});
	}

	/** Called every second: costs nothing when nothing is open. Never rejects. */
	async sweep(): Promise<void> {
		const now = this.deps.clock.monotonicMs();
		if (this.#busy || this.#open.size === 0 || now < this.#nextMs) return;
		this.#busy = true;
		this.#nextMs = now + recheckMs;
		try {
			await this.#round();
		} catch (error) {
			this.deps.log.debug('component catalogues were not looked for', { error });
		} finally {
			this.#busy = false;
		}
	}

	async #round(): Promise<void> {
		const sessions: AgentSession[] = [];
		for (const session of this.#open) {
			if (session.ended) this.#open.delete(session);
			// The database answers by what the agent said: that has to be there.
			else if (this.deps.flusher.isSaved(session)) sessions.push(session);
			else this.#nextMs = 0;
		}
		for (let at = 0; at < sessions.length; at += batchMax) await this.#claim(sessions.slice(at, at + batchMax));
	}

	async #claim(batch: readonly AgentSession[]): Promise<void> {
		const wanted = batch.map(({ agentId, epoch }) => ({ agentId, sessionEpoch: epoch }));
		const claims = new Map(
			(await this.deps.store.claimCatalogues(wanted)).map(({ agentId, claim }) => [agentId, claim]),
		);
		for (const session of batch) {
			const claim = claims.get(session.agentId);
			if (claim === 'ask') this.#ask(session);
			else if (claim !== 'wait') this.#open.delete(session);
		}
	}

	/** At once where it can be told at once, else with the next answer. */
	#ask(session: AgentSession): void {
		if (session.ended) return;
		session.componentsOwed = true;
		if (!session.greeted || !session.settled || session.carrier.pushable !== 'now') return;
		session.componentsOwed = false;
		session.carrier.push(encodeServerToAgent(session.uid, { reportAvailableComponents: true }));
	}

	async #keep(session: AgentSession, hash: Uint8Array, components: CatalogueComponents): Promise<void> {
		await this.deps.flusher.saved(session);
		if (session.ended || session.componentsHash !== hash) return;
		await this.deps.store.saveCatalogue({ agentId: session.agentId, sessionEpoch: session.epoch }, hash, components);
		this.#open.delete(session);
	}
}

/** Only what a configuration can name: other sections, and names no collector would take, say nothing. */
function componentsOf({ components }: AvailableComponents): CatalogueComponents {
	const bySection = componentSections.map((section) => {
		const types = [...(components.get(section)?.components.keys() ?? [])].filter((type) => typeShape.test(type));
		return [section, types.sort()] as const;
	});
	const types = bySection.reduce((sum, [, found]) => sum + found.length, 0);
	return types > typesMax ? {} : Object.fromEntries(bySection);
}
