/** The picture of a rollout as the command shows it, for other programs that show one. */
export { type LiveView, liveView } from './output/live.js';
