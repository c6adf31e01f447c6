import { createNatsBackplane, createRedisDirectory } from '@ampora/dispatch';
import { type RunningService, systemClock, systemRandom } from '@ampora/runtime';
import { connect, createGatewayStore } from '@ampora/store';
import {
	addServiceCheck,
	createHealth,
	createLogger,
	createMetricsRegistry,
	createTracer,
	serveOperations,
} from '@ampora/telemetry';
import { type GatewaySettings, gatewayConfigOf } from './config.js';
import { createGateway } from './gateway.js';

const service = 'gateway';

/** A gateway process on real Postgres, Redis and NATS. */
export async function startGateway(values: GatewaySettings): Promise<RunningService> {
	const config = gatewayConfigOf(values);
	const instance = config.gateway;
	const { otlpEndpoint } = values;
	const logger = createLogger({ service, instance, level: values.logLevel });
	const tracer = createTracer({ service, instance, ...(otlpEndpoint !== null && { otlpEndpoint }) });
	const registry = createMetricsRegistry({ processMetrics: true });
	const health = createHealth();
	const life = addServiceCheck(health);
	const database = connect({
		url: values.databaseUrl,
		connectionsMax: values.connectionsMax,
		applicationName: `ampora-${service}`,
	});
	const directory = createRedisDirectory({
		url: values.redisUrl,
		prefix: values.prefix,
		onError: (error) => logger.warn('redis', { error }),
	});
	const backplane = createNatsBackplane({
		url: values.natsUrl,
		prefix: values.prefix,
		name: `${service}-${instance}`,
		onError: (error) => logger.warn('nats', { error }),
	});
	const operations = await serveOperations({
		host: values.operationsHost,
		port: values.operationsPort,
		registry,
		health,
	});
	const store = createGatewayStore(database.sql);
	const gateway = createGateway(
		{ store, directory, backplane, clock: systemClock, random: systemRandom, logger, tracer, registry, health },
		config,
	);
	await gateway.start();
	life.serving();
	return {
		async stop() {
			life.stopping();
			await gateway.drain();
			await gateway.stop();
			await Promise.all([backplane.close(), directory.close(), operations.close()]);
			await database.close();
			await tracer.shutdown();
		},
	};
}
