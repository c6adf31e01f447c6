import type { Environment } from './decision.js';
import type { Hold, Rollout, RolloutSpec } from './model.js';

/** A gateway that was lost or drains is a cause for this long: by then its agents are elsewhere, or gone for a reason of their own. */
const gatewayGraceMs = 120_000;
const controlLossMin = 5;
/** A hold that lasts pauses the rollout, and the pause lifts by itself this long after the cause was last seen. */
export const holdPausesAfterMs = 300_000;
export const holdLiftsAfterMs = 120_000;

export interface HoldCause {
	/** `gateway gw-2 lost` */
	readonly text: string;
	readonly sinceMs: number;
}

/** Why our own side could not hear the agents now; null when it could. */
export function holdCause(environment: Environment, spec: RolloutSpec, nowMs: number): HoldCause | null {
	const gateways = environment.unheardGateways
		.filter((gateway) => gateway.agents > 0)
		.filter(({ why, sinceMs }) => why === 'cut off' || nowMs - sinceMs <= gatewayGraceMs)
		.toSorted((a, b) => a.sinceMs - b.sinceMs || (a.gateway < b.gateway ? -1 : 1));
	const first = gateways[0];
	if (first !== undefined) {
		return { text: `gateway ${first.gateway} ${first.why}`, sinceMs: Math.min(first.sinceMs, nowMs) };
	}
	const { controlLost, controlConnected } = environment;
	if (controlLost < controlLossMin || 100 * controlLost <= spec.controlLossPercent * controlConnected) return null;
	return { text: `${controlLost} of ${controlConnected} agents outside the rollout lost in a minute`, sinceMs: nowMs };
}

/** Was our own side deaf when the rollout was last looked at. */
export const isHeld = (rollout: Pick<Rollout, 'hold' | 'lastTickAtMs'>): boolean =>
	rollout.hold !== null && rollout.lastTickAtMs !== null && rollout.hold.lastSeenMs >= rollout.lastTickAtMs;

/**
 * The hold after a look: it goes on with its first instant, and stays after the cause while the pause it caused has not lifted. What was
 * last seen by a clock that was set back since was seen before now.
 */
export function nextHold(hold: Hold | null, cause: HoldCause | null, wasHeld: boolean, nowMs: number): Hold | null {
	if (cause === null) {
		if (hold === null || hold.lastSeenMs < nowMs) return hold;
		return { ...hold, sinceMs: Math.min(hold.sinceMs, nowMs - 1), lastSeenMs: nowMs - 1 };
	}
	const sinceMs = wasHeld && hold !== null ? hold.sinceMs : cause.sinceMs;
	return { cause: cause.text, sinceMs, lastSeenMs: nowMs };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `holding: gateway gw-2 lost 03:12`, minutes and seconds since; null when nothing is held. */
export function holdingText(rollout: Pick<Rollout, 'hold' | 'lastTickAtMs'>, nowMs: number): string | null {
	if (!isHeld(rollout) || rollout.hold === null) return null;
	const seconds = Math.max(0, Math.floor((nowMs - rollout.hold.sinceMs) / 1_000));
	return `holding: ${rollout.hold.cause} ${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}
