import { type OperationId, type Route, routes } from '@ampora/api-contract';
import { authorise, type Caller, type Control } from '@ampora/control';
import type { Clock } from '@ampora/runtime';
import { type Span, spanNames, type Tracer } from '@ampora/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerOf } from './error_answers.js';
import { schemaOf } from './openapi.js';
import { sendEvents } from './sse.js';

export interface RequestDeps {
	readonly control: Control;
	readonly tracer: Tracer;
	readonly clock: Clock;
	/** Ends streams when the server closes. */
	readonly closing: AbortSignal;
}

const keyMax = 200;
const callers = new WeakMap<FastifyRequest, Caller>();
const spans = new WeakMap<FastifyRequest, Span>();

const header = (request: FastifyRequest, name: string): string | undefined => {
	const value = request.headers[name];
	return Array.isArray(value) ? value[0] : value;
};

const bearerOf = (request: FastifyRequest): string | undefined =>
	/^Bearer +(\S+) *$/i.exec(header(request, 'authorization') ?? '')?.[1];

/** Who asks is known, and may ask this, before anything of the request is read further. */
async function admit(
	request: FastifyRequest,
	reply: FastifyReply,
	{ route, deps }: { route: Route; deps: RequestDeps },
) {
	const span = deps.tracer.startSpan(spanNames.apiRequest, {
		parent: header(request, 'traceparent') ?? null,
		attributes: { method: route.method, route: route.path },
	});
	spans.set(request, span);
	const origin = {
		sourceAddress: request.ip,
		traceparent: span.traceparent,
		idempotencyKey: header(request, 'idempotency-key')?.slice(0, keyMax) ?? null,
	};
	const caller = await deps.control.authenticate(bearerOf(request), origin);
	const allowed = caller.ok ? authorise(caller.value, route.role) : caller;
	if (caller.ok && allowed.ok) {
		callers.set(request, caller.value);
		return undefined;
	}
	if (allowed.ok) return undefined;
	const { status, body } = answerOf(allowed.error);
	if (status === 401) reply.header('www-authenticate', 'Bearer realm="ampora"');
	return reply.code(status).send(body);
}

function callerOf(request: FastifyRequest): Caller {
	const caller = callers.get(request);
	if (caller === undefined) throw new Error('a request reached its handler without a caller');
	return caller;
}

const inputOf = (request: FastifyRequest): object => ({
	...(request.params as object),
	...(request.query as object),
	...(request.body as object | null | undefined),
});

/** The status of a success: the only one the route has, or 202 for what was not decided in time. */
function statusOf(route: Route, answer: unknown): number {
	const statuses = Object.keys(route.answers).map(Number);
	const pending = typeof answer === 'object' && answer !== null && 'decided' in answer && answer.decided === false;
	return pending ? 202 : Math.min(...statuses);
}

type Unary = Exclude<OperationId, 'watchRollout'>;

async function answerOnce(
	operation: Unary,
	route: Route,
	{ control }: RequestDeps,
	request: FastifyRequest,
	reply: FastifyReply,
) {
	// Input was parsed by the route's own schemas.
	const result = await control[operation](callerOf(request), inputOf(request) as never);
	if (result.ok) return reply.code(statusOf(route, result.value)).send(result.value);
	const { status, body } = answerOf(result.error);
	spans.get(request)?.setAttribute('error_code', body.code);
	return reply.code(status).send(body);
}

async function answerStream({ control, clock, closing }: RequestDeps, request: FastifyRequest, reply: FastifyReply) {
	const gone = new AbortController();
	const signal = AbortSignal.any([gone.signal, closing]);
	reply.raw.once('close', () => gone.abort());
	const result = await control.watchRollout(callerOf(request), inputOf(request) as { rollout: string }, signal);
	if (!result.ok) {
		const { status, body } = answerOf(result.error);
		return reply.code(status).send(body);
	}
	reply.hijack();
	await sendEvents(reply.raw, { event: 'rollout', items: result.value, clock, signal });
	return reply;
}

/** One fastify route per operation of the contract: nothing is listed twice. */
export function registerOperations(app: FastifyInstance, deps: RequestDeps): void {
	for (const [operation, route] of Object.entries(routes) as [OperationId, Route][]) {
		app.route({
			method: route.method,
			url: route.path,
			schema: schemaOf(operation, route),
			onRequest: (request, reply) => admit(request, reply, { route, deps }),
			handler: (request, reply) =>
				operation === 'watchRollout'
					? answerStream(deps, request, reply)
					: answerOnce(operation, route, deps, request, reply),
			onResponse: async (request, reply) => {
				const span = spans.get(request);
				span?.setAttribute('status_code', reply.statusCode);
				span?.end();
			},
		});
	}
}
