import { errorBody, errorCatalogue, openApiPath, type Route, routes } from '@ampora/api-contract';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { errorStatuses } from './error_answers.js';

const description = `Ampora keeps fleets of OpenTelemetry Collectors and other OpAMP agents connected and changes what they run in steps, behind gates.

Every request but this document needs \`Authorization: Bearer <API token>\`. Errors are \`{code, message, details, action}\`; \`action\` says what to do.
Creating a rollout and commanding one accept an \`Idempotency-Key\` header: the same key again changes nothing and answers the same.
Durations are written like 90s, 5m, 1h30m or 7d, percentages like 20 or "20 %".`;

export async function registerOpenApi(app: FastifyInstance, version: string): Promise<void> {
	await app.register(swagger, {
		openapi: {
			openapi: '3.1.0',
			info: { title: 'Ampora', version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
			tags: [...new Set(Object.values(routes).map(({ tag }) => tag))].map((name) => ({ name })),
			components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
		},
		transform: jsonSchemaTransform,
		transformObject: jsonSchemaTransformObject,
	});
}

/** What fastify checks requests against, writes answers with, and shows in the document. */
export function schemaOf(operationId: string, route: Route) {
	const errors = [...errorStatuses(route)].map(([status, codes]) => {
		const actions = codes.map((code) => `\`${code}\`: ${errorCatalogue[code].action}`).join('\n\n');
		return [status, { description: actions, content: { 'application/json': { schema: errorBody } } }] as const;
	});
	const successes = Object.entries(route.answers).map(([status, schema]) => {
		const type = route.stream === true ? 'text/event-stream' : 'application/json';
		const text = route.stream === true ? 'Events `rollout`, each with this as its data' : 'Success';
		return [status, { description: text, content: { [type]: { schema } } }] as const;
	});
	return {
		operationId,
		summary: route.summary,
		description: `Least role: ${route.role}.`,
		tags: [route.tag],
		security: [{ token: [] }],
		...(Object.keys(route.params.shape).length > 0 && { params: route.params as z.ZodType }),
		querystring: route.query,
		...(route.body !== null && { body: route.body }),
		response: Object.fromEntries([...successes, ...errors]),
	};
}

export function serveOpenApi(app: FastifyInstance): void {
	app.get(openApiPath, { schema: { hide: true } }, async () => app.swagger());
}
