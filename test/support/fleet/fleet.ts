import { createHash } from 'node:crypto';
import http from 'node:http';
import {
	type AgentDescription,
	type AvailableComponents,
	type ComponentDetails,
	type InstanceUid,
	uidText,
} from '@ampora/opamp';
import { type Clock, type Random, seededRandom, systemClock } from '@ampora/runtime';
import { FleetAgent, type FleetContext } from './agent.js';
import { HeartbeatWheel } from './heartbeat_wheel.js';
import { HttpLink } from './http_link.js';
import { FleetLedger, type FleetStats } from './ledger.js';
import type { LinkContext, LinkTarget, SteeredLink } from './link.js';
import { OfferedConfigs } from './offered_config.js';
import { type Behaviour, behaviourOf } from './outcome.js';
import { WebSocketLink } from './websocket_link.js';

export interface FleetOptions {
	/** The OpAMP endpoint, ws:// or wss://. */
	readonly url: string;
	/** Everything a fleet does by chance follows from it, the uids too. */
	readonly seed: number;
	/** Sent as `Authorization: Bearer …`. */
	readonly token?: string;
	/** Every agent gets its own 127.x.y.z source address; false leaves that to the system. */
	readonly ownAddresses?: boolean;
	readonly reconnect?: { readonly baseMs: number; readonly maxMs: number };
}

/** Agents of one kind. Plain data. */
export interface Cohort {
	readonly count: number;
	readonly transport?: 'websocket' | 'http';
	/** The capability word; a managed supervisor's 0x3847 when absent. */
	readonly capabilities?: number;
	/** Heartbeat or poll interval, ms; 30,000 when absent. */
	readonly heartbeatMs?: number;
	/** Not connected until woken. */
	readonly asleep?: boolean;
	/** Unhealthy from the start and for ever. */
	readonly sick?: boolean;
	readonly agentsPerSocket?: number;
	/** Slow readers look at their socket once in so many ms. */
	readonly readEveryMs?: number;
	/** Uses the uids of the agents from this index on. */
	readonly clonesOf?: number;
	readonly requestsInstanceUid?: boolean;
	/** Types of components by section, as `{ receivers: ['otlp'] }`; none: the agent does not say what it has. */
	readonly components?: Readonly<Record<string, readonly string[]>>;
	/** Further non-identifying attributes; of a list each agent takes one in turn. */
	readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

/** Which agents: all, a range of indexes (the end excluded), or a list of them. */
export type Selection = 'all' | { readonly from: number; readonly to: number } | readonly number[];

const supervisorCapabilities = 0x3847;
const reportsComponents = 0x4000;
const defaultHeartbeatMs = 30_000;
const defaultReconnect = { baseMs: 500, maxMs: 60_000 };
const launchTickMs = 10;

/** Thousands of protocol-true agents in this process. */
export class Fleet {
	readonly ledger = new FleetLedger();
	readonly configs = new OfferedConfigs();
	readonly agents: FleetAgent[] = [];
	readonly #context: FleetContext;
	readonly #links: SteeredLink[] = [];
	readonly #linkOf = new Map<number, SteeredLink>();
	readonly #notStarted = new Set<SteeredLink>();
	readonly #keepAlive = new http.Agent({ keepAlive: true });
	readonly #linkContext: LinkContext;
	readonly #random: Random;
	#connections = 0;
	#generation = 0;
	#stopped = false;

	constructor(
		readonly options: FleetOptions,
		behaviour: Behaviour = behaviourOf([]),
		readonly clock: Clock = systemClock,
	) {
		this.#random = seededRandom(options.seed);
		const { ledger, configs } = this;
		this.#context = { seed: options.seed, clock, ledger, configs, behaviour, wheel: new HeartbeatWheel(clock) };
		this.#linkContext = {
			clock,
			random: this.#random,
			ledger: this.ledger,
			nextConnection: () => this.#connections++,
		};
	}

	/** What agents do with the configurations they are offered from now on. */
	set behaviour(behaviour: Behaviour) {
		this.#context.behaviour = behaviour;
	}

	get stats(): Readonly<FleetStats> {
		return this.ledger.stats;
	}

	/** Makes agents; `launch` connects them. */
	add(cohort: Cohort): FleetAgent[] {
		const made = Array.from({ length: cohort.count }, (_, at) => this.#make(cohort, at));
		const perLink = cohort.transport === 'http' ? 1 : (cohort.agentsPerSocket ?? 1);
		for (let at = 0; at < made.length; at += perLink) {
			const link = this.#linkFor(made.slice(at, at + perLink), cohort);
			this.#links.push(link);
			for (const agent of link.agents) this.#linkOf.set(agent.index, link);
			if (!cohort.asleep) this.#notStarted.add(link);
		}
		return made;
	}

	/** Connects all that were added and are not asleep, at most so many connections a second; resolves when all are under way. */
	async launch(perSecond = Number.POSITIVE_INFINITY): Promise<void> {
		const startedMs = this.clock.monotonicMs();
		let launched = 0;
		for (const link of this.#notStarted) {
			while (launched >= ((this.clock.monotonicMs() - startedMs + launchTickMs) * perSecond) / 1000)
				await this.clock.sleep(launchTickMs);
			if (this.#stopped) return;
			this.#notStarted.delete(link);
			link.start();
			launched += 1;
		}
	}

	/** Connects agents that are asleep, said goodbye or were killed. */
	wake(selection: Selection): void {
		for (const link of this.#select(selection)) {
			this.#notStarted.delete(link);
			link.start();
		}
	}

	/** Goodbye, then away until woken. Agents on one socket go together. */
	async sleep(selection: Selection): Promise<void> {
		await Promise.all([...this.#select(selection)].map((link) => link.goodbye()));
	}

	/** Breaks the connection without a goodbye; back after `backAfterMs`, or when woken if that is absent. */
	kill(selection: Selection, backAfterMs?: number): void {
		for (const link of this.#select(selection)) link.cut(backAfterMs);
	}

	/** The agents' processes end without a goodbye and start again: numbers from 0, everything told anew; `newUids`: under others. */
	restart(selection: Selection, backAfterMs = 0, newUids = false): void {
		if (newUids) this.#generation += 1;
		for (const link of this.#select(selection)) {
			link.cut(backAfterMs);
			for (const agent of link.agents)
				agent.restart(newUids ? fleetUid(this.options.seed, `${agent.index}/${this.#generation}`) : undefined);
		}
	}

	/** Resolves as soon as the condition holds; rejects with the stats when it does not within `withinMs`. */
	until(condition: (stats: Readonly<FleetStats>) => boolean, withinMs = 30_000): Promise<void> {
		if (condition(this.stats)) return Promise.resolve();
		return new Promise((resolve, reject) => {
			const end = (settle: () => void) => {
				stopWatching();
				clearTimeout(late);
				settle();
			};
			const stopWatching = this.ledger.onChange(() => condition(this.stats) && end(resolve));
			const late = setTimeout(
				() => end(() => reject(new Error(`not within ${withinMs} ms: ${JSON.stringify(this.stats)}`))),
				withinMs,
			);
		});
	}

	/** Ends every connection, with a goodbye unless told otherwise. */
	async stop({ goodbye = true }: { goodbye?: boolean } = {}): Promise<void> {
		this.#stopped = true;
		if (goodbye) await this.sleep('all');
		this.kill('all');
		for (const agent of this.agents) agent.dispose();
		this.#keepAlive.destroy();
	}

	#make(cohort: Cohort, at: number): FleetAgent {
		const index = this.agents.length;
		const original = cohort.clonesOf === undefined ? undefined : this.agents[cohort.clonesOf + at];
		const agent = new FleetAgent(
			{
				index,
				instanceUid: original?.instanceUid ?? fleetUid(this.options.seed, index),
				capabilities: BigInt(
					cohort.capabilities ?? supervisorCapabilities | (cohort.components ? reportsComponents : 0),
				),
				description: describe(this.options.seed, index, cohort),
				heartbeatMs: cohort.heartbeatMs ?? defaultHeartbeatMs,
				sick: cohort.sick ?? false,
				...(cohort.components && { components: availableComponents(cohort.components) }),
				requestsInstanceUid: cohort.requestsInstanceUid ?? false,
			},
			this.#context,
		);
		this.agents.push(agent);
		return agent;
	}

	#linkFor(agents: readonly FleetAgent[], cohort: Cohort): SteeredLink {
		const [first] = agents;
		if (!first) throw new Error('a link needs an agent');
		const { url, token, ownAddresses = true, reconnect = defaultReconnect } = this.options;
		const target: LinkTarget = {
			url,
			headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
			reconnect,
			...(ownAddresses && { localAddress: loopbackAddress(first.index) }),
			...(cohort.readEveryMs !== undefined && { readEveryMs: cohort.readEveryMs }),
		};
		return cohort.transport === 'http'
			? new HttpLink(first, target, this.#linkContext, this.#keepAlive)
			: new WebSocketLink(agents, target, this.#linkContext);
	}

	#select(selection: Selection): Set<SteeredLink> {
		if (selection === 'all') return new Set(this.#links);
		const indexes =
			'from' in selection ? this.agents.slice(selection.from, selection.to).map(({ index }) => index) : selection;
		return new Set(indexes.flatMap((index) => this.#linkOf.get(index) ?? []));
	}
}

/** The source address of agent number `index`: 127.16.0.1 and on, so that each agent has its own. */
export function loopbackAddress(index: number): string {
	const host = index % 254;
	const subnet = Math.floor(index / 254);
	return `127.${16 + Math.floor(subnet / 256)}.${subnet % 256}.${host + 1}`;
}

/** The uid of an agent: looks like a UUIDv7, the same for the same seed and index. */
export function fleetUid(seed: number, index: number | string): InstanceUid {
	const bytes = createHash('sha256').update(`uid/${seed}/${index}`).digest().subarray(0, 16);
	bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
	bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
	return uidText(bytes);
}

/** As collectors tell them: a section's types are what is below it. */
function availableComponents(sections: NonNullable<Cohort['components']>): AvailableComponents {
	const leaf: ComponentDetails = { metadata: [], components: new Map() };
	const ofSection = (types: readonly string[]) => new Map(types.map((type) => [type, leaf]));
	return {
		hash: createHash('sha256').update(JSON.stringify(sections)).digest(),
		components: new Map(
			Object.entries(sections).map(([section, types]) => [section, { metadata: [], components: ofSection(types) }]),
		),
	};
}

function describe(seed: number, index: number, { attributes = {} }: Cohort): AgentDescription {
	const text = (key: string, value: string) => ({ key, value: { kind: 'string' as const, value } });
	const own = Object.entries(attributes).map(([key, value]) =>
		text(key, typeof value === 'string' ? value : (value[index % value.length] ?? '')),
	);
	return {
		identifying: [
			text('service.name', 'otelcol'),
			text('service.version', '0.150.0'),
			text('service.instance.id', fleetUid(seed, index)),
		],
		nonIdentifying: [text('host.name', `host-${String(index).padStart(5, '0')}`), text('os.type', 'linux'), ...own],
	};
}
