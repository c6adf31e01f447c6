// The schemas of the API as JSON schema, for whatever compares or imitates them.
import { type OperationId, type Route, routes } from '@ampora/api-contract';
import { z } from 'zod';

export interface JsonSchema {
	readonly type?: string | readonly string[];
	readonly format?: string;
	readonly enum?: readonly unknown[];
	readonly const?: unknown;
	readonly properties?: Readonly<Record<string, JsonSchema>>;
	readonly additionalProperties?: boolean | JsonSchema;
	readonly items?: JsonSchema;
	readonly required?: readonly string[];
	readonly anyOf?: readonly JsonSchema[];
	readonly oneOf?: readonly JsonSchema[];
	readonly allOf?: readonly JsonSchema[];
	readonly $ref?: string;
	readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

const toJsonSchema = (schema: z.ZodType, io: 'input' | 'output') =>
	z.toJSONSchema(schema, { io, reused: 'inline', unrepresentable: 'any' }) as JsonSchema;

/** Without references, null and single-member combinations: what a value is when it is there. */
export function plain(schema: JsonSchema, defs: Readonly<Record<string, JsonSchema>>): JsonSchema {
	const name = schema.$ref?.split('/').at(-1);
	if (name !== undefined) return plain(defs[name] ?? {}, defs);
	if (Array.isArray(schema.type)) return { ...schema, type: schema.type.find((type) => type !== 'null') };
	const choices = (schema.anyOf ?? schema.oneOf ?? schema.allOf ?? []).filter(({ type }) => type !== 'null');
	const [only] = choices;
	return choices.length === 1 && only !== undefined ? plain(only, defs) : schema;
}

/** Parameters, query and body of an operation as one object. */
export function requestSchema(operation: OperationId): { schema: JsonSchema; defs: Record<string, JsonSchema> } {
	const { params, query, body }: Route = routes[operation];
	const parts = [params, query, ...(body === null ? [] : [body])].map((part) => toJsonSchema(part, 'input'));
	const defs = Object.assign({}, ...parts.map(({ $defs = {} }) => $defs));
	const objects = parts.map((part) => plain(part, defs));
	const properties = Object.assign({}, ...objects.map((part) => part.properties ?? {}));
	return { schema: { type: 'object', properties, required: objects.flatMap(({ required = [] }) => required) }, defs };
}

/** What it answers on success, the common case of those. */
export function answerSchema(operation: OperationId): { schema: JsonSchema; defs: Record<string, JsonSchema> } {
	const { answers }: Route = routes[operation];
	const first = answers[Math.min(...Object.keys(answers).map(Number))];
	if (first === undefined) throw new Error(`${operation} answers nothing`);
	const schema = toJsonSchema(first, 'output');
	const defs = schema.$defs ?? {};
	return { schema: plain(schema, defs), defs };
}

/** The least value of a schema. */
export function sample(given: JsonSchema, defs: Readonly<Record<string, JsonSchema>>): unknown {
	if (given.anyOf?.some(({ type }) => type === 'null') || (Array.isArray(given.type) && given.type.includes('null')))
		return null;
	const schema = plain(given, defs);
	if (schema.const !== undefined) return schema.const;
	if (schema.enum !== undefined) return schema.enum[0];
	const [choice] = schema.anyOf ?? schema.oneOf ?? [];
	if (choice !== undefined) return sample(choice, defs);
	switch (schema.type) {
		case 'object':
			return Object.fromEntries(
				Object.entries(schema.properties ?? {}).map(([name, property]) => [name, sample(property, defs)]),
			);
		case 'array':
			return [];
		case 'string':
			return schema.format === 'date-time' ? '2026-01-01T00:00:00Z' : 'x';
		case 'integer':
		case 'number':
			return 1;
		case 'boolean':
			return true;
		default:
			return null;
	}
}
