import type { GatewayId } from '@ampora/runtime';
import { defaultLimits, type GatewayLimits } from './limits.js';
import type { HeartbeatSettings } from './session/heartbeat_offer.js';

/** What one gateway is told. Times in ms. */
export interface GatewayConfig {
	/** Its name: unique, and the same after a restart. */
	readonly gateway: GatewayId;
	readonly host: string;
	/** 0 takes a free one. */
	readonly port: number;
	readonly path: string;
	/** Without a renewal for so long its sessions count as lost; it renews three times as often. */
	readonly leaseTtlMs: number;
	/** `open` lets agents in without a token. */
	readonly enrollment: 'token' | 'open';
	/** How often it looks for changed assignments by itself. */
	readonly healIntervalMs: number;
	/** Sessions are closed over this time when it drains. */
	readonly drainPeriodMs: number;
	/** Refused agents are told to stay away for at least so long, at most twice. */
	readonly retryAfterMs: number;
	/** Offered to agents that follow it; null: none is. */
	readonly heartbeat: HeartbeatSettings | null;
	readonly limits: GatewayLimits;
}

export type GatewayOptions = Pick<GatewayConfig, 'gateway' | 'host' | 'port'> & Partial<GatewayConfig>;

export const gatewayDefaults = {
	path: '/v1/opamp',
	leaseTtlMs: 10_000,
	enrollment: 'token',
	healIntervalMs: 5_000,
	drainPeriodMs: 10_000,
	retryAfterMs: 30_000,
	heartbeat: null,
	limits: defaultLimits,
} as const satisfies Partial<GatewayConfig>;

export const completeConfig = (options: GatewayOptions): GatewayConfig =>
	Object.freeze({ ...gatewayDefaults, ...options });
