import { asDuration, asInteger, asOneOf, asPort, asText, asUrl, type Resolved } from '@ampora/runtime';

/** The environment of an api process; the only place that names its variables. */
export const settings = {
	databaseUrl: {
		name: 'AMPORA_DATABASE_URL',
		help: 'Postgres, postgres://user:password@host:port/database',
		parse: asUrl('postgres', 'postgresql'),
		secret: true,
	},
	natsUrl: {
		name: 'AMPORA_NATS_URL',
		help: 'NATS, which carries hints to the engine',
		parse: asUrl('nats', 'tls'),
		secret: true,
	},
	prefix: {
		name: 'AMPORA_PREFIX',
		help: 'start of every Redis key and NATS subject; one installation, one prefix',
		parse: asText,
		fallback: 'ampora',
	},
	host: { name: 'AMPORA_API_HOST', help: 'address the REST API listens on', parse: asText, fallback: '0.0.0.0' },
	port: { name: 'AMPORA_API_PORT', help: 'port of the REST API', parse: asPort, fallback: 4321 },
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
		fallback: 4324,
	},
	bodyBytesMax: {
		name: 'AMPORA_API_BODY_BYTES',
		help: 'largest request body, bytes',
		parse: asInteger(1_024, 64 * 1_024 * 1_024),
		fallback: 4 * 1_024 * 1_024,
	},
	decisionWaitMs: {
		name: 'AMPORA_DECISION_WAIT',
		help: 'how long a command waits for its decision before it is answered 202',
		parse: asDuration,
		fallback: 3_000,
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

export type ApiConfig = Resolved<typeof settings>;
