import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Undecodable } from './errors.js';
import type { MessageLimits } from './limits.js';

/** Which fields of a message hold messages themselves; every other field is a leaf. */
export type Shape = ReadonlyMap<number, Shape>;

/** What one sub-message may still spend; shared by everything inside it. */
interface Budget {
	fields: number;
	readonly depthMax: number;
}

function nested(fields: readonly (readonly [number, Shape])[]): Map<number, Shape> {
	return new Map(fields);
}

const leaf: Shape = nested([]);
/** A map entry: key 1, value 2. */
const entryOf = (value: Shape): Shape => nested([[2, value]]);

const keyValue = nested([]);
const anyValue = nested([
	[5, nested([])],
	[6, nested([[1, keyValue]])],
]);
anyValue.set(5, nested([[1, anyValue]]));
keyValue.set(2, anyValue);

const health = nested([[7, keyValue]]);
health.set(6, entryOf(health));

const component = nested([[1, keyValue]]);
component.set(2, entryOf(component));

export const shapes = {
	agentDescription: nested([
		[1, keyValue],
		[2, keyValue],
	]),
	health,
	effectiveConfig: nested([[1, nested([[1, entryOf(leaf)]])]]),
	remoteConfigStatus: leaf,
	packageStatuses: nested([[1, entryOf(nested([[8, leaf]]))]]),
	connectionSettingsRequest: nested([[1, nested([[1, leaf]])]]),
	customCapabilities: leaf,
	customMessage: leaf,
	availableComponents: nested([[1, entryOf(component)]]),
	connectionSettingsStatus: leaf,
} satisfies Record<string, Shape>;

/**
 * Walks a message without building anything, and throws Undecodable when it is deeper or larger than the limits, or when a part
 * runs over the end of what holds it, which the generated decoder would not notice.
 */
export function checkShape(bytes: Uint8Array, shape: Shape, limits: MessageLimits): void {
	walk(bytes, shape, 1, { fields: limits.fieldsMax, depthMax: limits.depthMax });
}

function walk(bytes: Uint8Array, shape: Shape, depth: number, budget: Budget): void {
	if (depth > budget.depthMax) throw new Undecodable('too-deep', `messages nest deeper than ${budget.depthMax} levels`);
	const reader = new BinaryReader(bytes);
	while (reader.pos < reader.len) {
		budget.fields -= 1;
		if (budget.fields < 0)
			throw new Undecodable('too-many-fields', 'a sub-message holds more fields than are accepted');
		const [field, wireType] = reader.tag();
		const inner = wireType === WireType.LengthDelimited ? shape.get(field) : undefined;
		if (inner) walk(reader.bytes(), inner, depth + 1, budget);
		else skipField(reader, field, wireType);
	}
}

/** Skips a field. Groups are refused: no version of the protocol has them, and their inside would escape the budget. */
export function skipField(reader: BinaryReader, field: number, wireType: WireType): void {
	if (wireType === WireType.StartGroup || wireType === WireType.EndGroup)
		throw new Undecodable('malformed-message', `field ${field} is a group, which the protocol does not have`);
	reader.skip(wireType, field);
}
