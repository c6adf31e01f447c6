import { domainCap, inFlightCap } from './cohorts.js';
import type { Domain, MetricGateName, MetricGateSpec, RolloutSpec, Target } from './model.js';
import { bakeNeededMs } from './windows.js';

/** How a metric gate stands in a step of the forecast. */
export type MetricGateForecast =
	| {
			readonly kind: 'armed';
			readonly gate: MetricGateName;
			/** So many evaluations that fail fire it. */
			readonly failures: number;
			/** The first evaluation, after the first agent of the step answered; then each after so long. */
			readonly firstMs: number;
			readonly everyMs: number;
	  }
	| { readonly kind: 'not-applicable'; readonly gate: MetricGateName; readonly why: string };

/** `others`: agents wait for a later step, and can be compared with. */
export function metricGateForecast(gate: MetricGateSpec, others: boolean): MetricGateForecast {
	const name: MetricGateName = `metric:${gate.name}`;
	if (gate.compare === 'control' && !others) {
		return { kind: 'not-applicable', gate: name, why: 'no agent waits that could be compared with' };
	}
	const firstMs = gate.initialDelayMs + gate.ingestionLagMs;
	return { kind: 'armed', gate: name, failures: gate.failureLimit + 1, firstMs, everyMs: gate.intervalMs };
}

export interface DurationRange {
	readonly leastMs: number;
	readonly mostMs: number;
}

/** A step that pushes somebody. */
export interface PushedStep {
	readonly members: readonly Target[];
	readonly dwellMs: number;
	readonly metricGates: readonly MetricGateForecast[];
}

/** Dwells, passes of the metric gates and the bake, with instant answers; and with each wave of pushes as slow as the apply timeout allows, every dwell extended once for lack of evidence and every metric gate at its limits before it passes. */
export function durationOf(
	spec: RolloutSpec,
	steps: readonly PushedStep[],
	group: { readonly eligible: number; readonly domains: readonly Domain[] },
): DurationRange {
	if (steps.length === 0) return { leastMs: 0, mostMs: 0 };
	const caps: Caps = {
		all: inFlightCap(spec, group.eligible),
		domains:
			spec.spreadBy && spec.maxInFlight === null ? group.domains.map(({ agents }) => domainCap(spec, agents)) : null,
	};
	const timeoutMs = spec.gates['apply-timeout-ratio'].windowMs;
	let leastMs = bakeNeededMs(spec);
	let mostMs = leastMs;
	for (const [at, step] of steps.entries()) {
		const passes = step.metricGates.map((gate) => passRange(spec, gate));
		leastMs += Math.max(step.dwellMs, ...passes.map((range) => range.leastMs));
		mostMs += wavesOf(step.members, caps, at === 0) * timeoutMs;
		mostMs += Math.max(2 * step.dwellMs, ...passes.map((range) => range.mostMs));
	}
	return { leastMs, mostMs };
}

/** Inconclusive evaluations and errors count in rows that a failure ends, so that each failure may have such rows before it. */
function passRange({ metricGates = [] }: RolloutSpec, forecast: MetricGateForecast): DurationRange {
	const gate = metricGates.find(({ name }) => `metric:${name}` === forecast.gate);
	if (forecast.kind === 'not-applicable' || gate === undefined) return { leastMs: 0, mostMs: 0 };
	const { failureLimit, inconclusiveLimit, errorLimit } = gate;
	const inVain = failureLimit + (failureLimit + 1) * (inconclusiveLimit + errorLimit);
	return { leastMs: forecast.firstMs, mostMs: forecast.firstMs + inVain * forecast.everyMs };
}

interface Caps {
	readonly all: number;
	/** By domain, as `Target.domain` numbers them; null: domains have none of their own. */
	readonly domains: readonly number[] | null;
}

/** How many waves of pushes a step takes when each answers as a whole. The first step starts with one in flight and grows by what was applied. */
function wavesOf(members: readonly Target[], caps: Caps, first: boolean): number {
	const grows = first && caps.all !== Number.MAX_SAFE_INTEGER;
	if (!grows && caps.domains === null) return Math.ceil(members.length / caps.all);
	let waiting = members;
	let waves = 0;
	for (; waiting.length > 0; waves += 1) {
		const applied = members.length - waiting.length;
		waiting = afterWave(waiting, grows ? Math.min(caps.all, 1 + applied) : caps.all, caps.domains);
	}
	return waves;
}

/** Who still waits after as many were pushed as there is room for, in rank order, past those whose domain is full. */
function afterWave(waiting: readonly Target[], room: number, caps: Caps['domains']): readonly Target[] {
	if (caps === null) return waiting.slice(room);
	const inFlight = new Map<number, number>();
	const passedOver: Target[] = [];
	let at = 0;
	for (let free = room; free > 0 && at < waiting.length; at += 1) {
		const target = waiting[at];
		if (target === undefined) break;
		const { domain = -1 } = target;
		const own = inFlight.get(domain) ?? 0;
		if (own >= (caps[domain] ?? Number.MAX_SAFE_INTEGER)) {
			passedOver.push(target);
			continue;
		}
		inFlight.set(domain, own + 1);
		free -= 1;
	}
	return [...passedOver, ...waiting.slice(at)];
}
