import type { Clock } from '@ampora/runtime';
import type { Catalogues } from './components/catalogues.js';
import type { Enrollment } from './endpoint/enrollment.js';
import type { Pollers } from './endpoint/pollers.js';
import type { GatewayLimits } from './limits.js';
import type { Exchange } from './session/exchange.js';
import type { Sessions } from './session/registry.js';
import type { AgentSocket } from './socket/agent_socket.js';

export interface SweeperDeps {
	readonly clock: Clock;
	readonly limits: GatewayLimits;
	readonly sockets: ReadonlySet<AgentSocket>;
	readonly sessions: Sessions;
	readonly pollers: Pollers;
	readonly exchange: Exchange;
	readonly catalogues: Pick<Catalogues, 'sweep'>;
	readonly enrollment: Enrollment;
	readonly onError: (error: unknown) => void;
}

const everyMs = 1_000;
/** Sockets and pollers are looked at every so many rounds. */
const slowRounds = 5;
const policyViolation = 1008;

/** The one timer behind all deadlines of sessions and sockets: none has a timer of its own. */
export class Sweeper {
	readonly #stopping = new AbortController();
	#loop: Promise<void> = Promise.resolve();

	constructor(private readonly deps: SweeperDeps) {}

	start(): void {
		this.#loop = this.#run();
	}

	async stop(): Promise<void> {
		this.#stopping.abort();
		await this.#loop;
	}

	async #run(): Promise<void> {
		const { signal } = this.#stopping;
		for (let round = 1; !signal.aborted; round++) {
			await this.deps.clock.sleep(everyMs, signal);
			if (signal.aborted) return;
			try {
				this.#sweepSessions();
				void this.deps.catalogues.sweep();
				if (round % slowRounds === 0) await this.#sweepCarriers();
			} catch (error) {
				this.deps.onError(error);
			}
		}
	}

	#sweepSessions(): void {
		const now = this.deps.clock.monotonicMs();
		const { resyncing } = this.deps.sessions;
		for (const session of resyncing) {
			if (session.phase.kind === 'renaming') continue;
			if (session.phase.kind === 'resyncing' && now < session.phase.untilMs) continue;
			resyncing.delete(session);
			if (session.phase.kind === 'resyncing') this.deps.exchange.settle(session);
		}
		this.deps.sessions.sweep();
	}

	async #sweepCarriers(): Promise<void> {
		const now = this.deps.clock.monotonicMs();
		for (const socket of this.deps.sockets) this.#sweepSocket(socket, now);
		for (const session of [...this.deps.pollers.silent(now)]) this.deps.sessions.end(session, 'lost');
		await this.deps.enrollment.recheck((socket) => socket.close(policyViolation, 'the enrollment token was revoked'));
	}

	/** A silent socket may be half open; a ping tells. Agents need not send heartbeats (C-62), but their sockets answer pings. */
	#sweepSocket(socket: AgentSocket, now: number): void {
		const { stalledSocketMs, firstFrameMs, silentSocketMs } = this.deps.limits;
		const silentMs = now - socket.lastHeardMs;
		if (socket.fullSinceMs !== null) {
			if (now - socket.fullSinceMs >= stalledSocketMs) socket.terminate();
		} else if (socket.ridersCount === 0 && !socket.spoke) {
			if (silentMs >= firstFrameMs) socket.close(policyViolation, 'no message came');
		} else if (silentMs >= 2 * silentSocketMs && socket.pinged) socket.terminate();
		else if (silentMs >= silentSocketMs && !socket.pinged) socket.ping();
	}
}
