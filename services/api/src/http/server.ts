import { routes } from '@ampora/api-contract';
import { controlError } from '@ampora/control';
import type { Logger } from '@ampora/telemetry';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { answerOf, thrownAnswer } from './error_answers.js';
import { registerOpenApi, serveOpenApi } from './openapi.js';
import { type RequestDeps, registerOperations } from './requests.js';

export interface ServerOptions extends RequestDeps {
	readonly log: Logger;
	readonly bodyBytesMax: number;
	/** Shown in the OpenAPI document. */
	readonly version: string;
}

/** The REST API, not listening yet. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
	const { log, bodyBytesMax, version } = options;
	const answerThrown = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
		const { status, body, bug } = thrownAnswer(error);
		if (bug) log.error('a request failed', { method: request.method, route: request.routeOptions?.url ?? '', error });
		return reply.code(status).send(body);
	};
	const app = fastify({
		logger: false,
		bodyLimit: bodyBytesMax,
		exposeHeadRoutes: false,
		trustProxy: false,
		forceCloseConnections: true,
		routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
		frameworkErrors: (error, request, reply) => void answerThrown(error, request, reply as FastifyReply),
	});
	app.setValidatorCompiler(validatorCompiler);
	app.setSerializerCompiler(serializerCompiler);
	app.setErrorHandler(answerThrown);
	app.setNotFoundHandler(answerUnknown);
	acceptEmptyJson(app);
	await registerOpenApi(app, version);
	registerOperations(app, options);
	serveOpenApi(app);
	return app;
}

/** `POST …/pause` without a body means an empty one: scripts and curl send it so. */
function acceptEmptyJson(app: FastifyInstance): void {
	app.addHook('preValidation', async (request) => {
		if (request.method === 'POST' && request.body === undefined) request.body = {};
	});
}

const patterns = Object.values(routes).map(({ method, path }) => ({
	method,
	pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}/?$`),
}));

/** Another method of a known address is 405 with what is allowed; everything else is unknown. */
function answerUnknown(request: FastifyRequest, reply: FastifyReply) {
	const path = request.url.split('?')[0] ?? '';
	const allowed = patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
	const error =
		allowed.length > 0
			? controlError('method-not-allowed', `${request.method} is not possible at ${path}`, { details: { allowed } })
			: controlError('not-found', `there is nothing at ${path}`, {
					details: { path },
					action: 'Look at /api/v1/openapi.json for what there is.',
				});
	if (allowed.length > 0) reply.header('allow', allowed.join(', '));
	const { status, body } = answerOf(error);
	return reply.code(status).send(body);
}
