import type { Command, Rollout, RolloutSpec, Target } from '@ampora/rollout';
import type { AgentId, RolloutId } from '@ampora/runtime';
import type { Flaws } from '@ampora/store/testing';
import { expect } from 'vitest';
import type { FleetEvent } from '../support/fleet/ledger.js';
import type { Outcome } from '../support/fleet/outcome.js';
import type { Handed, Place } from '../support/judgements.js';
import type { AssignmentRow } from './checkers/database_view.js';
import type { MetricPlan } from './world/metric_plan.js';
import type { WorldPlan } from './world/plan.js';
import { World } from './world/world.js';

export interface Directions {
	readonly agents: number;
	/** What each agent does with the new version. */
	readonly outcome?: (index: number) => Outcome;
	readonly spec?: Partial<RolloutSpec>;
	/** How many of the agents are in the second group, which has a version and a rollout of its own. */
	readonly secondGroup?: number;
	/** Agents that are asleep when all begins, and for how long, ms. */
	readonly asleep?: Readonly<Record<number, number>>;
	/** The failure domain each agent tells as its attribute `zone`. */
	readonly zone?: (index: number) => string;
	/** Attributes that identify agents. */
	readonly identity?: readonly string[];
	/** Metric gates, and what their server says. */
	readonly metrics?: MetricPlan;
	/** A safety check that is left out; the invariants are not watched then. */
	readonly flaws?: Flaws;
}

const gate = (thresholdPercent: number, windowMs: number) => ({ thresholdPercent, windowMs });

export const calmSpec: Omit<RolloutSpec, 'rollbackTo'> = {
	strategy: {
		kind: 'canary',
		steps: [
			{ name: 'canary', size: { kind: 'count', value: 2 }, dwellMs: 4_000 },
			{ size: { kind: 'percent', value: 50 }, dwellMs: 4_000 },
			{ size: { kind: 'percent', value: 100 }, dwellMs: 4_000 },
		],
	},
	...{ order: 'hostname', seed: 'directed', maxInFlight: 'unlimited', onGate: 'pause', onAgentFailure: 'restore' },
	gates: {
		'apply-failed-ratio': gate(20, 0),
		'apply-timeout-ratio': gate(20, 8_000),
		'disconnect-ratio': gate(20, 3_000),
		'effective-mismatch-ratio': gate(20, 3_000),
		'unhealthy-ratio': gate(20, 2_000),
	},
	...{ coveragePercent: 80, bakeMs: 3_000, deferForMs: 60_000, maxDeferredPercent: 100, unconfirmed: 'skip' },
	...{ controlLossPercent: 5, acceptNoWayBack: true },
};

/** A world without chance in what goes wrong: the test says it. */
export class Directed {
	readonly #events: { readonly event: FleetEvent; readonly atMs: number }[] = [];

	private constructor(readonly world: World) {
		world.ledger.onEvent((event) => this.#events.push({ event, atMs: world.servers.state.nowMs() }));
	}

	static async set({
		agents,
		outcome,
		spec,
		secondGroup = 0,
		asleep = {},
		zone,
		identity = [],
		metrics,
		flaws,
	}: Directions): Promise<Directed> {
		const own = { ...calmSpec, ...(metrics && { metricGates: metrics.gates }), ...spec };
		const rollout = { spec: own, startMs: 0, rollbackToBaseline: false, start: 'now' } as const;
		const plan: WorldPlan = {
			...{ seed: 1, gateways: 2, engines: 2, leaseTtlMs: 3_000, gatewayTtlMs: 5_000, baseline: true, secondGroup },
			agents: Array.from({ length: agents }, (_, index) => ({
				...{ capabilities: 0x3847n, sick: false, asleepMs: asleep[index] ?? 0 },
				hostname: `host-${String(index).padStart(3, '0')}`,
				...(zone && { zone: zone(index) }),
			})),
			outcomes: Array.from({ length: agents }, (_, index) => outcome?.(index) ?? { kind: 'instant' }),
			rollouts: [
				{ ...rollout, group: 0 },
				{ ...rollout, group: 1 },
			],
			// Versions that may find the first group busy.
			followers: Array.from({ length: 2 }, () => ({ ...rollout, group: 0, busy: 'queue', startInMs: null })),
			faults: {
				...{ everyMs: Number.POSITIVE_INFINITY, kinds: [], forMs: 0, lostAck: 0, slow: 0, crash: 0 },
				network: { lost: 0, duplicated: 0, late: 0 },
			},
			identity: { attributes: identity, rebornEveryMs: Number.POSITIVE_INFINITY, unheard: 0 },
			...{ commandEveryMs: Number.POSITIVE_INFINITY, nervous: 0 },
			...(metrics && { metrics }),
		};
		const directed = new Directed(new World(plan, { keepLines: 400, ...(flaws && { flaws, unwatched: true }) }));
		await directed.world.prepare();
		directed.expectSound();
		return directed;
	}

	async begin(group: 0 | 1 = 0, busy: 'refuse' | 'queue' | 'supersede' = 'refuse'): Promise<RolloutId> {
		const plan = this.world.plan.rollouts[group];
		const id = plan && (await this.world.begin(plan, busy));
		if (!id) throw new Error('there is a rollout already');
		return id;
	}

	/** One of two versions of its own, which say `# next` and then `# 0` or `# 1`, for a group that may be busy. */
	async follow(index: 0 | 1, busy: 'queue' | 'supersede'): Promise<RolloutId> {
		const plan = this.world.plan.followers?.[index];
		const id = plan && (await this.world.follow({ ...plan, busy }, index));
		if (!id) throw new Error('it was refused');
		return id;
	}

	/** When agents were handed versions that say this in their text, on the database's clock. */
	handed(text: string): Handed[] {
		return this.#about(text).flatMap(({ event, atMs }) =>
			event.type === 'offered' ? [{ agent: event.agent, atMs }] : [],
		);
	}

	/** What agents were handed of versions that say this, and what they answered. */
	heard(text: string): FleetEvent[] {
		return this.#about(text).map(({ event }) => event);
	}

	#about(text: string) {
		const configs = this.world.configs.all().filter((config) => config.text.includes(text));
		const hashes = new Set(configs.map(({ hash }) => hash));
		return this.#events.filter(({ event }) => 'hash' in event && hashes.has(event.hash));
	}

	rollout(id: RolloutId): Rollout {
		const row = this.world.servers.view.rollout(id);
		if (row === null) throw new Error('there is no such rollout');
		return row.rollout;
	}

	targets(id: RolloutId): readonly Target[] {
		return [...(this.world.servers.view.rollout(id)?.targets.values() ?? [])].map(({ target }) => target);
	}

	count(id: RolloutId, state: Target['state']): number {
		return this.targets(id).filter((target) => target.state === state).length;
	}

	agentId(index: number): AgentId {
		const agent = this.world.agents[index];
		const id = agent && this.world.agentId(agent);
		if (!id) throw new Error(`agent ${index} never came`);
		return id;
	}

	/** Where agents are in a rollout; an agent that is not in it under the id it has now has no place. */
	places(id: RolloutId, indexes: readonly number[]): Place[] {
		const targets = new Map(this.targets(id).map((target) => [target.agentId, target]));
		return indexes.map((agent) => ({ agent, rank: targets.get(this.agentId(agent))?.rank ?? null }));
	}

	/**
	 * These restart under other uids, and are put where a selector would put them. `unheard`: nobody heard of the end of the former
	 * process; selectors let them wait then.
	 */
	async reborn(indexes: readonly number[], how: { unheard?: boolean } = {}): Promise<void> {
		const agents = this.world.agents.filter(({ index }) => indexes.includes(index));
		for (const agent of agents) agent.reborn(500, how);
		await this.world.runFor(1_000);
		await this.until('they are back', () => agents.every((agent) => agent.connected && this.world.agentId(agent)));
		if (!how.unheard) await this.world.join(agents);
	}

	assignment(index: number): AssignmentRow | null {
		return this.world.servers.view.assignment(this.agentId(index));
	}

	async ask(id: RolloutId, command: Omit<Command, 'id' | 'actor'>): Promise<void> {
		await this.world.people.command(id, command);
	}

	/** Fails when it does not come about within so many virtual seconds. */
	async until(what: string, holds: () => boolean, seconds = 120): Promise<void> {
		await this.world.runFor(seconds * 1_000, holds);
		this.expectSound();
		if (!holds()) throw new Error(`not within ${seconds} s: ${what}\n${this.world.trace.tail().join('\n')}`);
	}

	untilState(id: RolloutId, state: Rollout['state'], seconds?: number): Promise<void> {
		return this.until(`${state}, it is ${this.rollout(id).state}`, () => this.rollout(id).state === state, seconds);
	}

	/** Every invariant held so far. */
	expectSound(): void {
		expect(this.world.checkers.violations).toEqual([]);
	}

	/** A while later everything is over and as it should be. */
	async expectRest(): Promise<void> {
		await this.world.runFor(45_000);
		this.world.checkEnd();
		this.expectSound();
	}

	/** Offers that agents read, as `agent <index> read seq <n>` lines of the trace. */
	reads(index: number): number[] {
		const line = new RegExp(`agent ${index} read seq (\\d+)`);
		return this.world.trace.tail().flatMap((text) => {
			const [, seq] = line.exec(text) ?? [];
			return seq === undefined ? [] : [Number(seq)];
		});
	}
}
