export * from './agents.js';
export * from './calendar.js';
export {
	type CallInput,
	type Client,
	type ClientError,
	type ClientOptions,
	createClient,
	StreamBroken,
} from './client.js';
export * from './configurations.js';
export { type ErrorCode, errorCatalogue, errorCodes, type Remedy } from './errors.js';
export { type ErrorBody, errorBody, type Role, role, uuidShape } from './fields.js';
export * from './groups.js';
export { type FieldIssue, fieldIssues, issuesText } from './issues.js';
export { parsePercent, parseStepSize } from './percent.js';
export * from './plans.js';
export * from './rollout_answer.js';
export * from './rollout_input.js';
export * from './rollout_words.js';
export { anyRouteErrors, type Route } from './routes/route.js';
export {
	type AnswerOf,
	type BodyOf,
	type InputOf,
	type OperationId,
	openApiPath,
	type ParamsOf,
	type QueryOf,
	type Routes,
	routes,
} from './routes.js';
export * from './settings.js';
export * from './tokens.js';
