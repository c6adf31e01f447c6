import { createApi } from '@ampora/api';
import { createControl, createPrometheus, enrolmentRules, fleetRetention, startChecks } from '@ampora/control';
import { createMemoryBackplane, createMemoryDirectory } from '@ampora/dispatch';
import { createGateway } from '@ampora/gateway';
import {
	createEngine,
	createEngineTelemetry,
	createGrpcServer,
	createMembership,
	keepGaugesFresh,
} from '@ampora/rollout-engine';
import { type GatewayId, type RunningService, systemClock, systemRandom } from '@ampora/runtime';
import {
	createControlStore,
	createEngineStore,
	createEnrolmentStore,
	createGatewayStore,
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
import { announcement, publishAddresses, retractAddresses } from './announcement.js';
import type { StandaloneConfig } from './config.js';
import { openDatabase } from './database/open.js';
import { standaloneTokens } from './tokens.js';

const service = 'standalone';
const gatewayName = 'standalone' as GatewayId;
const apiBodyBytesMax = 4 * 1024 * 1024;
const decisionWaitMs = 3_000;
/** Nobody else is there to take the agents: spreading them out would only make Ctrl-C slow. */
const drainPeriodMs = 500;

/** Ends what was opened, the last first; one that fails does not keep the others open. */
class Closing {
	readonly #steps: (() => Promise<unknown> | unknown)[] = [];
	constructor(private readonly onError: (error: unknown) => void) {}

	add(step: () => Promise<unknown> | unknown): void {
		this.#steps.push(step);
	}

	async close(): Promise<void> {
		for (const step of this.#steps.splice(0).reverse()) await Promise.resolve().then(step).catch(this.onError);
	}
}

/** Gateway, rollout-engine and API in one process: the same code as apart, over a database, a directory and a backplane of its own. */
export async function startStandalone(config: StandaloneConfig): Promise<RunningService> {
	const logger = createLogger({ service, level: config.logLevel });
	const closing = new Closing((error) => logger.error('could not be ended cleanly', { error }));
	try {
		await open(config, logger, closing);
	} catch (error) {
		await closing.close();
		throw error;
	}
	return {
		stop() {
			process.stdout.write('\n  Stopping: agents are let go, then the database …\n');
			return closing.close();
		},
	};
}

async function open(
	config: StandaloneConfig,
	logger: ReturnType<typeof createLogger>,
	closing: Closing,
): Promise<void> {
	const { host } = config;
	const clock = systemClock;
	const tracer = createTracer({ service, ...(config.otlpEndpoint !== null && { otlpEndpoint: config.otlpEndpoint }) });
	closing.add(() => tracer.shutdown());
	const { database, description, close } = await openDatabase(config.dataFolder, config.databaseUrl, (line) =>
		process.stdout.write(`  ${line}\n`),
	);
	closing.add(close);
	retractAddresses(config.dataFolder);

	const registry = createMetricsRegistry({ processMetrics: true });
	const health = createHealth();
	const life = addServiceCheck(health);
	const operations = await serveOperations({ host, port: config.operationsPort, registry, health });
	closing.add(() => operations.close());

	const directory = createMemoryDirectory();
	const backplane = createMemoryBackplane();
	const engineStore = createEngineStore(database.sql);
	const controlStore = createControlStore(database.orm);

	const telemetry = createEngineTelemetry({ logger, tracer, registry, dispatchCountsAs: 'local' });
	const metrics = createPrometheus({ url: config.metricsUrl, token: config.metricsToken });
	const retention = () => fleetRetention(controlStore);
	const engine = createEngine(
		{
			...{ store: engineStore, directory, backplane, clock, random: systemRandom, telemetry, metrics, retention },
			starts: startChecks(controlStore),
		},
		config,
	);
	await engine.start();
	closing.add(() => engine.stop());
	const membership = createMembership(
		{
			store: { ...engineStore, ...createSelectorStore(database.sql), ...createEnrolmentStore(database.sql) },
			rules: enrolmentRules(controlStore),
			clock,
			telemetry,
		},
		config,
	);
	membership.start();
	closing.add(() => membership.stop());
	const gauges = keepGaugesFresh({ telemetry, store: engineStore, clock, leading: engine.leading });
	closing.add(() => gauges.stop());

	const gateway = createGateway(
		{
			store: createGatewayStore(database.sql),
			directory,
			backplane,
			clock,
			random: systemRandom,
			logger,
			tracer,
			registry,
			health,
		},
		{ gateway: gatewayName, host, port: config.opampPort, drainPeriodMs },
	);
	closing.add(() => gateway.stop());
	await gateway.start();
	closing.add(() => gateway.drain());

	const control = createControl({ store: controlStore, backplane, clock, metrics });
	const onFault = (error: unknown) => logger.error('a gRPC call failed', { error });
	const grpc = createGrpcServer({ control, tracer, onFault }, { host, port: config.grpcPort });
	const grpcAddress = await grpc.listen();
	closing.add(() => grpc.close());

	const api = await createApi(
		{ store: controlStore, backplane, clock, tracer, log: logger, metrics },
		{ host, port: config.apiPort, bodyBytesMax: apiBodyBytesMax, decisionWaitMs },
	);
	const { url } = await api.listen();
	closing.add(() => api.close());

	const tokens = await standaloneTokens(config.dataFolder, controlStore);
	const addresses = {
		opamp: gateway.address().url,
		api: url,
		grpc: `${host}:${grpcAddress.port}`,
		operations: `http://${host}:${operations.port}`,
	};
	publishAddresses(config.dataFolder, addresses, tokens);
	closing.add(() => retractAddresses(config.dataFolder));
	closing.add(() => {
		life.stopping();
		grpc.setServing(false);
	});
	life.serving();
	process.stdout.write(announcement(addresses, tokens, description));
}
