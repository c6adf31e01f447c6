import type { Position } from './findings.js';
import type { Timestamp } from './timestamp.js';

/** Whole numbers are bigint, so that 64-bit ones stay exact. */
export type ScalarValue = null | boolean | bigint | number | string | Timestamp;

export interface ConfigScalar {
	readonly kind: 'scalar';
	readonly value: ScalarValue;
	readonly at: Position;
	readonly size: 1;
}

/** `at` of a value is where its key stands, or the value itself in a list. */
export interface ConfigMap {
	readonly kind: 'map';
	readonly entries: ReadonlyMap<string, ConfigNode>;
	readonly at: Position;
	readonly size: number;
}

export interface ConfigList {
	readonly kind: 'list';
	readonly items: readonly ConfigNode[];
	readonly at: Position;
	readonly size: number;
}

/** A value with its place in a file. Aliases share nodes, so this is a graph without cycles; `size` counts it expanded. */
export type ConfigNode = ConfigScalar | ConfigMap | ConfigList;

/** A whole configuration: its files parsed and merged. Never without a setting. */
export interface ConfigDocument {
	readonly root: ConfigMap;
}

/** One file of a configuration, as OpAMP carries it: the name may be '', the body is YAML in UTF-8. */
export interface ConfigFile {
	readonly name: string;
	readonly body: Uint8Array | string;
}

/** What one configuration may cost, against hostile or mistaken input. */
export interface ConfigLimits {
	/** All files together, bytes (UTF-16 units where a body is a string). */
	readonly bytesMax: number;
	readonly depthMax: number;
	/** Values after aliases are expanded. */
	readonly valuesMax: number;
}

export const defaultLimits: ConfigLimits = { bytesMax: 1024 * 1024, depthMax: 64, valuesMax: 100_000 };

export const scalarNode = (value: ScalarValue, at: Position): ConfigScalar => ({ kind: 'scalar', value, at, size: 1 });

export function mapNode(entries: ReadonlyMap<string, ConfigNode>, at: Position): ConfigMap {
	let size = 1;
	for (const node of entries.values()) size += node.size;
	return { kind: 'map', entries, at, size };
}

export function listNode(items: readonly ConfigNode[], at: Position): ConfigList {
	return { kind: 'list', items, at, size: items.reduce((sum, item) => sum + item.size, 1) };
}
