import type { KeyValue as WireKeyValue, AnyValue as WireValue } from './gen/opamp/v1/anyvalue.js';

/** One attribute value; `int` may be beyond 2^53, `map` keeps order and repeated keys as sent. */
export type AnyValue =
	| { readonly kind: 'null' }
	| { readonly kind: 'string'; readonly value: string }
	| { readonly kind: 'bool'; readonly value: boolean }
	| { readonly kind: 'int'; readonly value: bigint }
	| { readonly kind: 'double'; readonly value: number }
	| { readonly kind: 'list'; readonly value: readonly AnyValue[] }
	| { readonly kind: 'map'; readonly value: readonly Attribute[] }
	| { readonly kind: 'bytes'; readonly value: Uint8Array };

export interface Attribute {
	readonly key: string;
	readonly value: AnyValue;
}

/** What JSON can say of an attribute value: a 64-bit integer beyond 2^53 becomes decimal text, bytes become base64. */
export type AttributeJson = null | string | boolean | number | AttributeJson[] | { [key: string]: AttributeJson };

function fromWireValue(wire: WireValue | undefined): AnyValue {
	const value = wire?.value;
	switch (value?.$case) {
		case undefined:
			return { kind: 'null' };
		case 'stringValue':
			return { kind: 'string', value: value.value };
		case 'boolValue':
			return { kind: 'bool', value: value.value };
		case 'intValue':
			return { kind: 'int', value: value.value };
		case 'doubleValue':
			return { kind: 'double', value: value.value };
		case 'arrayValue':
			return { kind: 'list', value: value.value.values.map(fromWireValue) };
		case 'kvlistValue':
			return { kind: 'map', value: value.value.values.map(fromWireAttribute) };
		case 'bytesValue':
			return { kind: 'bytes', value: new Uint8Array(value.value) };
	}
}

export const fromWireAttribute = ({ key, value }: WireKeyValue): Attribute => ({ key, value: fromWireValue(value) });

function toWireValue(value: AnyValue): WireValue {
	switch (value.kind) {
		case 'null':
			return { value: undefined };
		case 'string':
			return { value: { $case: 'stringValue', value: value.value } };
		case 'bool':
			return { value: { $case: 'boolValue', value: value.value } };
		case 'int':
			return { value: { $case: 'intValue', value: value.value } };
		case 'double':
			return { value: { $case: 'doubleValue', value: value.value } };
		case 'list':
			return { value: { $case: 'arrayValue', value: { values: value.value.map(toWireValue) } } };
		case 'map':
			return { value: { $case: 'kvlistValue', value: { values: value.value.map(toWireAttribute) } } };
		case 'bytes':
			return { value: { $case: 'bytesValue', value: value.value } };
	}
}

export const toWireAttribute = ({ key, value }: Attribute): WireKeyValue => ({ key, value: toWireValue(value) });

/** A value as JSON; not a number and the infinities become text, as JSON has none. */
export function valueJson(value: AnyValue): AttributeJson {
	switch (value.kind) {
		case 'null':
			return null;
		case 'string':
		case 'bool':
			return value.value;
		case 'double':
			return Number.isFinite(value.value) ? value.value : String(value.value);
		case 'int': {
			const number = Number(value.value);
			return Number.isSafeInteger(number) ? number : value.value.toString();
		}
		case 'list':
			return value.value.map(valueJson);
		case 'map':
			return attributesJson(value.value);
		case 'bytes':
			return Buffer.from(value.value).toString('base64');
	}
}

/** Attributes as one JSON object; of a repeated key the last counts. Any key is safe, `__proto__` too. */
export const attributesJson = (attributes: readonly Attribute[]): { [key: string]: AttributeJson } =>
	Object.fromEntries(attributes.map(({ key, value }) => [key, valueJson(value)]));
