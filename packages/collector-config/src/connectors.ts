const signals = ['traces', 'metrics', 'logs', 'profiles'] as const;

export const isSignal = (text: string): boolean => signals.some((signal) => signal === text);

/** `traces` of the pipeline `traces/backend`. */
export const signalOf = (pipeline: string): string => (pipeline.split('/')[0] ?? '').trim();

type Pairs = (from: string, to: string) => boolean;

const same: Pairs = (from, to) => from === to;
const between =
	(from: readonly string[], to: readonly string[]): Pairs =>
	(left, right) =>
		from.includes(left) && to.includes(right);

/** Which signals the connectors of the collector's own distributions lead from and to. */
const known: Readonly<Partial<Record<string, Pairs>>> = {
	forward: same,
	routing: same,
	failover: same,
	roundrobin: same,
	spanmetrics: between(['traces'], ['metrics']),
	servicegraph: between(['traces'], ['metrics']),
	exceptions: between(['traces'], ['metrics', 'logs']),
	count: between(signals, ['metrics']),
	sum: between(signals, ['metrics']),
	signaltometrics: between(signals, ['metrics']),
	datadog: between(['traces'], ['traces', 'metrics']),
	grafanacloud: between(['traces'], ['metrics']),
	otlpjson: between(['logs'], ['traces', 'metrics', 'logs']),
	metricsaslogs: between(['metrics'], ['logs']),
};

/** Null: a type nothing is known of. */
export const connectorPairs = (type: string): Pairs | null => known[type] ?? null;
