import { asDuration, asInteger, asOneOf, asPort, asText, asUrl } from './settings.js';

/** Settings that mean the same for every service of one installation; each service takes those it needs. */
export const installationSettings = {
	databaseUrl: {
		name: 'AMPORA_DATABASE_URL',
		help: 'Postgres, postgres://user:password@host:port/database',
		parse: asUrl('postgres', 'postgresql'),
		secret: true,
	},
	connectionsMax: {
		name: 'AMPORA_DATABASE_CONNECTIONS',
		help: 'Postgres connections at most',
		parse: asInteger(2, 200),
		fallback: 10,
	},
	redisUrl: {
		name: 'AMPORA_REDIS_URL',
		help: 'Redis, where session ownership is published',
		parse: asUrl('redis', 'rediss'),
		secret: true,
	},
	natsUrl: {
		name: 'AMPORA_NATS_URL',
		help: 'NATS, which carries dispatches to gateways and hints back',
		parse: asUrl('nats', 'tls'),
		secret: true,
	},
	prefix: {
		name: 'AMPORA_PREFIX',
		help: 'start of every Redis key and NATS subject; one installation, one prefix',
		parse: asText,
		fallback: 'ampora',
	},
	operationsHost: {
		name: 'AMPORA_OPERATIONS_HOST',
		help: 'address of /metrics and /health',
		parse: asText,
		fallback: '0.0.0.0',
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

/** What the services need that ask for the agents' own metrics. */
export const metricsServerSettings = {
	metricsUrl: {
		name: 'AMPORA_METRICS_URL',
		help: 'Prometheus, or what answers its API, that metric gates ask; empty: they are refused',
		parse: asUrl('http', 'https'),
		fallback: null as string | null,
	},
	metricsToken: {
		name: 'AMPORA_METRICS_TOKEN',
		help: 'bearer token for it',
		parse: asText,
		fallback: null as string | null,
		secret: true,
	},
};

/** Each service listens for /metrics and /health on a port of its own. */
export const operationsPort = (fallback: number) => ({
	name: 'AMPORA_OPERATIONS_PORT',
	help: 'port of /metrics and /health',
	parse: asPort,
	fallback,
});

/** Leases and time-outs that make no sense below a second. */
export function asDurationOfASecondOrMore(text: string): number {
	const ms = asDuration(text);
	if (ms < 1_000) throw new Error('it has to be at least 1s');
	return ms;
}
