import type { z } from 'zod';
import { accessRoutes } from './routes/access.js';
import { configurationRoutes } from './routes/configurations.js';
import { fleetRoutes } from './routes/fleet.js';
import { installationRoutes } from './routes/installation.js';
import { rolloutRoutes } from './routes/rollouts.js';
import { base, type Route } from './routes/route.js';

/** Every operation of the REST API by its operation id. The server, its OpenAPI document, the CLI and the console are made from it. */
export const routes = {
	...configurationRoutes,
	...fleetRoutes,
	...rolloutRoutes,
	...installationRoutes,
	...accessRoutes,
} as const satisfies Record<string, Route>;

export type Routes = typeof routes;
export type OperationId = keyof Routes;
export const openApiPath = `${base}/openapi.json`;

/** What a caller of an operation writes, before parsing. */
export type ParamsOf<Op extends OperationId> = z.input<Routes[Op]['params']>;
export type QueryOf<Op extends OperationId> = z.input<Routes[Op]['query']>;
export type BodyOf<Op extends OperationId> = Routes[Op]['body'] extends z.ZodType
	? z.input<Routes[Op]['body']>
	: undefined;
/** Any of its successful answers. */
export type AnswerOf<Op extends OperationId> = {
	[Status in keyof Routes[Op]['answers']]: Routes[Op]['answers'][Status] extends z.ZodType
		? z.infer<Routes[Op]['answers'][Status]>
		: never;
}[keyof Routes[Op]['answers']];

type Parsed<Schema> = Schema extends z.ZodType
	? z.output<Schema> extends Record<string, never>
		? unknown
		: z.output<Schema>
	: unknown;
/** What a use case is given: parameters, query and body in one object, parsed (durations in ms, percentages as numbers). */
export type InputOf<Op extends OperationId> = Parsed<Routes[Op]['params']> &
	Parsed<Routes[Op]['query']> &
	Parsed<Routes[Op]['body']>;
