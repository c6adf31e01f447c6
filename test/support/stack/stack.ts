import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client as ApiClient, createClient } from '@ampora/api-contract';
import { bootstrapTokens } from '@ampora/control';
import { connect, createControlStore, type Database } from '@ampora/store';
import { freePort } from '../../../deploy/local/servers/places.mjs';
import { uniquePrefix } from '../databases.js';
import { TcpProxy } from '../tcp_proxy.js';
import { ServiceProcess, type ServiceSpec } from './service_process.js';

export interface StackOptions {
	/** A migrated database without API tokens. */
	readonly databaseUrl: string;
	readonly redisUrl: string;
	readonly natsUrl: string;
	/** How many of each; one when absent. */
	readonly gateways?: number;
	readonly engines?: number;
	readonly apis?: number;
	/** Of the engines' leader lease; 3s when absent. */
	readonly leaseTtl?: string;
	readonly otlpEndpoint?: string;
	/** A Prometheus that metric gates ask. */
	readonly metricsUrl?: string;
	readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
	/** Further settings of every gateway. */
	readonly gatewayEnvironment?: Readonly<Record<string, string>>;
	readonly gatewayNodeArgs?: readonly string[];
	/** Agents connect to the only gateway itself, with no proxy between. */
	readonly direct?: boolean;
}

/** All services as real processes on given servers. */
export interface Stack {
	readonly gateways: readonly ServiceProcess[];
	readonly engines: readonly ServiceProcess[];
	readonly apis: readonly ServiceProcess[];
	/** In front of the gateways, whose names it knows them by. */
	readonly proxy: TcpProxy;
	/** Where agents connect. */
	readonly opampUrl: string;
	readonly apiUrl: string;
	readonly tokens: { readonly admin: string; readonly enrollment: string };
	/** As the first Admin, at the first api. */
	readonly api: ApiClient;
	/** For looking at what is really there. */
	readonly database: Database;
	readonly logFolder: string;
	/** Every service, in the order in which they were started. */
	all(): readonly ServiceProcess[];
	/** The engine that holds the lease; undefined between two leaders. */
	leader(): Promise<ServiceProcess | undefined>;
	/** Ends everything that was started here; the logs are kept when asked for. */
	stop(how?: { keepLogs?: boolean }): Promise<void>;
}

const loopback = '127.0.0.1';

export async function startStack(options: StackOptions): Promise<Stack> {
	const logFolder = mkdtempSync(join(tmpdir(), 'ampora-stack-'));
	const prefix = uniquePrefix();
	const database = connect({ url: options.databaseUrl, connectionsMax: 4, applicationName: 'ampora-test' });
	const tokens = await bootstrapTokens({ store: createControlStore(database.orm) });
	if (tokens === null) throw new Error('the database of a stack has to be a new one');

	const servers = { databaseUrl: options.databaseUrl, redisUrl: options.redisUrl, natsUrl: options.natsUrl };
	const make = (spec: Spec) => makeService(spec, { ...options, ...servers, prefix, logFolder });
	const gateways = await Promise.all(numbered(options.gateways).map((at) => gateway(at, options, make)));
	const engines = await Promise.all(numbered(options.engines).map((at) => engine(at, options, make)));
	const apis = await Promise.all(numbered(options.apis).map((at) => api(at, options, make)));

	const backends = gateways.map(({ process, port }) => ({ name: process.name, host: loopback, port }));
	const proxy = new TcpProxy(backends);
	const all = [...gateways, ...engines, ...apis].map(({ process }) => process);
	const stop = async ({ keepLogs = false } = {}) => {
		await proxy.stop();
		await Promise.all(all.map((service) => service.kill()));
		await database.close();
		if (!keepLogs) rmSync(logFolder, { recursive: true, force: true });
	};
	try {
		const proxyPort = await proxy.start();
		await Promise.all(all.map((service) => service.start()));
		const [firstGateway, firstApi] = [gateways[0], apis[0]];
		if (!firstGateway || !firstApi) throw new Error('a stack needs a gateway and an api');
		const opampPort = options.direct ? firstGateway.port : proxyPort;
		const apiUrl = `http://${loopback}:${firstApi.port}`;
		return {
			gateways: gateways.map(({ process }) => process),
			engines: engines.map(({ process }) => process),
			apis: apis.map(({ process }) => process),
			proxy,
			opampUrl: `ws://${loopback}:${opampPort}/v1/opamp`,
			apiUrl,
			tokens,
			api: createClient({ server: apiUrl, token: tokens.admin }),
			database,
			logFolder,
			all: () => all,
			leader: () =>
				leaderOf(
					database,
					engines.map(({ process }) => process),
				),
			stop,
		};
	} catch (error) {
		await stop({ keepLogs: true });
		throw error;
	}
}

const numbered = (count = 1): number[] => Array.from({ length: count }, (_, at) => at + 1);

type Spec = Pick<ServiceSpec, 'name' | 'service' | 'environment' | 'nodeArgs'>;
type Make = (spec: Spec) => Promise<ServiceProcess>;

interface Placed {
	readonly process: ServiceProcess;
	/** What it is there for: OpAMP, gRPC or REST. */
	readonly port: number;
}

async function gateway(at: number, options: StackOptions, make: Make): Promise<Placed> {
	const port = await freePort();
	const environment = {
		AMPORA_GATEWAY_NAME: `gw-${at}`,
		AMPORA_OPAMP_HOST: loopback,
		AMPORA_OPAMP_PORT: String(port),
		AMPORA_REDIS_URL: options.redisUrl,
		...options.gatewayEnvironment,
	};
	const nodeArgs = options.gatewayNodeArgs ?? [];
	return { port, process: await make({ name: `gw-${at}`, service: 'gateway', environment, nodeArgs }) };
}

async function engine(
	at: number,
	{ redisUrl, leaseTtl = '3s', metricsUrl }: StackOptions,
	make: Make,
): Promise<Placed> {
	const port = await freePort();
	const environment = {
		AMPORA_REDIS_URL: redisUrl,
		AMPORA_GRPC_HOST: loopback,
		AMPORA_GRPC_PORT: String(port),
		AMPORA_LEASE_TTL: leaseTtl,
		...metricsAt(metricsUrl),
	};
	return { port, process: await make({ name: `engine-${at}`, service: 'rollout-engine', environment }) };
}

const metricsAt = (url: string | undefined) => (url === undefined ? {} : { AMPORA_METRICS_URL: url });

async function api(at: number, { metricsUrl }: StackOptions, make: Make): Promise<Placed> {
	const port = await freePort();
	const environment = { AMPORA_API_HOST: loopback, AMPORA_API_PORT: String(port), ...metricsAt(metricsUrl) };
	return { port, process: await make({ name: `api-${at}`, service: 'api', environment }) };
}

async function makeService(
	spec: Spec,
	options: StackOptions & { readonly prefix: string; readonly logFolder: string },
): Promise<ServiceProcess> {
	const operationsPort = await freePort();
	return new ServiceProcess({
		...spec,
		logFolder: options.logFolder,
		operationsUrl: `http://${loopback}:${operationsPort}`,
		environment: {
			AMPORA_DATABASE_URL: options.databaseUrl,
			AMPORA_NATS_URL: options.natsUrl,
			AMPORA_PREFIX: options.prefix,
			AMPORA_OPERATIONS_HOST: loopback,
			AMPORA_OPERATIONS_PORT: String(operationsPort),
			AMPORA_LOG_LEVEL: options.logLevel ?? 'info',
			...(options.otlpEndpoint !== undefined && { AMPORA_OTLP_ENDPOINT: options.otlpEndpoint }),
			...spec.environment,
		},
	});
}

/** The lease names the process that holds it: host/pid/id. */
async function leaderOf({ sql }: Database, engines: readonly ServiceProcess[]): Promise<ServiceProcess | undefined> {
	const [held] = await sql.query<{ holder: string }>(
		"select holder from leader_lease where name = 'rollout-engine' and expires_at > clock_timestamp()",
	);
	const pid = Number(held?.holder.split('/')[1]);
	return engines.find((one) => one.running && one.pid === pid);
}
