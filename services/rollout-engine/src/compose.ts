import { createControl, createPrometheus, enrolmentRules, fleetRetention, startChecks } from '@ampora/control';
import { createNatsBackplane, createRedisDirectory } from '@ampora/dispatch';
import { type RunningService, systemClock, systemRandom } from '@ampora/runtime';
import {
	connect,
	createControlStore,
	createEngineStore,
	createEnrolmentStore,
	createSelectorStore,
} from '@ampora/store';
import {
	addServiceCheck,
	createHealth,
	createLogger,
	createMetricsRegistry,
	createTracer,
	serveOperations,
} from '@ampora/telemetry';
import type { EngineConfig } from './config.js';
import { createEngine } from './engine.js';
import { createGrpcServer } from './grpc/server.js';
import { createMembership } from './membership/membership.js';
import { createEngineTelemetry } from './telemetry/engine_telemetry.js';
import { keepGaugesFresh } from './telemetry/gauges.js';

const service = 'rollout-engine';

/** A rollout-engine process on real Postgres, Redis and NATS. */
export async function startEngine(config: EngineConfig): Promise<RunningService> {
	const logger = createLogger({ service, level: config.logLevel });
	const tracer = createTracer({ service, ...(config.otlpEndpoint !== null && { otlpEndpoint: config.otlpEndpoint }) });
	const registry = createMetricsRegistry({ processMetrics: true });
	const database = connect({
		url: config.databaseUrl,
		connectionsMax: config.connectionsMax,
		applicationName: `ampora-${service}`,
	});
	const store = createEngineStore(database.sql);
	const directory = createRedisDirectory({
		url: config.redisUrl,
		prefix: config.prefix,
		onError: (error) => logger.warn('redis', { error }),
	});
	const backplane = createNatsBackplane({
		url: config.natsUrl,
		prefix: config.prefix,
		name: service,
		onError: (error) => logger.warn('nats', { error }),
	});
	const telemetry = createEngineTelemetry({ logger, tracer, registry, dispatchCountsAs: 'forwarded' });
	const metrics = createPrometheus({ url: config.metricsUrl, token: config.metricsToken });
	const controlStore = createControlStore(database.orm);
	const retention = () => fleetRetention(controlStore);
	const starts = startChecks(controlStore);
	const engine = createEngine(
		{ store, directory, backplane, clock: systemClock, random: systemRandom, telemetry, metrics, retention, starts },
		config,
	);
	const membership = createMembership(
		{
			store: { ...store, ...createSelectorStore(database.sql), ...createEnrolmentStore(database.sql) },
			rules: enrolmentRules(controlStore),
			clock: systemClock,
			telemetry,
		},
		config,
	);
	const control = createControl({ store: controlStore, backplane, clock: systemClock, metrics });
	const onFault = (error: unknown) => logger.error('a gRPC call failed', { error });
	const grpc = createGrpcServer({ control, tracer, onFault }, { host: config.grpcHost, port: config.grpcPort });
	const health = createHealth();
	const life = addServiceCheck(health);
	health.addReadinessCheck('postgres', async () => {
		await database.sql.query('select 1');
		return undefined;
	});
	const operations = await serveOperations({
		host: config.operationsHost,
		port: config.operationsPort,
		registry,
		health,
	});
	await engine.start();
	membership.start();
	const gauges = keepGaugesFresh({ telemetry, store, clock: systemClock, leading: engine.leading });
	const { port } = await grpc.listen();
	life.serving();
	logger.info('serving the gRPC API', { port, operations: operations.port });
	return {
		async stop() {
			life.stopping();
			grpc.setServing(false);
			await grpc.close();
			gauges.stop();
			await membership.stop();
			await engine.stop();
			await Promise.all([backplane.close(), directory.close(), operations.close()]);
			await database.close();
			await tracer.shutdown();
		},
	};
}
