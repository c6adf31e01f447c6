import {
	asDuration,
	asInteger,
	asPort,
	asText,
	installationSettings,
	metricsServerSettings,
	operationsPort,
	type Resolved,
} from '@ampora/runtime';

// An API process looks nothing up in Redis.
const { redisUrl: _, ...installation } = installationSettings;

/** The environment of an api process; the only place that names its variables. */
export const settings = {
	...installation,
	...metricsServerSettings,
	operationsPort: operationsPort(4324),
	host: { name: 'AMPORA_API_HOST', help: 'address the REST API listens on', parse: asText, fallback: '0.0.0.0' },
	port: { name: 'AMPORA_API_PORT', help: 'port of the REST API', parse: asPort, fallback: 4321 },
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
};

export type ApiConfig = Resolved<typeof settings>;
