export { exitCodes } from './exit_codes.js';
export type { Io, TextSink } from './io.js';
export { type LiveView, liveView } from './output/live.js';
export { runCli } from './run.js';
