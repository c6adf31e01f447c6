export type * from './ports.js';
export * as schema from './schema.js';
