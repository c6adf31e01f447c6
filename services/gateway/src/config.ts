import {
	asDuration,
	asDurationOfASecondOrMore,
	asInteger,
	asOneOf,
	asPort,
	asText,
	asUrl,
	type GatewayId,
	installationSettings,
	operationsPort,
	type Resolved,
} from '@ampora/runtime';
import { defaultLimits } from './limits.js';
import { type GatewayConfig, gatewayDefaults } from './options.js';

const MiB = 1024 * 1024;
const asBytes = asInteger(1_024, 1_024 * MiB);

/** The environment of a gateway process; the only place that names its variables. */
export const settings = {
	...installationSettings,
	operationsPort: operationsPort(4325),
	gateway: {
		name: 'AMPORA_GATEWAY_NAME',
		help: 'name of this gateway; unique, and kept over restarts',
		parse: asGatewayName,
	},
	host: { name: 'AMPORA_OPAMP_HOST', help: 'address agents connect to', parse: asText, fallback: '0.0.0.0' },
	port: { name: 'AMPORA_OPAMP_PORT', help: 'port agents connect to', parse: asPort, fallback: 4320 },
	path: {
		name: 'AMPORA_OPAMP_PATH',
		help: 'path agents connect to, for both transports',
		parse: asPath,
		fallback: gatewayDefaults.path as string,
	},
	enrollment: {
		name: 'AMPORA_ENROLLMENT',
		help: 'token: agents show an enrollment token; open: everybody is let in',
		parse: asOneOf('token', 'open'),
		fallback: gatewayDefaults.enrollment as 'token' | 'open',
	},
	leaseTtlMs: {
		name: 'AMPORA_GATEWAY_TTL',
		help: 'how long the agents of a gateway that died count as connected, at least 1s',
		parse: asDurationOfASecondOrMore,
		fallback: gatewayDefaults.leaseTtlMs as number,
	},
	drainPeriodMs: {
		name: 'AMPORA_DRAIN_PERIOD',
		help: 'sessions are closed over this time when the gateway is stopped',
		parse: asDuration,
		fallback: gatewayDefaults.drainPeriodMs as number,
	},
	retryAfterMs: {
		name: 'AMPORA_RETRY_AFTER',
		help: 'refused agents stay away for at least this long, at most twice',
		parse: asDuration,
		fallback: gatewayDefaults.retryAfterMs as number,
	},
	inboundBytesMax: {
		name: 'AMPORA_INBOUND_BYTES_MAX',
		help: 'largest message taken from an agent, bytes, inflated',
		parse: asBytes,
		fallback: defaultLimits.message.inboundBytesMax,
	},
	outboundBytesMax: {
		name: 'AMPORA_OUTBOUND_BYTES_MAX',
		help: 'largest message sent to an agent, bytes, before compression',
		parse: asBytes,
		fallback: defaultLimits.message.outboundBytesMax,
	},
	socketsMax: {
		name: 'AMPORA_SOCKETS_MAX',
		help: 'open WebSockets at most',
		parse: asInteger(1, 1_000_000),
		fallback: defaultLimits.socketsMax,
	},
	heartbeatMs: {
		name: 'AMPORA_HEARTBEAT_INTERVAL',
		help: 'offered to agents that follow it, whole seconds; empty: none. Needs AMPORA_PUBLIC_URL',
		parse: asHeartbeat,
		fallback: null as number | null,
	},
	publicUrl: {
		name: 'AMPORA_PUBLIC_URL',
		help: 'where agents reach the gateways; told with the heartbeat interval',
		parse: asUrl('ws', 'wss', 'http', 'https'),
		fallback: null as string | null,
	},
};

export type GatewaySettings = Resolved<typeof settings>;

/** Throws when two settings contradict each other. */
export function gatewayConfigOf(values: GatewaySettings): GatewayConfig {
	const { gateway, host, port, path, enrollment, leaseTtlMs, drainPeriodMs, retryAfterMs, heartbeatMs } = values;
	const { inboundBytesMax, outboundBytesMax, socketsMax, publicUrl } = values;
	if (heartbeatMs !== null && publicUrl === null)
		throw new Error('AMPORA_HEARTBEAT_INTERVAL needs AMPORA_PUBLIC_URL: agents take both or nothing');
	return Object.freeze({
		...{ gateway, host, port, path, enrollment, leaseTtlMs, drainPeriodMs, retryAfterMs },
		healIntervalMs: gatewayDefaults.healIntervalMs,
		heartbeat: heartbeatMs === null || publicUrl === null ? null : { intervalSeconds: heartbeatMs / 1_000, publicUrl },
		limits: {
			...defaultLimits,
			message: { ...defaultLimits.message, inboundBytesMax, outboundBytesMax },
			socketsMax,
		},
	});
}

/** It becomes part of a subject and of a key. */
function asGatewayName(text: string): GatewayId {
	if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(text))
		throw new Error('it has to be letters, digits, - and _, at most 63');
	return text as GatewayId;
}

function asPath(text: string): string {
	if (!/^\/[\w\-./]*$/.test(text)) throw new Error('it has to begin with / and be a plain path');
	return text;
}

/** 0 would silence agents for good. */
function asHeartbeat(text: string): number {
	const ms = asDuration(text);
	if (ms < 1_000 || ms % 1_000 !== 0) throw new Error('it has to be whole seconds, at least 1s');
	return ms;
}
