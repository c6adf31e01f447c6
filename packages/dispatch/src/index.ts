export { DirectoryUnavailable } from './errors.js';
export { createMemoryBackplane } from './memory/backplane.js';
export { createMemoryDirectory, type DirectoryFlaws, type MemoryDirectory } from './memory/directory.js';
export { createNatsBackplane, type NatsBackplaneOptions } from './nats/backplane.js';
export type * from './ports.js';
export { dispatchChunkMax, dispatchTimeoutMs } from './ports.js';
export { createRedisDirectory, type RedisDirectoryOptions } from './redis/directory.js';
export { type NoSession, planRoutes, type RoutingPlan, type SessionFacts } from './routing.js';
