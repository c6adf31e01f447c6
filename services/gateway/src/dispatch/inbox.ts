import type { Backplane, DeliveryOutcome, DispatchEnvelope, Eviction, Subscription } from '@ampora/dispatch';
import type { Clock, GatewayId } from '@ampora/runtime';
import type { Logger, Tracer } from '@ampora/telemetry';
import type { OfferDesk } from '../offer/desk.js';
import type { Sessions } from '../session/registry.js';
import type { AgentSession } from '../session/session.js';
import type { GatewayMeters } from '../telemetry/meters.js';

export interface InboxDeps {
	readonly gateway: GatewayId;
	readonly backplane: Backplane;
	readonly sessions: Sessions;
	readonly desk: OfferDesk;
	readonly clock: Clock;
	readonly meters: GatewayMeters;
	readonly tracer: Tracer;
	readonly log: Logger;
	readonly onSuperseded: (session: AgentSession) => void;
}

/** What other processes say to this gateway: look at these agents' assignments, and give these sessions up. */
export class Inbox {
	#subscriptions: Subscription[] = [];

	constructor(private readonly deps: InboxDeps) {}

	async start(): Promise<void> {
		const { backplane, gateway } = this.deps;
		this.#subscriptions = [
			await backplane.serveDispatch(gateway, (envelope) => this.#dispatch(envelope)),
			await backplane.serveEvictions(gateway, (evictions) => this.#evict(evictions)),
		];
	}

	async stop(): Promise<void> {
		await Promise.all(this.#subscriptions.splice(0).map((subscription) => subscription.stop()));
	}

	#dispatch(envelope: DispatchEnvelope): Promise<readonly DeliveryOutcome[]> {
		const { agentIds, traceparent, publishedAtMs, cause } = envelope;
		const ageMs = Math.max(0, this.deps.clock.nowMs() - publishedAtMs);
		this.deps.meters.dispatch.ampora_dispatch_envelope_age_seconds.observe(ageMs / 1000);
		const attributes = { gateway: this.deps.gateway, agents: agentIds.length, cause };
		return this.deps.tracer.inSpan('dispatch.consume', { parent: traceparent, attributes }, async (span) => {
			const sessions = agentIds.map((agentId) => this.deps.sessions.of(agentId));
			const outcomes = await this.deps.desk.dispatch(sessions, span.traceparent);
			span.setAttribute('outcome', summary(outcomes));
			this.deps.log.debug('envelope', { ...attributes, outcome: summary(outcomes) });
			return outcomes;
		});
	}

	#evict(evictions: readonly Eviction[]): void {
		for (const { agentId, sessionEpoch } of evictions) {
			const session = this.deps.sessions.of(agentId);
			if (session && session.epoch <= sessionEpoch) this.deps.onSuperseded(session);
		}
	}
}

function summary(outcomes: readonly DeliveryOutcome[]): string {
	const counts = new Map<DeliveryOutcome, number>();
	for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
	return [...counts].map(([outcome, count]) => `${outcome} ${count}`).join(', ');
}
