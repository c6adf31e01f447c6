export { factsOf } from './agent_facts.js';
export { authorise, type Caller, type Origin } from './caller.js';
export { type Control, createControl } from './control.js';
export { type ControlError, controlError, type Outcome } from './errors.js';
export type { MetricsServer } from './metrics_server/metrics_server.js';
export { createPrometheus } from './metrics_server/prometheus.js';
export type { ControlDeps } from './ports.js';
export { hiddenValue, hideSecrets } from './secret_settings.js';
export { bootstrapTokens, tokenHash } from './tokens.js';
