export { createGateway, type Gateway, type GatewayDeps } from './gateway.js';
export { defaultLimits, type GatewayLimits } from './limits.js';
export type { GatewayConfig, GatewayOptions } from './options.js';
