export type * from './ports.js';
export * from './repositories/index.js';
export * as schema from './schema.js';
