export { type Assert, assert, unreachable } from './assert.js';
export { type BackoffOptions, backoffDelayMs } from './backoff.js';
export { BoundedQueue } from './bounded_queue.js';
export { type Clock, systemClock, type Timer } from './clock.js';
export { durationMsMax, formatDuration, parseDuration } from './duration.js';
export {
	type AgentId,
	type ConfigurationId,
	type GatewayId,
	type GroupId,
	newId,
	type RolloutId,
	type VersionId,
} from './ids.js';
export {
	asDurationOfASecondOrMore,
	installationSettings,
	metricsServerSettings,
	operationsPort,
} from './installation_settings.js';
export { type Random, seededRandom, systemRandom } from './random.js';
export { type Err, err, type Ok, ok, type Result } from './result.js';
export { CannotStart, type RunningService, type ServiceMain, serviceMain } from './service.js';
export {
	asDuration,
	asFlag,
	asInteger,
	asOneOf,
	asPort,
	asText,
	asUrl,
	describeSettings,
	type Resolved,
	readSettings,
	type Setting,
	type Settings,
} from './settings.js';
