import { createHash } from 'node:crypto';
import { type Frame, type InstanceUid, messageOf, uidText } from '@ampora/opamp';
import { decodeServerToAgent } from '@ampora/opamp/testing';
import type { Timer } from '@ampora/runtime';
import { FleetAgent, type FleetContext, type Link } from '../../support/fleet/agent.js';
import { type Beating, HeartbeatWheel } from '../../support/fleet/heartbeat_wheel.js';
import type { FleetLedger } from '../../support/fleet/ledger.js';
import type { OfferedConfigs } from '../../support/fleet/offered_config.js';
import type { Behaviour } from '../../support/fleet/outcome.js';
import { Connection, type ConnectionDeps, type Listener } from './connections.js';
import type { Schedule } from './schedule.js';
import { SimProcess } from './sim_process.js';
import type { Stream } from './streams.js';

/** Beats every member at its very time: the world has no need of a ring that turns. */
class ExactWheel extends HeartbeatWheel {
	readonly #timers = new Map<Beating, Timer>();

	override add(member: Beating): void {
		this.remove(member);
		const delayMs = member.nextBeatMs - this.clock.monotonicMs();
		if (!Number.isFinite(delayMs)) return;
		const timer = this.clock.after(delayMs, () => {
			if (member.nextBeatMs <= this.clock.monotonicMs()) member.beat();
			if (this.#timers.get(member) === timer) this.add(member);
		});
		this.#timers.set(member, timer);
	}

	override remove(member: Beating): void {
		this.#timers.get(member)?.cancel();
		this.#timers.delete(member);
	}
}

export interface AgentsDeps extends ConnectionDeps {
	readonly schedule: Schedule;
	readonly chance: Stream;
	readonly seed: number;
	readonly behaviour: Behaviour;
	readonly ledger: FleetLedger;
	readonly configs: OfferedConfigs;
	/** Where a connection goes now: the load balancer. */
	readonly route: (key: number) => Listener;
	/** An offer reached an agent over this connection, before it does anything about it. */
	readonly onOffered: (agent: SimAgent, hash: string, connection: number) => void;
	/** An agent sends a message. */
	readonly onSent: (agent: SimAgent, frame: Frame) => void;
}

export interface AgentPlan {
	readonly capabilities: bigint;
	readonly sick: boolean;
	/** Not connected before so many ms. */
	readonly asleepMs: number;
	readonly hostname: string;
	/** Its failure domain, as the attribute `zone`; absent: it tells none. */
	readonly zone?: string;
}

/** One agent of the world, with the connection it has or wants. */
export class SimAgent implements Link {
	readonly agent: FleetAgent;
	connection = -1;
	/** Wants no connection now. */
	away = true;
	/** How many gateways away from its first one the load balancer sends it. */
	shift = 0;
	/** Grows with every restart: sequence numbers begin anew. */
	process = 0;
	#now: Connection | null = null;
	#failures = 0;

	constructor(
		readonly index: number,
		readonly plan: AgentPlan,
		context: FleetContext,
		private readonly deps: AgentsDeps,
	) {
		this.agent = new FleetAgent(
			{
				index,
				instanceUid: uidOf(deps.seed, index),
				capabilities: plan.capabilities,
				description: {
					identifying: [{ key: 'service.name', value: { kind: 'string', value: 'collector' } }],
					nonIdentifying: [
						{ key: 'host.name', value: { kind: 'string', value: plan.hostname } },
						...(plan.zone === undefined ? [] : [{ key: 'zone', value: { kind: 'string' as const, value: plan.zone } }]),
					],
				},
				heartbeatMs: 30_000,
				sick: plan.sick,
				requestsInstanceUid: false,
			},
			context,
		);
	}

	get uid(): InstanceUid {
		return this.agent.instanceUid;
	}

	get connected(): boolean {
		return this.#now?.open === true;
	}

	/** The gateway its connection goes to, while it has one. */
	get gateway(): string | null {
		return this.#now?.listener.process.name ?? null;
	}

	start(): void {
		this.away = false;
		this.#connect();
	}

	send(frame: Frame): void {
		this.deps.onSent(this, frame);
		this.#now?.send(frame);
	}

	cut(backAfterMs: number | undefined): void {
		this.away = true;
		this.#leave();
		if (backAfterMs !== undefined) this.deps.schedule.after(backAfterMs, null, () => this.start());
	}

	/** Says so, and goes. */
	goodbye(backAfterMs: number): void {
		this.agent.goodbye();
		this.deps.schedule.after(50, null, () => this.cut(backAfterMs));
	}

	restart(backAfterMs: number): void {
		this.cut(backAfterMs);
		this.process += 1;
		this.agent.restart();
	}

	/** Restarts under another uid. `unheard`: nothing tells its gateway that the former process is gone. */
	reborn(backAfterMs: number, { unheard = false } = {}): void {
		if (unheard) this.#now?.partition(0);
		if (unheard) this.#now = null;
		this.cut(backAfterMs);
		this.process += 1;
		this.agent.restart(uidOf(this.deps.seed, this.index, this.process));
	}

	/** The way to its gateway is cut, and the next one it tries is another. */
	partition(noticedMs: number): void {
		this.shift += 1;
		this.#now?.partition(noticedMs);
	}

	/** The load balancer sends it elsewhere from now on. */
	move(backAfterMs: number): void {
		this.shift += 1;
		this.cut(backAfterMs);
	}

	/** The gateway this connection goes to is no more. */
	gatewayDied(process: SimProcess): void {
		if (this.#now?.listener.process === process) this.#now.reset();
	}

	#leave(): void {
		this.#now?.drop();
		this.#now = null;
		this.agent.unlinked();
	}

	#connect(): void {
		if (this.away || this.#now !== null) return;
		const listener = this.deps.route(this.index + this.shift);
		const connection = new Connection(
			this.deps.nextConnection(),
			this.index,
			listener,
			{
				opened: () => {
					this.#failures = 0;
					this.connection = connection.id;
					this.agent.linked(this);
				},
				message: (frame) => this.#received(frame),
				closed: () => {
					if (this.#now !== connection) return;
					this.#now = null;
					this.agent.unlinked();
					this.#failures += 1;
					const delayMs = this.deps.chance.between(100, 400 * 2 ** Math.min(this.#failures, 5));
					this.deps.schedule.after(delayMs, null, () => this.#connect());
				},
			},
			this.deps,
		);
		this.#now = connection;
	}

	#received(frame: Frame): void {
		const message = decodeServerToAgent(messageOf(frame));
		if (message.remoteConfig) {
			const hash = Buffer.from(message.remoteConfig.configHash).toString('hex');
			this.deps.onOffered(this, hash, this.connection);
		}
		this.agent.received(message, frame.length);
	}
}

/** Deterministic, and spread over the space of uids as real ones are. */
function uidOf(seed: number, index: number, process = 0): InstanceUid {
	const bytes = createHash('sha256')
		.update(`uid/${seed}/${index}${process === 0 ? '' : `/${process}`}`)
		.digest()
		.subarray(0, 16);
	return uidText(bytes);
}

export function createAgents(plans: readonly AgentPlan[], deps: AgentsDeps): SimAgent[] {
	const { clock } = new SimProcess('agents', deps.schedule);
	const context: FleetContext = {
		seed: deps.seed,
		clock,
		ledger: deps.ledger,
		configs: deps.configs,
		wheel: new ExactWheel(clock),
		behaviour: deps.behaviour,
	};
	return plans.map((plan, index) => {
		const agent = new SimAgent(index, plan, context, deps);
		deps.schedule.after(plan.asleepMs, null, () => agent.start());
		return agent;
	});
}
