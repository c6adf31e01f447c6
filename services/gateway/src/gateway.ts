import type { Backplane, OwnershipDirectory } from '@ampora/dispatch';
import { type Clock, type Random, systemClock, systemRandom } from '@ampora/runtime';
import type { GatewayStore } from '@ampora/store';
import type { Health, Logger, MetricsRegistry, Tracer } from '@ampora/telemetry';
import type { WebSocket } from 'ws';
import { Admission, type AdmissionDeps } from './admission/admission.js';
import { Catalogues } from './components/catalogues.js';
import { Inbox } from './dispatch/inbox.js';
import { EffectiveJudge } from './effective/judge.js';
import { createMatcher, type Matcher } from './effective/matcher.js';
import { Endpoint, type EndpointDeps } from './endpoint/endpoint.js';
import { type Credential, Enrollment } from './endpoint/enrollment.js';
import { Pollers } from './endpoint/pollers.js';
import { LeaseKeeper } from './lease/keeper.js';
import { OfferDesk } from './offer/desk.js';
import { offerDue } from './offer/due.js';
import { Healer } from './offer/healer.js';
import { VersionCache } from './offer/versions.js';
import { completeConfig, type GatewayConfig, type GatewayOptions } from './options.js';
import { Flusher } from './report/flusher.js';
import { Exchange } from './session/exchange.js';
import { HeartbeatOffers } from './session/heartbeat_offer.js';
import { Intake } from './session/intake.js';
import { Sessions } from './session/registry.js';
import { Releases } from './session/releases.js';
import { AgentSession } from './session/session.js';
import { AgentSocket, type SocketContext } from './socket/agent_socket.js';
import { Sweeper } from './sweeper.js';
import { createMeters, type GatewayMeters } from './telemetry/meters.js';

export interface GatewayDeps {
	readonly store: GatewayStore;
	readonly directory: OwnershipDirectory;
	readonly backplane: Backplane;
	readonly registry: MetricsRegistry;
	readonly logger: Logger;
	readonly tracer: Tracer;
	/** Gets the gateway's readiness checks. */
	readonly health: Health;
	readonly clock?: Clock;
	readonly random?: Random;
	/** Instead of an HTTP server and a worker thread: a world without sockets and threads. */
	readonly openEndpoint?: (deps: EndpointDeps) => Pick<Endpoint, 'listen' | 'close'>;
	readonly matcher?: Matcher;
}

/** An OpAMP server: sessions are in its memory, and nothing else that matters. */
export interface Gateway {
	/** Resolves when agents can connect. A database that is away is waited for, behind 503. Rejects when the address cannot be had. */
	start(): Promise<void>;
	/**
	 * Takes no new agents, closes the sessions there are over the drain period, saves what they said, and gives up its row. `stop` is
	 * still to be called, and cuts a drain short.
	 */
	drain(): Promise<void>;
	/** Ends everything at once: agents see their connections drop, what was not saved is lost. Idempotent. */
	stop(): Promise<void>;
	/** Where it listens; known after `start`. */
	address(): { readonly url: string; readonly host: string; readonly port: number };
	/** Open sessions. */
	readonly sessions: number;
}

export const createGateway = (deps: GatewayDeps, options: GatewayOptions): Gateway =>
	new RunningGateway(deps, completeConfig(options));

const goingAway = 1001;
/** A draining gateway waits so long for closing handshakes and for the last reports to be saved. */
const handshakesMs = 5_000;
const lastFlushMs = 10_000;
/** What a draining gateway asks of agents it refuses: as long as a load balancer needs to notice, up to twice. */
const drainingRetryMs = 1_000;

type Phase = 'new' | 'serving' | 'draining' | 'stopped';

class RunningGateway implements Gateway {
	readonly #config: GatewayConfig;
	readonly #clock: Clock;
	readonly #random: Random;
	readonly #log: Logger;
	readonly #store: GatewayStore;
	readonly #meters: GatewayMeters;
	readonly #lease: LeaseKeeper;
	readonly #flusher: Flusher;
	readonly #releases: Releases;
	readonly #sessions: Sessions;
	readonly #desk: OfferDesk;
	readonly #matcher: Matcher;
	readonly #exchange: Exchange;
	readonly #admission: Admission;
	readonly #intake: Intake;
	readonly #pollers = new Pollers();
	readonly #sockets = new Set<AgentSocket>();
	readonly #enrollment: Enrollment;
	readonly #endpoint: Pick<Endpoint, 'listen' | 'close'>;
	readonly #inbox: Inbox;
	readonly #healer: Healer;
	readonly #sweeper: Sweeper;
	readonly #socketContext: SocketContext;
	readonly #forced = new AbortController();
	#phase: Phase = 'new';
	#address = { host: '', port: 0 };
	#removeChecks: (() => void)[] = [];

	constructor(deps: GatewayDeps, config: GatewayConfig) {
		const { store, directory, backplane, logger: log, tracer, clock = systemClock, random = systemRandom } = deps;
		const { gateway, limits } = config;
		this.#config = config;
		this.#clock = clock;
		this.#random = random;
		this.#log = log;
		this.#store = store;
		const meters = createMeters(deps.registry);
		this.#meters = meters;
		const onSuperseded = (session: AgentSession) => this.#sessions.supersede(session);
		const onLearned = (session: AgentSession) => this.#learned(session);
		const ears = { onSuperseded, onLearned };
		const shared = { gateway, store, directory, backplane, log, tracer, clock, random, limits, meters, ...ears };
		const lease = new LeaseKeeper({ ...shared, ttlMs: config.leaseTtlMs, sessions: () => this.#sessions });
		const flusher = new Flusher({ ...shared, lease, onRefused: (agentId, epoch) => this.#refused(agentId, epoch) });
		const releases = new Releases({ directory, clock, log });
		const sessions = new Sessions({ gateway, flusher, meters, log, release: (claim) => releases.add(claim) });
		const versions = new VersionCache(store, limits.versionCacheBytesMax);
		const desk = new OfferDesk({ ...shared, versions, lease });
		const matcher = deps.matcher ?? createMatcher({ queueBytesMax: limits.matchQueueBytesMax, log });
		const judge = new EffectiveJudge({ ...shared, match: matcher.match, versions, flusher, desk });
		const heartbeats = new HeartbeatOffers(config.heartbeat);
		const catalogues = new Catalogues({ ...shared, flusher });
		const exchange = new Exchange({ ...shared, sessions, flusher, desk, judge, heartbeats, catalogues });
		const seat: AdmissionDeps['seat'] = (applicant, session) => this.#intake.seat(applicant, session);
		const admission = new Admission({ ...shared, lease, sessions, flusher, exchange, seat });
		this.#lease = lease;
		this.#flusher = flusher;
		this.#releases = releases;
		this.#sessions = sessions;
		this.#desk = desk;
		this.#matcher = matcher;
		this.#exchange = exchange;
		this.#admission = admission;
		this.#intake = new Intake({ ...shared, admission, exchange, pollers: this.#pollers, lease });
		this.#enrollment = new Enrollment({
			...shared,
			mode: config.enrollment,
			rememberedMax: limits.rememberedTokensMax,
			storeAway: (error) => lease.storeAway(error),
		});
		const openEndpoint = deps.openEndpoint ?? ((endpoint: EndpointDeps) => new Endpoint(endpoint));
		this.#endpoint = openEndpoint({
			...shared,
			host: config.host,
			port: config.port,
			path: config.path,
			enrollment: this.#enrollment,
			retryAfterMs: () => this.#retryAfterMs(),
			closedTo: (kind) => this.#closedTo(kind),
			onSocket: (ws, remoteAddress, credential) => this.#opened(ws, remoteAddress, credential),
			onPoll: (body, reply, remoteAddress, credential) => this.#intake.poll(body, reply, remoteAddress, credential),
		});
		this.#inbox = new Inbox({ ...shared, sessions, desk });
		this.#healer = new Healer({ ...shared, lease, sessions, intervalMs: config.healIntervalMs });
		this.#sweeper = new Sweeper({
			...shared,
			sockets: this.#sockets,
			sessions,
			pollers: this.#pollers,
			exchange,
			catalogues,
			enrollment: this.#enrollment,
			onError: (error) => log.error('a sweep failed', { error }),
		});
		this.#socketContext = this.#contextOfSockets();
		this.#removeChecks = [
			deps.health.addReadinessCheck('gateway', () => (this.#phase === 'serving' ? undefined : this.#phase)),
			deps.health.addReadinessCheck('gateway-postgres', () => lease.trouble),
		];
	}

	address() {
		const { host, port } = this.#address;
		return { url: `ws://${host.includes(':') ? `[${host}]` : host}:${port}${this.#config.path}`, host, port };
	}

	get sessions(): number {
		return this.#sessions.size;
	}

	async start(): Promise<void> {
		await this.#lease.start();
		await this.#inbox.start();
		this.#address = await this.#endpoint.listen();
		this.#healer.start();
		this.#sweeper.start();
		this.#phase = 'serving';
		this.#log.info('agents can connect', { gateway: this.#config.gateway, url: this.address().url });
	}

	async drain(): Promise<void> {
		if (this.#phase !== 'serving') return;
		this.#phase = 'draining';
		const { gateway } = this.#config;
		this.#log.info('draining', { gateway, agents: this.#sessions.size });
		await this.#tell('announce the drain', () => this.#store.drainGateway(this.#lease.current));
		await this.#closeSockets();
		for (const session of [...this.#sessions.all()]) this.#sessions.end(session, 'drained');
		await this.#releases.flush();
		await Promise.race([this.#flusher.saved(null), this.#clock.sleep(lastFlushMs, this.#forced.signal)]);
		if (this.#flusher.dirtyAgents === 0)
			await this.#tell('give up the row', () => this.#store.removeGateway(this.#lease.current));
		this.#log.info('drained', { gateway, unsaved: this.#flusher.dirtyAgents });
	}

	async stop(): Promise<void> {
		if (this.#phase === 'stopped') return;
		this.#phase = 'stopped';
		this.#forced.abort();
		for (const remove of this.#removeChecks.splice(0)) remove();
		for (const socket of this.#sockets) socket.terminate();
		this.#flusher.stop();
		await Promise.all([
			this.#endpoint.close(),
			this.#inbox.stop(),
			this.#healer.stop(),
			this.#sweeper.stop(),
			this.#lease.stop(),
			this.#matcher.stop(),
		]);
	}

	async #tell(what: string, work: () => Promise<void>): Promise<void> {
		try {
			await work();
		} catch (error) {
			this.#log.warn(`could not ${what}`, { error });
		}
	}

	/** Spread over the period, so that the other gateways are not stormed. */
	async #closeSockets(): Promise<void> {
		const sockets = [...this.#sockets];
		const slices = Math.max(1, Math.ceil(this.#config.drainPeriodMs / 100));
		const perSlice = Math.ceil(sockets.length / slices);
		for (let at = 0; at < sockets.length && !this.#forced.signal.aborted; at += perSlice) {
			for (const socket of sockets.slice(at, at + perSlice)) {
				for (const rider of socket.riders()) if (rider instanceof AgentSession) this.#sessions.end(rider, 'drained');
				socket.close(goingAway, 'draining');
			}
			await this.#clock.sleep(this.#config.drainPeriodMs / slices, this.#forced.signal);
		}
		const until = this.#clock.monotonicMs() + handshakesMs;
		while (this.#sockets.size > 0 && this.#clock.monotonicMs() < until && !this.#forced.signal.aborted)
			await this.#clock.sleep(20, this.#forced.signal);
		for (const socket of this.#sockets) socket.terminate();
	}

	/** An overloaded gateway needs rest; a draining one has others beside it, or comes back at once. */
	#retryAfterMs(): number {
		const retryAfterMs = this.#phase === 'serving' ? this.#config.retryAfterMs : drainingRetryMs;
		return retryAfterMs + this.#random.below(retryAfterMs);
	}

	#closedTo(kind: 'socket' | 'poll'): 'overloaded' | 'draining' | undefined {
		if (this.#phase !== 'serving') return 'draining';
		if (kind === 'poll') return undefined;
		const { socketsMax, admissionsMax } = this.#config.limits;
		const full = this.#sockets.size >= socketsMax || this.#admission.waiting >= admissionsMax;
		return full || !this.#lease.usable ? 'overloaded' : undefined;
	}

	#opened(ws: WebSocket, remoteAddress: string, credential: Credential): void {
		const socket = new AgentSocket(ws, remoteAddress, credential, this.#socketContext);
		this.#sockets.add(socket);
		credential.sockets.add(socket);
	}

	#contextOfSockets(): SocketContext {
		const rejected = (reason: string) => this.#meters.opamp.ampora_opamp_frames_rejected_total.inc({ reason });
		return {
			limits: this.#config.limits,
			nowMs: () => this.#clock.monotonicMs(),
			retryAfterMs: () => this.#retryAfterMs(),
			onRoom: (session) => {
				if (session.offerPending && session.settled) this.#desk.request(session);
			},
			events: {
				frame: (socket, data) => this.#intake.frame(socket, data),
				textFrame: (socket) => {
					rejected('text-frame');
					socket.close(1003, 'OpAMP messages are binary');
				},
				broken: (socket, error) => {
					const oversize = (error as NodeJS.ErrnoException).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
					rejected(oversize ? 'oversize' : 'malformed');
					this.#log.debug('a socket broke', { remote_address: socket.remoteAddress, error });
				},
				closed: (socket) => this.#closed(socket),
			},
		};
	}

	/** Closed in whatever way: nobody on it is connected any more (C-45). */
	#closed(socket: AgentSocket): void {
		this.#sockets.delete(socket);
		socket.credential.sockets.delete(socket);
		for (const rider of socket.riders())
			if (rider instanceof AgentSession) this.#sessions.end(rider, 'lost');
			else rider.gone = true;
	}

	#refused(agentId: AgentSession['agentId'], epoch: number): void {
		const session = this.#sessions.of(agentId);
		if (session?.epoch === epoch) this.#sessions.supersede(session);
	}

	#learned(session: AgentSession): void {
		this.#exchange.judge(session);
		if (offerDue(session, this.#clock.monotonicMs(), null) !== 'no') this.#desk.request(session);
	}
}
