import { type Backplane, dispatchTimeoutMs } from '@ampora/dispatch';
import type { Clock, GatewayId } from '@ampora/runtime';
import type { EngineStore, LeaderLease } from '@ampora/store';
import { OccasionalLook } from './occasional_look.js';

export interface CutOffGatewaysDeps {
	readonly store: Pick<EngineStore, 'lapsedGateways' | 'keepUnheard'>;
	readonly backplane: Pick<Backplane, 'dispatch'>;
	readonly clock: Clock;
	readonly events: CutOffEvents;
}

export interface CutOffEvents {
	/** These gateways live and hold agents, and cannot reach Postgres. */
	gatewaysCutOff(gateways: readonly string[], agents: number): void;
	storeFailed(error: unknown): void;
}

/** A good deal more often than the two minutes after which agents of a lapsed gateway count as lost. */
const lookEveryMs = 20_000;

/**
 * Tells gateways that are cut off from Postgres from dead ones: they keep their sockets and still answer over the backplane. Their
 * agents could not be heard, which is our fault and not the agents': nothing is concluded about them meanwhile.
 */
export class CutOffGateways {
	readonly #looks: OccasionalLook;

	constructor(private readonly deps: CutOffGatewaysDeps) {
		const { clock, events } = deps;
		this.#looks = new OccasionalLook({ clock, everyMs: lookEveryMs, onError: events.storeFailed });
	}

	/** Starts a look when it is time for one, and returns: a gateway that does not answer holds up no tick (D7). */
	look(lease: LeaderLease): void {
		this.#looks.start(() => this.#look(lease));
	}

	/** Resolves when no look is under way. */
	async idle(): Promise<void> {
		await this.#looks.idle();
	}

	async #look(lease: LeaderLease): Promise<{ readonly more: boolean }> {
		const lapsed = await this.deps.store.lapsedGateways();
		const answers = await Promise.all(lapsed.map((gateway) => this.#answers(gateway)));
		const alive = lapsed.filter((_, index) => answers[index]);
		if (alive.length > 0) this.deps.events.gatewaysCutOff(alive, await this.deps.store.keepUnheard(lease, alive));
		return { more: false };
	}

	/** An envelope about nobody asks nothing of the gateway but a sign of life. */
	async #answers(gateway: GatewayId): Promise<boolean> {
		const envelope = {
			agentIds: [],
			cause: 'redelivery',
			publishedAtMs: this.deps.clock.nowMs(),
			traceparent: null,
		} as const;
		return (await this.deps.backplane.dispatch(gateway, envelope, dispatchTimeoutMs)).kind === 'answered';
	}
}
