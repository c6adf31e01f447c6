import type { GateName, GateSpec, RolloutSpec, Strategy } from '@ampora/rollout';
import type { Retention } from '@ampora/store';
import type { Outcome } from '../../support/fleet/outcome.js';
import type { AgentPlan } from './agents.js';
import { type CalendarPlan, planCalendar } from './calendar_plan.js';
import { type MetricPlan, planMetrics } from './metric_plan.js';
import { type Stream, Streams } from './streams.js';

/** What may go wrong, and how often; a seed takes some of them. */
export interface FaultPlan {
	/** Mean virtual ms between two faults. */
	readonly everyMs: number;
	readonly kinds: readonly FaultKind[];
	readonly forMs: number;
	readonly network: { readonly lost: number; readonly duplicated: number; readonly late: number };
	/** Shares of all store calls. */
	readonly lostAck: number;
	readonly slow: number;
	/** An engine, or a gateway, dies at this share of its store calls. */
	readonly crash: number;
}

export const faultKinds = [
	'gateway-crash',
	'gateway-pause',
	'gateway-cut-off',
	'engine-crash',
	'engine-pause',
	'redis-flush',
	'redis-away',
	'nats-away',
	'postgres-away',
	'process-clock',
	'database-clock',
	'agent-cut',
	'agent-partition',
	'agent-goodbye',
	'agent-restart',
	'membership',
	'rebalance',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface RolloutPlan {
	/** Which of the two groups. */
	readonly group: 0 | 1;
	readonly startMs: number;
	readonly spec: Omit<RolloutSpec, 'rollbackTo'>;
	readonly rollbackToBaseline: boolean;
	readonly start: 'now' | 'by-hand';
	/** It is to start that long after it was made, where it finds the group free; null: at once. */
	readonly startInMs?: number | null;
}

/** Another rollout of a group, of a version of its own, which may find it busy. */
export interface FollowerPlan extends RolloutPlan {
	readonly busy: 'queue' | 'supersede';
}

/** Groups have a default, which agents that come to them are given. */
export interface EnrolmentPlan {
	readonly maxInFlight: number;
}

/** Agents are known by attributes, and now and then one restarts under another uid. */
export interface IdentityPlan {
	readonly attributes: readonly string[];
	/** Mean virtual ms between two of them. */
	readonly rebornEveryMs: number;
	/** Share of those of whose former process's end nobody hears. */
	readonly unheard: number;
}

/** Everything about a world that its seed decides before it begins. */
export interface WorldPlan {
	readonly seed: number;
	readonly gateways: number;
	readonly engines: number;
	readonly leaseTtlMs: number;
	readonly gatewayTtlMs: number;
	readonly agents: readonly AgentPlan[];
	/** What each agent does with the new version, by its index. */
	readonly outcomes: readonly Outcome[];
	/** Agents of the second group; the others are in the first. */
	readonly secondGroup: number;
	/** All agents prove a version first. */
	readonly baseline: boolean;
	readonly rollouts: readonly RolloutPlan[];
	readonly followers?: readonly FollowerPlan[];
	readonly calendar?: CalendarPlan | null;
	/** After how long agents that are away are archived; null: never. */
	readonly retention?: Retention | null;
	/** Gates that every rollout but the baseline has, and what the metrics server says; null: none. */
	readonly metrics?: MetricPlan | null;
	/** Null: agents are known by their uids, which never change. */
	readonly identity?: IdentityPlan | null;
	/** Null: groups have no default. */
	readonly enrolment?: EnrolmentPlan | null;
	readonly faults: FaultPlan;
	/** Mean virtual ms between two commands of an operator. */
	readonly commandEveryMs: number;
	/** Share of the decisions that send the version out which somebody answers at once with a pause, an abort or a rollback. */
	readonly nervous: number;
}

const supervisor = 0x3847n;
const capabilities: readonly (readonly [bigint, number])[] = [
	[supervisor, 80],
	// No status, effective config only; the reverse; neither.
	[supervisor & ~0x1000n, 5],
	[supervisor & ~0x4n, 5],
	[supervisor & ~0x1004n, 2],
	// Takes no config; says nothing of its health.
	[supervisor & ~0x2n, 3],
	[supervisor & ~0x800n, 5],
];

export function planWorld(seed: number): WorldPlan {
	const chance = new Streams(seed).named('plan');
	const count = agentCount(chance);
	const badShare = chance.pick([0, 0, 0.05, 0.15, 0.4, 0.9]);
	const second = chance.chance(0.25) && count >= 6 ? Math.floor(count / 3) : 0;
	const plan: WorldPlan = {
		seed,
		gateways: chance.whole(2, 3),
		engines: 2,
		leaseTtlMs: chance.pick([3_000, 6_000]),
		gatewayTtlMs: chance.pick([5_000, 10_000]),
		agents: Array.from({ length: count }, (_, index) => planAgent(chance, index)),
		outcomes: Array.from({ length: count }, () => (chance.chance(badShare) ? badOutcome(chance) : goodOutcome(chance))),
		secondGroup: second,
		baseline: chance.chance(0.7),
		rollouts: planRollouts(chance, second > 0),
		// With a stream of their own, so that the rest of a seed's world is what it was without them.
		followers: planFollowers(new Streams(seed).named('followers')),
		calendar: planCalendar(new Streams(seed).named('calendar')),
		retention: planRetention(new Streams(seed).named('retention')),
		faults: planFaults(chance),
		commandEveryMs: chance.pick([Number.POSITIVE_INFINITY, 60_000, 15_000, 6_000]),
		nervous: chance.pick([0, 0, 0.1, 0.4]),
	};
	return [crowded, pace, measured, alone, timed, reborn, enrolling].reduce((before, add) => add(seed, before), plan);
}

/** What a world adds to how fast and how strictly its rollouts go, by a chance of its own: the rest of a seed stays what it was. */
function pace(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('pace');
	const zones = chance.pick([0, 1, 3, 6]);
	const crowd = plan.agents.length > 36;
	const spreadBy = chance.chance(0.5) || crowd ? 'zone' : null;
	const minSample = chance.pick([0, 0, 3, 8, 1_000]);
	const progressDeadlineMs = chance.pick([10_000, 60_000, 1_800_000]);
	const agents = plan.agents.map((agent) =>
		zones === 0 || chance.chance(0.1)
			? agent
			: { ...agent, zone: `zone-${crowd ? Math.min(chance.below(zones), chance.below(zones)) : chance.below(zones)}` },
	);
	const rollouts = plan.rollouts.map((rollout): RolloutPlan => {
		const { gates } = rollout.spec;
		const judged: Record<GateName, GateSpec> = { ...gates };
		for (const gate of Object.keys(gates) as GateName[])
			if (chance.chance(0.5)) judged[gate] = { ...gates[gate], minSample };
		return { ...rollout, spec: { ...rollout.spec, spreadBy, progressDeadlineMs, gates: judged } };
	});
	return { ...plan, agents, rollouts };
}

/** Few worlds are large enough for a share of a failure domain to be less than what may be in flight anyway. */
function crowded(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('crowd');
	if (!chance.chance(0.04)) return plan;
	const more = Array.from({ length: chance.whole(50, 90) }, (_, index) => index + plan.agents.length);
	return {
		...plan,
		agents: [...plan.agents, ...more.map((index) => planAgent(chance, index))],
		outcomes: [
			...plan.outcomes,
			// All slow, so that what may be in flight is.
			...more.map((): Outcome => ({ kind: 'applied', afterMs: chance.between(500, 4_000) })),
		],
		rollouts: plan.rollouts.map((rollout) => ({ ...rollout, spec: { ...rollout.spec, maxInFlight: null } })),
	};
}

/** Changes of how agents reach their server: most agents come back with it. */
function alone(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('alone');
	if (!chance.chance(0.2)) return plan;
	const comeBack = (outcome: Outcome): Outcome =>
		(outcome.kind === 'instant' || outcome.kind === 'applied') && chance.chance(0.7)
			? { kind: 'disconnect', backAfterMs: chance.between(100, 3_000), answer: 'applied' }
			: outcome;
	const first = <Planned extends RolloutPlan>(rollout: Planned): Planned => ({
		...rollout,
		spec: { ...rollout.spec, strategy: { ...rollout.spec.strategy, firstAgentAlone: true } },
	});
	return {
		...plan,
		outcomes: plan.outcomes.map(comeBack),
		rollouts: plan.rollouts.map(first),
		...(plan.followers && { followers: plan.followers.map(first) }),
	};
}

/** Agents whose uids change. Hostnames of large worlds name several agents. */
function reborn(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('identity');
	if (!chance.chance(0.25)) return plan;
	const attributes = chance.pick([['host.name'], ['service.name', 'host.name']]);
	const rebornEveryMs = chance.pick([20_000, 8_000, 3_000]);
	return { ...plan, identity: { attributes, rebornEveryMs, unheard: chance.pick([0, 0.2, 0.5]) } };
}

/** Both groups give their newcomers something, and agents change between them. */
function enrolling(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('enrolment');
	if (!chance.chance(0.25)) return plan;
	const kinds = [...new Set([...plan.faults.kinds, 'membership' as const])];
	return { ...plan, enrolment: { maxInFlight: chance.pick([1, 3, 8]) }, faults: { ...plan.faults, kinds } };
}

/** Rollouts that wait for their time from the beginning. */
function timed(seed: number, plan: WorldPlan): WorldPlan {
	const chance = new Streams(seed).named('timed');
	if (!chance.chance(0.15)) return plan;
	const later = (rollout: RolloutPlan): RolloutPlan => ({ ...rollout, startInMs: chance.whole(3, 40) * 1_000 });
	return { ...plan, rollouts: plan.rollouts.map(later) };
}

/** Metric gates, with a chance of their own as well. */
function measured(seed: number, plan: WorldPlan): WorldPlan {
	const metrics = planMetrics(new Streams(seed).named('metrics'));
	if (metrics === null) return plan;
	const withGates = <Planned extends RolloutPlan>(rollout: Planned): Planned => ({
		...rollout,
		spec: { ...rollout.spec, metricGates: metrics.gates },
	});
	return {
		...plan,
		metrics,
		rollouts: plan.rollouts.map(withGates),
		...(plan.followers && { followers: plan.followers.map(withGates) }),
	};
}

function agentCount(chance: Stream): number {
	const size = chance.weighted({ small: 35, middle: 50, large: 15 });
	return size === 'small' ? chance.whole(1, 7) : size === 'middle' ? chance.whole(8, 16) : chance.whole(17, 36);
}

function planAgent(chance: Stream, index: number): AgentPlan {
	const kind = Number(chance.weighted(Object.fromEntries(capabilities.map(([, weight], at) => [at, weight]))));
	return {
		capabilities: capabilities[kind]?.[0] ?? supervisor,
		sick: chance.chance(0.04),
		asleepMs: chance.chance(0.06) ? chance.between(20_000, 200_000) : chance.between(0, 1_500),
		hostname: `host-${(index * 7) % 40}`,
	};
}

const goodOutcome = (chance: Stream): Outcome =>
	chance.chance(0.5)
		? { kind: 'instant' }
		: { kind: 'applied', afterMs: chance.chance(0.1) ? chance.between(3_000, 15_000) : chance.between(20, 1_500) };

function badOutcome(chance: Stream): Outcome {
	switch (
		chance.weighted({
			...{ failed: 30, unhealthy: 12, silent: 8, stuck: 6, reverting: 12, flapping: 5, leaves: 6, returns: 8 },
			...{ crashes: 6, mismatched: 5 },
		})
	) {
		case 'failed':
			return { kind: 'failed', error: 'no such exporter', afterMs: chance.between(10, 2_000) };
		case 'unhealthy':
			return { kind: 'unhealthy', afterMs: chance.between(100, 6_000) };
		case 'silent':
			return { kind: 'silent' };
		case 'stuck':
			return { kind: 'stuck' };
		case 'reverting':
			return { kind: 'reverting', error: 'health check failed', afterMs: chance.between(100, 3_000) };
		case 'flapping':
			return { kind: 'flapping', periodMs: chance.between(500, 4_000) };
		case 'leaves':
			return { kind: 'disconnect' };
		case 'returns':
			return {
				kind: 'disconnect',
				backAfterMs: chance.between(500, 30_000),
				answer: chance.pick(['applied', 'failed', 'none'] as const),
			};
		case 'crashes':
			return { kind: 'crash-looping', times: chance.whole(1, 5), everyMs: chance.between(300, 3_000) };
		case 'mismatched':
			return { kind: 'applied', effective: 'previous', afterMs: 100 };
	}
}

/** So short that agents are archived in the middle of what happens, and come back. */
const planRetention = (chance: Stream): Retention | null =>
	chance.chance(0.4) ? { unseenMs: chance.whole(1, 60) * 1_000, goodbyeMs: chance.whole(1, 20) * 1_000 } : null;

function planRollouts(chance: Stream, two: boolean): RolloutPlan[] {
	const first = planRollout(chance, 0, 0);
	return two ? [first, planRollout(chance, 1, chance.between(0, 20_000))] : [first];
}

function planFollowers(chance: Stream): FollowerPlan[] {
	const count = chance.chance(0.4) ? chance.whole(1, 3) : 0;
	return Array.from({ length: count }, () => ({
		// Before the trouble ends, whatever else the seed says.
		...planRollout(chance, 0, chance.between(1_000, 40_000)),
		busy: chance.pick(['queue', 'supersede'] as const),
		startInMs: chance.chance(0.3) ? chance.whole(1, 40) * 1_000 : null,
	}));
}

function planRollout(chance: Stream, group: 0 | 1, startMs: number): RolloutPlan {
	const dwellMs = chance.whole(1, 8) * 1_000;
	return {
		group,
		startMs,
		rollbackToBaseline: chance.chance(0.3),
		start: chance.chance(0.9) ? 'now' : 'by-hand',
		spec: {
			strategy: planStrategy(chance, dwellMs),
			order: chance.pick(['random', 'random', 'hostname', 'last-seen'] as const),
			seed: `seed-${chance.below(1_000_000)}`,
			maxInFlight: chance.pick([null, null, 1, 2, 3, 5, 'unlimited'] as const),
			gates: planGates(chance),
			onGate: chance.pick(['pause', 'rollback'] as const),
			onAgentFailure: chance.pick(['restore', 'restore', 'leave'] as const),
			coveragePercent: 80,
			bakeMs: chance.whole(2, 10) * 1_000,
			deferForMs: chance.pick([30_000, 600_000]),
			maxDeferredPercent: chance.pick([20, 60]),
			unconfirmed: chance.pick(['skip', 'push'] as const),
			controlLossPercent: 5,
			acceptNoWayBack: true,
		},
	};
}

function planStrategy(chance: Stream, dwellMs: number): Strategy {
	const advance = chance.chance(0.8) ? 'auto' : 'manual';
	switch (chance.weighted({ canary: 50, percentage: 30, batch: 20 })) {
		case 'canary':
			return {
				kind: 'canary',
				steps: [
					{
						name: 'canary',
						size: chance.pick([{ kind: 'count', value: 1 } as const, { kind: 'percent', value: 10 } as const]),
						dwellMs,
					},
					{ size: { kind: 'percent', value: chance.whole(20, 60) }, dwellMs: chance.chance(0.2) ? 0 : dwellMs },
					{ size: { kind: 'percent', value: 100 }, dwellMs: chance.chance(0.5) ? 0 : dwellMs },
				],
			};
		case 'percentage':
			return {
				kind: 'percentage',
				percentages: chance.pick([[100], [10, 50, 100], [5, 25, 50, 100]]),
				advance,
				dwellMs,
			};
		case 'batch':
			return { kind: 'batch', batchSize: chance.whole(2, 9), advance, dwellMs };
	}
}

function planGates(chance: Stream): Record<GateName, GateSpec> {
	const threshold = () => chance.pick([0, 10, 20, 20, 50]);
	const window = (low: number, high: number) => chance.whole(low, high) * 1_000;
	return {
		'apply-failed-ratio': { thresholdPercent: threshold(), windowMs: 0 },
		'apply-timeout-ratio': { thresholdPercent: threshold(), windowMs: window(8, 25) },
		'disconnect-ratio': { thresholdPercent: threshold(), windowMs: window(3, 12) },
		'effective-mismatch-ratio': { thresholdPercent: threshold(), windowMs: window(2, 10) },
		'unhealthy-ratio': { thresholdPercent: threshold(), windowMs: window(1, 6) },
	};
}

function planFaults(chance: Stream): FaultPlan {
	const calm = chance.chance(0.15);
	const kinds = faultKinds.filter(() => chance.chance(0.5));
	const bad = (share: number) => (calm || chance.chance(0.4) ? 0 : chance.next() * share);
	return {
		everyMs: chance.pick([2_000, 5_000, 12_000, 25_000]),
		kinds: calm ? [] : kinds,
		forMs: chance.whole(40, 150) * 1_000,
		network: { lost: bad(0.6), duplicated: bad(0.3), late: bad(0.5) },
		lostAck: bad(0.05),
		slow: bad(0.15),
		crash: bad(0.006),
	};
}
