export { createEngine, type Engine, type EngineDeps, type EngineOptions, leaseName } from './engine.js';
export { createGrpcServer, type GrpcServer } from './grpc/server.js';
export { createMembership } from './membership/membership.js';
export { createEngineTelemetry, type EngineTelemetry, type EngineTelemetryDeps } from './telemetry/engine_telemetry.js';
export { keepGaugesFresh } from './telemetry/gauges.js';
