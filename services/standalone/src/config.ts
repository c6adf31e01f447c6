import {
	asDuration,
	asPort,
	asText,
	asUrl,
	installationSettings,
	metricsServerSettings,
	operationsPort,
	type Resolved,
} from '@ampora/runtime';

/** The environment of a standalone process; the only place that names its variables. */
export const settings = {
	dataFolder: {
		name: 'AMPORA_DATA',
		help: 'folder that holds everything standalone keeps',
		parse: asText,
		fallback: '.ampora',
	},
	databaseUrl: {
		name: 'AMPORA_DATABASE_URL',
		help: 'use this Postgres instead of an embedded one',
		parse: asUrl('postgres', 'postgresql'),
		fallback: null as string | null,
		secret: true,
	},
	host: { name: 'AMPORA_HOST', help: 'address everything listens on', parse: asText, fallback: '127.0.0.1' },
	opampPort: { name: 'AMPORA_OPAMP_PORT', help: 'port agents connect to', parse: asPort, fallback: 4320 },
	apiPort: { name: 'AMPORA_API_PORT', help: 'port of the REST API', parse: asPort, fallback: 4321 },
	grpcPort: { name: 'AMPORA_GRPC_PORT', help: 'port of the gRPC API', parse: asPort, fallback: 4322 },
	operationsPort: operationsPort(4323),
	leaseTtlMs: {
		name: 'AMPORA_LEASE_TTL',
		help: 'how long a restart waits for the lease of a killed process',
		parse: asDuration,
		fallback: 3_000,
	},
	otlpEndpoint: installationSettings.otlpEndpoint,
	...metricsServerSettings,
	// What goes wrong is said; the rest would drown what a person came for.
	logLevel: { ...installationSettings.logLevel, fallback: 'warn' as 'debug' | 'info' | 'warn' | 'error' },
};

export type StandaloneConfig = Resolved<typeof settings>;
