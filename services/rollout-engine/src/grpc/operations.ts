// The services of ampora.fleet.v1: each method is the operation of its name, and its messages are, in the JSON form of protobuf, what
// REST sends and answers. A method written into proto/ampora/fleet is served without a line here.
import { routes } from '@ampora/api-contract';
import { ok } from '@ampora/runtime';
import {
	createFileRegistry,
	type DescMessage,
	type DescMethod,
	type DescService,
	fromBinary,
	fromJson,
	type JsonValue,
	toBinary,
	toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { handleUnaryCall, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { descriptors } from '../gen/descriptors.js';
import { type CallDeps, type Operation, perform, reply } from './calls.js';

const fleetPackage = 'ampora.fleet.v1';

/** Both packages of the API as server reflection reads them. */
export const descriptorSet = Buffer.from(descriptors, 'base64');

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));

/** A message of the API by its full name. */
export const messageType = (name: string): DescMessage | undefined => registry.getMessage(name);

/** What the protocol definition says there is, by full name. */
export const fleetServices: readonly DescService[] = Array.from(registry).filter(
	(type) => type.kind === 'service' && type.file.proto.package === fleetPackage,
) as DescService[];

/** The only field of a response, where that is a message: it holds the whole answer. */
export function wrapperOf({ fields }: DescMessage): DescMessage['fields'][number] | undefined {
	const [only] = fields;
	return fields.length === 1 && only?.fieldKind === 'message' && only.message.file.proto.package === fleetPackage
		? only
		: undefined;
}

/** Agents choose how deep their health reports are, up to the gateway's limit. */
const writing = { ignoreUnknownFields: true, recursionLimit: 1_000 };

function answerBytes({ output }: DescMethod, answer: unknown): Uint8Array {
	const wrapper = wrapperOf(output);
	// Answers may hold what is no JSON, an undefined above all.
	const json = JSON.parse(JSON.stringify(wrapper === undefined ? answer : { [wrapper.jsonName]: answer })) as JsonValue;
	return toBinary(output, fromJson(output, json, writing));
}

type Fields = Record<string, unknown>;

/** Parameters and query are text in REST, and their schemas expect `true` to be. */
function rawOf(operation: Operation, request: Fields): Fields {
	if (routes[operation].body !== null) return request;
	return Object.fromEntries(
		Object.entries(request).map(([name, value]) => [name, typeof value === 'boolean' ? String(value) : value]),
	);
}

function operationOf({ localName, parent }: DescMethod): Operation {
	if (!(localName in routes))
		throw new Error(`${parent.typeName} has a method ${localName}, and there is no such operation`);
	return localName as Operation;
}

/** Requests become JSON and answers bytes, whatever the method. */
export const serviceDefinition = (service: DescService): ServiceDefinition =>
	Object.fromEntries(
		service.methods.map((method) => [
			method.localName,
			{
				path: `/${service.typeName}/${method.name}`,
				requestStream: false,
				responseStream: false,
				requestSerialize: (json: JsonValue) => Buffer.from(toBinary(method.input, fromJson(method.input, json))),
				requestDeserialize: (bytes: Buffer) => toJson(method.input, fromBinary(method.input, bytes)),
				responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
				responseDeserialize: (bytes: Buffer) => toJson(method.output, fromBinary(method.output, bytes)),
			},
		]),
	);

/** The use cases behind one service, with the validation of the REST API. */
export function serviceImplementation(deps: CallDeps, service: DescService): UntypedServiceImplementation {
	const handler = (method: DescMethod): handleUnaryCall<Fields, Uint8Array> => {
		const operation = operationOf(method);
		return (call, callback) =>
			reply(deps, callback, async () => {
				const outcome = await perform(deps, call, operation, { raw: rawOf(operation, call.request) });
				return outcome.ok ? ok(answerBytes(method, outcome.value)) : outcome;
			});
	};
	return Object.fromEntries(service.methods.map((method) => [method.localName, handler(method)]));
}
