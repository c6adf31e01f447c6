export type * from './decision.js';
export { changedTargetsMax, pageTargetsMax, tickIntervalMs } from './decision.js';
export type * from './model.js';
