import { Server, ServerCredentials } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { RolloutServiceService } from '../gen/ampora/rollout/v1/rollout.js';
import type { CallDeps } from './calls.js';
import { descriptorSet, fleetServices, serviceDefinition, serviceImplementation } from './operations.js';
import { rolloutService } from './rollout_service.js';

export interface GrpcServer {
	/** Rejects when the address cannot be had. */
	listen(): Promise<{ readonly host: string; readonly port: number }>;
	/** What the health service says of every service. */
	setServing(serving: boolean): void;
	/** Lets calls under way finish for at most `graceMs`. */
	close(graceMs?: number): Promise<void>;
}

const serviceNames = ['ampora.rollout.v1.RolloutService', ...fleetServices.map(({ typeName }) => typeName)];
const messageBytesMax = 4 * 1024 * 1024;
const closeGraceMs = 2_000;

/** `RolloutService` and its siblings, with standard health and reflection. Plain text: TLS ends at the mesh or the proxy in front. */
export function createGrpcServer(deps: CallDeps, { host, port }: { host: string; port: number }): GrpcServer {
	const server = new Server({
		'grpc.max_receive_message_length': messageBytesMax,
		'grpc.keepalive_time_ms': 30_000,
		'grpc.max_concurrent_streams': 1_000,
	});
	server.addService(RolloutServiceService, rolloutService(deps));
	for (const service of fleetServices)
		server.addService(serviceDefinition(service), serviceImplementation(deps, service));
	const health = new HealthImplementation(Object.fromEntries(['', ...serviceNames].map((name) => [name, 'SERVING'])));
	health.addToServer(server);
	new ReflectionService(loadFileDescriptorSetFromBuffer(descriptorSet), { services: serviceNames }).addToServer(server);
	return {
		listen: () =>
			new Promise((resolve, reject) => {
				server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
					if (error) reject(new Error(`the gRPC API cannot listen on ${host}:${port}: ${error.message}`));
					else resolve({ host, port: bound });
				});
			}),
		setServing(serving) {
			for (const service of ['', ...serviceNames]) health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
		},
		close: (graceMs = closeGraceMs) =>
			new Promise((resolve) => {
				const force = setTimeout(() => server.forceShutdown(), graceMs);
				server.tryShutdown(() => {
					clearTimeout(force);
					resolve();
				});
			}),
	};
}
