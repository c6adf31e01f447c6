/** What expressions may read of an agent. */
export interface AgentFacts {
	/** Identifying over non-identifying; int64 values are decimal strings: `int(agent.attributes.cpus) > 4`. */
	readonly attributes: Readonly<Record<string, unknown>>;
	/** Null, here and below: it did not say. */
	readonly type: string | null;
	readonly version: string | null;
	/** Names as in the protocol: `AcceptsRemoteConfig`. */
	readonly capabilities: readonly string[];
	/** By kind, as its catalogue has them: `"otlp" in agent.components.receivers`. Null: nobody knows. */
	readonly components: Readonly<Record<string, readonly string[]>> | null;
}

/**
 * One thing a selector can read and a report can change. `attribute:<name>` is one attribute; `attributes` stands for every one of
 * them, whatever its name.
 */
export type Field = `attribute:${string}` | 'attributes' | 'type' | 'version' | 'capabilities' | 'components';

export const mergedAttributes = (description: {
	readonly identifying: Readonly<Record<string, unknown>>;
	readonly nonIdentifying: Readonly<Record<string, unknown>>;
}): Record<string, unknown> => ({ ...description.nonIdentifying, ...description.identifying });

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** What is another value in `after` than in `before`; components are not compared here, since agents share them. */
export function changedFields(before: Omit<AgentFacts, 'components'>, after: Omit<AgentFacts, 'components'>): Field[] {
	const names = new Set([...Object.keys(before.attributes), ...Object.keys(after.attributes)]);
	const attributes = [...names].filter((name) => !same(before.attributes[name], after.attributes[name]));
	const others = (['type', 'version', 'capabilities'] as const).filter((name) => !same(before[name], after[name]));
	return [...attributes.map((name): Field => `attribute:${name}`), ...others];
}
