import { createPrometheus } from '@ampora/control';
import { createNatsBackplane } from '@ampora/dispatch';
import { type RunningService, systemClock } from '@ampora/runtime';
import { connect, createControlStore } from '@ampora/store';
import {
	addServiceCheck,
	createHealth,
	createLogger,
	createMetricsRegistry,
	createTracer,
	serveOperations,
} from '@ampora/telemetry';
import { createApi } from './api.js';
import type { ApiConfig } from './config.js';

/** An api process on real Postgres and NATS. */
export async function startApi(config: ApiConfig): Promise<RunningService> {
	const log = createLogger({ service: 'api', level: config.logLevel });
	const tracer = createTracer({
		service: 'api',
		...(config.otlpEndpoint !== null && { otlpEndpoint: config.otlpEndpoint }),
	});
	const database = connect({
		url: config.databaseUrl,
		connectionsMax: config.connectionsMax,
		applicationName: 'ampora-api',
	});
	const backplane = createNatsBackplane({
		url: config.natsUrl,
		prefix: config.prefix,
		name: 'ampora-api',
		onError: (error) => log.error('NATS cannot be used', { error }),
	});
	const health = createHealth();
	const life = addServiceCheck(health);
	health.addReadinessCheck('postgres', async () => {
		await database.sql.query('select 1');
		return undefined;
	});
	const store = createControlStore(database.orm);
	const metrics = createPrometheus({ url: config.metricsUrl, token: config.metricsToken });
	const api = await createApi({ store, backplane, clock: systemClock, tracer, log, metrics }, config);
	const operations = await serveOperations({
		host: config.operationsHost,
		port: config.operationsPort,
		registry: createMetricsRegistry({ processMetrics: true }),
		health,
	});
	const { url } = await api.listen();
	life.serving();
	log.info('serving the REST API', { url, operations: `http://${operations.host}:${operations.port}` });
	return {
		async stop() {
			life.stopping();
			await api.close();
			await backplane.close();
			await database.close();
			await operations.close();
			await tracer.shutdown();
		},
	};
}
