import {
	asDurationOfASecondOrMore,
	asPort,
	asText,
	installationSettings,
	metricsServerSettings,
	operationsPort,
	type Resolved,
} from '@ampora/runtime';

/** The environment of a rollout-engine process; the only place that names its variables. */
export const settings = {
	...installationSettings,
	...metricsServerSettings,
	operationsPort: operationsPort(4323),
	grpcHost: { name: 'AMPORA_GRPC_HOST', help: 'address the gRPC API listens on', parse: asText, fallback: '0.0.0.0' },
	grpcPort: { name: 'AMPORA_GRPC_PORT', help: 'port of the gRPC API', parse: asPort, fallback: 4322 },
	leaseTtlMs: {
		name: 'AMPORA_LEASE_TTL',
		help: 'how long a leader that died keeps the others waiting, at least 1s',
		parse: asDurationOfASecondOrMore,
		fallback: 30_000,
	},
};

export type EngineConfig = Resolved<typeof settings>;
