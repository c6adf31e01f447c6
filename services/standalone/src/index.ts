export { startStandalone } from './compose.js';
export { type StandaloneConfig, settings } from './config.js';
