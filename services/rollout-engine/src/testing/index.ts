/** The client's side of the gRPC API, for tests and for programs that roll out. */
export * as messages from '../gen/ampora/rollout/v1/rollout.js';
export { fleetServices, messageType, serviceDefinition, wrapperOf } from '../grpc/operations.js';
