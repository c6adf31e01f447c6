import {
	type AgentDescription,
	type AnyValue,
	type Attribute,
	attributesJson,
	type ComponentHealth,
	type ConfigFiles,
} from '@ampora/opamp';
import type { AgentReport, ConfigFile } from '@ampora/store';

/** Postgres has no character 0 in text or jsonb, and one agent must not make the statement of thousands fail. */
const storable = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text);

export const truncated = (text: string, charactersMax: number): string =>
	storable(text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`);

/** The value with every string, keys included, in storable form; itself when nothing has to change. */
function storableJson<T>(value: T): T {
	if (!JSON.stringify(value).includes('\\u0000')) return value;
	return clean(value) as T;
}

function clean(value: unknown): unknown {
	if (typeof value === 'string') return storable(value);
	if (Array.isArray(value)) return value.map(clean);
	if (typeof value !== 'object' || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), clean(inner)]));
}

const textOf = (value: AnyValue | undefined): string | null =>
	value?.kind === 'string' && value.value !== '' ? storable(value.value) : null;

const find = (lists: readonly (readonly Attribute[])[], key: string): string | null =>
	lists
		.map((list) => textOf(list.findLast((attribute) => attribute.key === key)?.value))
		.find((text) => text !== null) ?? null;

/** Both attribute lists as JSON, with the three attributes every list of agents shows. */
export function descriptionFact(description: AgentDescription): NonNullable<AgentReport['description']> {
	const lists = [description.identifying, description.nonIdentifying];
	return {
		identifying: storableJson(attributesJson(description.identifying)),
		nonIdentifying: storableJson(attributesJson(description.nonIdentifying)),
		agentType: find(lists, 'service.name'),
		agentVersion: find(lists, 'service.version'),
		hostname: find(lists, 'host.name'),
	};
}

const treeOf = (health: ComponentHealth): unknown => ({
	healthy: health.healthy,
	startTimeUnixNano: health.startTimeUnixNano.toString(),
	lastError: health.lastError,
	status: health.status,
	statusTimeUnixNano: health.statusTimeUnixNano.toString(),
	...(health.attributes.length > 0 && { attributes: attributesJson(health.attributes) }),
	...(health.components.size > 0 && {
		components: Object.fromEntries(Array.from(health.components, ([name, component]) => [name, treeOf(component)])),
	}),
});

/** The whole tree; 64-bit times as decimal text. */
export const healthTree = (health: ComponentHealth): unknown => storableJson(treeOf(health));

/** The files in the order of their names; bodies stay byte-exact. */
export const fileList = (files: ConfigFiles): ConfigFile[] =>
	[...files]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([name, { body, contentType }]) => ({ name: storable(name), contentType: storable(contentType), body }));
