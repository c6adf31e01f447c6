import type { SimAgent } from './agents.js';
import type { SimNetwork } from './backplane.js';
import type { Servers } from './database.js';
import type { SimEngine } from './engines.js';
import type { SimGateway } from './gateways.js';
import type { FaultKind, WorldPlan } from './plan.js';
import type { Schedule } from './schedule.js';
import type { Stream } from './streams.js';

export interface FaultsDeps {
	readonly plan: WorldPlan;
	readonly schedule: Schedule;
	readonly chance: Stream;
	readonly servers: Servers;
	readonly network: SimNetwork;
	readonly gateways: readonly SimGateway[];
	readonly engines: readonly SimEngine[];
	readonly agents: readonly SimAgent[];
	/** Moves an agent to another group, or back. */
	readonly regroup: (agent: SimAgent) => void;
	readonly say: (line: string) => void;
}

/** Everything that goes wrong in a world, until it is told to stop. */
export class Faults {
	#over = false;

	constructor(private readonly deps: FaultsDeps) {}

	start(): void {
		const { plan, network, servers } = this.deps;
		Object.assign(network.faults, plan.faults.network);
		servers.storeFaults.lost = plan.faults.lostAck;
		servers.storeFaults.slow = plan.faults.slow;
		servers.storeFaults.crash = plan.faults.crash;
		servers.directoryFaults.crash = plan.faults.crash;
		servers.directoryFaults.lost = plan.faults.lostAck;
		servers.directoryFaults.slow = 2 * plan.faults.slow;
		if (plan.faults.kinds.length > 0) this.#next();
	}

	/** No new ones, and what is down comes up again. Clocks stay where they stepped to. */
	stop(): void {
		this.#over = true;
		const { network, servers, gateways, engines } = this.deps;
		Object.assign(network.faults, { lost: 0, duplicated: 0, late: 0, away: false });
		for (const faults of [servers.storeFaults, servers.directoryFaults])
			Object.assign(faults, { away: false, lost: 0, slow: 0, crash: 0 });
		for (const gateway of gateways) {
			gateway.process.cutOffUntilMs = 0;
			gateway.restart();
		}
		for (const engine of engines) engine.restart();
	}

	/** Postgres is out of reach for this gateway alone. */
	cutOff({ process }: SimGateway, forMs: number): void {
		process.cutOffUntilMs = Math.max(process.cutOffUntilMs, this.deps.schedule.nowMs + forMs);
	}

	/** Moves one agent to the other group. */
	regroup(index: number): void {
		const agent = this.deps.agents[index];
		if (agent) this.deps.regroup(agent);
	}

	/** A dead process is started again by whoever looks after it. */
	died(name: string): void {
		const { schedule, chance, gateways, engines } = this.deps;
		const delayMs = chance.between(500, 12_000);
		schedule.after(delayMs, null, () => {
			for (const member of [...gateways, ...engines]) if (member.process.name === name) member.restart();
		});
	}

	#next(): void {
		const { schedule, chance, plan } = this.deps;
		schedule.after(-Math.log(1 - chance.next()) * plan.faults.everyMs, null, () => {
			if (this.#over) return;
			const kind = chance.pick(plan.faults.kinds);
			this.deps.say(`fault ${kind}`);
			this.inject(kind);
			this.#next();
		});
	}

	inject(kind: FaultKind): void {
		this.#kinds[kind]();
	}

	readonly #kinds: Readonly<Record<FaultKind, () => void>> = {
		'gateway-crash': () => this.#gateway().process.kill(),
		'gateway-pause': () => this.#gateway().process.pause(this.#between(200, 2.5 * this.deps.plan.gatewayTtlMs)),
		// It keeps its sockets, and nobody hears from it.
		'gateway-cut-off': () => this.cutOff(this.#gateway(), this.#between(500, 8 * this.deps.plan.gatewayTtlMs)),
		'engine-crash': () => this.#engine().process.kill(),
		'engine-pause': () => this.#engine().process.pause(this.#between(200, 3 * this.deps.plan.leaseTtlMs)),
		'redis-flush': () => this.deps.servers.directory.flush(),
		'redis-away': () => this.#away(this.deps.servers.directoryFaults),
		'nats-away': () => this.#away(this.deps.network.faults),
		'postgres-away': () => this.#away(this.deps.servers.storeFaults),
		'process-clock': () => {
			const { chance, gateways, engines } = this.deps;
			chance.pick([...gateways, ...engines]).process.wallOffMs += this.#between(-3_600_000, 3_600_000);
		},
		'database-clock': () => {
			const { chance, servers } = this.deps;
			// Far back, nobody could lead before the old lease's instant came again.
			servers.clockOffMs += chance.chance(0.5) ? chance.whole(100, 3_600_000) : -chance.whole(100, 8_000);
		},
		'agent-cut': () => this.#agent().cut(this.#between(50, 20_000)),
		'agent-partition': () => this.#agent().partition(this.#between(2_000, 40_000)),
		'agent-goodbye': () => this.#agent().goodbye(this.#between(1_000, 40_000)),
		'agent-restart': () => this.#agent().restart(this.#between(200, 8_000)),
		membership: () => this.deps.regroup(this.#agent()),
		rebalance: () => {
			for (const agent of this.deps.agents) if (this.deps.chance.chance(0.4)) agent.move(this.#between(1, 300));
		},
	};

	#gateway = () => this.deps.chance.pick(this.deps.gateways);
	#engine = () => this.deps.chance.pick(this.deps.engines);
	#agent = () => this.deps.chance.pick(this.deps.agents);
	#between = (low: number, high: number) => this.deps.chance.between(low, high);

	#away(faults: { away: boolean }): void {
		faults.away = true;
		this.deps.schedule.after(this.deps.chance.between(500, 15_000), null, () => {
			faults.away = false;
		});
	}
}
