export {
	type CallInput,
	type Client,
	type ClientError,
	type ClientOptions,
	createClient,
	StreamBroken,
} from './client.js';
export { exitCodes } from './exit_codes.js';
export type { Io, TextSink } from './io.js';
export { type LiveView, liveView } from './output/live.js';
export { runCli } from './run.js';
