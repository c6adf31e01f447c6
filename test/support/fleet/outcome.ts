import { createHash } from 'node:crypto';
import type { OfferedConfig } from './offered_config.js';

/** What an agent's collector does with one configuration. Plain data, so that it can be told to a fleet in another process. */
export type Outcome =
	/** One message at once: APPLIED with the new effective config. */
	| { readonly kind: 'instant' }
	/** APPLYING, then APPLIED; `effective: 'previous'` keeps reporting the former effective config. */
	| { readonly kind: 'applied'; readonly afterMs?: number; readonly effective?: 'assigned' | 'previous' }
	/** APPLYING, then FAILED with the error; the former configuration goes on running. */
	| { readonly kind: 'failed'; readonly error: string; readonly afterMs?: number }
	/** APPLIED, and unhealthy some time later; `recoverAfterMs` ends that again. */
	| { readonly kind: 'unhealthy'; readonly afterMs: number; readonly recoverAfterMs?: number; readonly error?: string }
	/** APPLIED, then unhealthy and healthy in turns; or, by `what`, off and on again. */
	| { readonly kind: 'flapping'; readonly periodMs: number; readonly what?: 'health' | 'connection' }
	/** Takes it and never answers. */
	| { readonly kind: 'silent' }
	/** APPLYING and no more. */
	| { readonly kind: 'stuck' }
	/** As the supervisor does: APPLYING(new), FAILED(new), then APPLIED(former). */
	| { readonly kind: 'reverting'; readonly error: string; readonly afterMs?: number }
	/** APPLIED, then the collector restarts again and again: its start time moves. */
	| { readonly kind: 'crash-looping'; readonly times: number; readonly everyMs: number }
	/** Gone without a goodbye; back after `backAfterMs` with `answer`, or never when that is absent. */
	| { readonly kind: 'disconnect'; readonly backAfterMs?: number; readonly answer?: 'applied' | 'failed' | 'none' };

/** The part of an agent a behaviour may look at. */
export interface Deciding {
	readonly index: number;
	/** A number in [0, 1) that depends on the fleet's seed, the agent and the salt only. */
	share(salt: string): number;
}

export type Behaviour = (agent: Deciding, config: OfferedConfig) => Outcome;

/** Of the agents in `agents`, the share that `salt` chooses answers configs whose text contains `contains` with `outcome`. */
export interface BehaviourRule {
	readonly contains?: string;
	/** 0 to 1; 1 when absent. */
	readonly share?: number;
	/** Rules with the same salt choose the same agents. */
	readonly salt?: string;
	/** First index and the one after the last; all agents when absent. */
	readonly agents?: readonly [number, number];
	readonly outcome: Outcome;
}

/** The first rule that fits decides; without one the agent applies in an instant. */
export function behaviourOf(rules: readonly BehaviourRule[]): Behaviour {
	return (agent, config) => rules.find((rule) => fits(rule, agent, config))?.outcome ?? { kind: 'instant' };
}

function fits(
	{ contains, share = 1, salt = '', agents }: BehaviourRule,
	agent: Deciding,
	config: OfferedConfig,
): boolean {
	if (agents && (agent.index < agents[0] || agent.index >= agents[1])) return false;
	if (contains !== undefined && !config.text.includes(contains)) return false;
	return share >= 1 || agent.share(salt) < share;
}

/** Uniform in [0, 1), the same on every machine. */
export function seededShare(seed: number, index: number, salt: string): number {
	return createHash('sha256').update(`${seed}/${index}/${salt}`).digest().readUInt32BE(0) / 2 ** 32;
}
