import { asDuration, asInteger, asOneOf, asPort, asText, asUrl, type Resolved } from '@ampora/runtime';

/** The environment of a rollout-engine process; the only place that names its variables. */
export const settings = {
	databaseUrl: {
		name: 'AMPORA_DATABASE_URL',
		help: 'Postgres, postgres://user:password@host:port/database',
		parse: asUrl('postgres', 'postgresql'),
		secret: true,
	},
	redisUrl: {
		name: 'AMPORA_REDIS_URL',
		help: 'Redis, where session ownership is looked up',
		parse: asUrl('redis', 'rediss'),
		secret: true,
	},
	natsUrl: {
		name: 'AMPORA_NATS_URL',
		help: 'NATS, which carries dispatches to gateways',
		parse: asUrl('nats', 'tls'),
		secret: true,
	},
	prefix: {
		name: 'AMPORA_PREFIX',
		help: 'start of every Redis key and NATS subject; one installation, one prefix',
		parse: asText,
		fallback: 'ampora',
	},
	grpcHost: { name: 'AMPORA_GRPC_HOST', help: 'address the gRPC API listens on', parse: asText, fallback: '0.0.0.0' },
	grpcPort: { name: 'AMPORA_GRPC_PORT', help: 'port of the gRPC API', parse: asPort, fallback: 4322 },
	operationsHost: {
		name: 'AMPORA_OPERATIONS_HOST',
		help: 'address of /metrics and /health',
		parse: asText,
		fallback: '0.0.0.0',
	},
	operationsPort: {
		name: 'AMPORA_OPERATIONS_PORT',
		help: 'port of /metrics and /health',
		parse: asPort,
		fallback: 4323,
	},
	leaseTtlMs: {
		name: 'AMPORA_LEASE_TTL',
		help: 'how long a leader that died keeps the others waiting, at least 1s',
		parse: atLeastASecond,
		fallback: 30_000,
	},
	connectionsMax: {
		name: 'AMPORA_DATABASE_CONNECTIONS',
		help: 'Postgres connections at most',
		parse: asInteger(2, 200),
		fallback: 10,
	},
	otlpEndpoint: {
		name: 'AMPORA_OTLP_ENDPOINT',
		help: 'OTLP/HTTP receiver for traces; empty: none are sent',
		parse: asUrl('http', 'https'),
		fallback: null as string | null,
	},
	logLevel: {
		name: 'AMPORA_LOG_LEVEL',
		help: 'debug, info, warn or error',
		parse: asOneOf('debug', 'info', 'warn', 'error'),
		fallback: 'info' as 'debug' | 'info' | 'warn' | 'error',
	},
};

export type EngineConfig = Resolved<typeof settings>;

function atLeastASecond(text: string): number {
	const ms = asDuration(text);
	if (ms < 1_000) throw new Error('it has to be at least 1s');
	return ms;
}
