export type * from './ports.js';
export { dispatchChunkMax, dispatchTimeoutMs } from './ports.js';
