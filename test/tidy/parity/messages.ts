// Whether the messages of a gRPC method say what the schemas of the operation say.
import type { OperationId } from '@ampora/api-contract';
import { wrapperOf } from '@ampora/rollout-engine/testing';
import type { DescField, DescMessage, DescMethod } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { answerSchema, type JsonSchema, plain, requestSchema } from './json_schema.js';

type Defs = Readonly<Record<string, JsonSchema>>;

/** Messages of protobuf itself that any JSON, or an instant, goes into. */
const takesAnything = ['google.protobuf.Value', 'google.protobuf.Struct'];

/** Each difference is one line saying what to change where; none: the two are alike. */
export function differences(method: DescMethod, operation: OperationId): readonly string[] {
	const request = requestSchema(operation);
	const answer = answerSchema(operation);
	const output = wrapperOf(method.output)?.message ?? method.output;
	return [
		...fieldsDiffer(method.input, request.schema, request.defs, true),
		...fieldsDiffer(output, answer.schema, answer.defs, false),
	];
}

function fieldsDiffer(message: DescMessage, given: JsonSchema, defs: Defs, request: boolean): readonly string[] {
	const properties = propertiesOf(given, defs);
	const fields = new Map(message.fields.map((field) => [field.jsonName, field]));
	const missing = Object.entries(properties)
		.filter(([name]) => !fields.has(name))
		.map(([name, property]) => `message ${message.typeName} lacks ${snake(name)} (${kindOf(plain(property, defs))})`);
	const extra = [...fields.keys()]
		.filter((name) => !(name in properties))
		.map((name) => `message ${message.typeName} has ${snake(name)}, which REST does not`);
	const unlike = Object.entries(properties).flatMap(([name, property]) => {
		const field = fields.get(name);
		return field === undefined ? [] : fieldDiffers(field, property, defs, request);
	});
	return [...missing, ...extra, ...unlike];
}

export const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Of a union: whatever one of its members has. */
function propertiesOf(given: JsonSchema, defs: Defs): Readonly<Record<string, JsonSchema>> {
	const schema = plain(given, defs);
	const choices = schema.anyOf ?? schema.oneOf ?? [];
	return Object.assign({}, schema.properties, ...choices.map((choice) => propertiesOf(choice, defs)));
}

const isFlag = ({ enum: words }: JsonSchema): boolean =>
	words?.length === 2 && words.includes('true') && words.includes('false');

function kindOf(schema: JsonSchema): string {
	if (schema.format === 'date-time') return 'google.protobuf.Timestamp';
	if (schema.type === 'array') return 'repeated';
	if (schema.type === 'object')
		return schema.properties === undefined ? 'a map, or google.protobuf.Struct' : 'a message';
	if (schema.type === 'boolean' || isFlag(schema)) return 'bool';
	if (schema.type === 'integer') return 'uint32';
	if (schema.type === 'number') return 'double';
	return schema.type === 'string' || schema.enum !== undefined ? 'string' : 'google.protobuf.Value';
}

function fieldDiffers(field: DescField, property: JsonSchema, defs: Defs, request: boolean): readonly string[] {
	const schema = plain(property, defs);
	const choices = schema.anyOf ?? schema.oneOf ?? [];
	const place = `${field.parent.typeName}.${field.name}`;
	if ((field.fieldKind === 'list') !== (schema.type === 'array') && choices.length === 0)
		return [`${place} should be ${schema.type === 'array' ? 'repeated' : 'a single value'}`];
	const item = schema.type === 'array' ? plain(schema.items ?? {}, defs) : schema;
	const inner = 'message' in field ? field.message : undefined;
	if (inner?.file.proto.package === field.parent.file.proto.package && field.fieldKind !== 'map')
		return fieldsDiffer(inner, item, defs, request);
	if (inner !== undefined && takesAnything.includes(inner.typeName)) return [];
	if (item.type === 'object' && field.fieldKind !== 'map') return [`${place} should be ${kindOf(item)}`];
	if (field.fieldKind !== 'scalar') return [];
	const wanted = kindOf(item);
	const fits = wanted === 'bool' ? field.scalar === ScalarType.BOOL : field.scalar !== ScalarType.BOOL;
	if (!fits) return [`${place} should be ${wanted}`];
	// What protobuf leaves out when it is false or 0 would count as not given.
	const mayVanish = request && field.scalar !== ScalarType.STRING && field.proto.proto3Optional !== true;
	return mayVanish && wanted === 'bool' ? [`${place} should be optional: its false would not arrive`] : [];
}
