import type { ConfigDocument, ConfigMap, ConfigNode, ConfigScalar } from './document.js';

export type PipelineRole = 'receivers' | 'processors' | 'exporters';
export const pipelineRoles: readonly PipelineRole[] = ['receivers', 'processors', 'exporters'];

/** A pipeline that names a component. */
export interface PipelineUse {
	readonly pipeline: string;
	readonly role: PipelineRole;
	/** The component's id as it is written. */
	readonly id: string;
	readonly index: number;
	readonly node: ConfigScalar;
}

export const childMap = (node: ConfigNode | undefined, key: string): ConfigMap | null => {
	const child = node?.kind === 'map' ? node.entries.get(key) : undefined;
	return child?.kind === 'map' ? child : null;
};

/** `service.pipelines`, by id, as far as it is a map of maps. */
export function pipelinesIn({ root }: ConfigDocument): ReadonlyMap<string, ConfigMap | null> {
	const pipelines = childMap(childMap(root, 'service') ?? undefined, 'pipelines');
	const entries = [...(pipelines?.entries ?? [])];
	return new Map(entries.map(([id, node]) => [id, node.kind === 'map' ? node : null]));
}

/** Every component a pipeline names, in the order of the file. */
export function pipelineUses(document: ConfigDocument): readonly PipelineUse[] {
	return [...pipelinesIn(document)].flatMap(([pipeline, node]) =>
		pipelineRoles.flatMap((role) => {
			const list = node?.entries.get(role);
			if (list?.kind !== 'list') return [];
			return list.items.flatMap((item, index) =>
				item.kind === 'scalar' && typeof item.value === 'string'
					? [{ pipeline, role, id: item.value, index, node: item }]
					: [],
			);
		}),
	);
}

/** Blanks around either half of `type/name` do not count. */
export const normalId = (id: string): string => {
	const [type = '', ...name] = id.split('/');
	return name.length === 0 ? type.trim() : `${type.trim()}/${name.join('/').trim()}`;
};

/** The pipelines that name a component in a role, found without a look at the others. */
export function usesByComponent(uses: readonly PipelineUse[]): (role: PipelineRole, id: string) => readonly string[] {
	const pipelines = new Map<string, string[]>();
	for (const { role, id, pipeline } of uses) {
		const key = `${role} ${normalId(id)}`;
		const named = pipelines.get(key);
		if (named === undefined) pipelines.set(key, [pipeline]);
		else named.push(pipeline);
	}
	return (role, id) => pipelines.get(`${role} ${normalId(id)}`) ?? [];
}

/** The roles a component of this section can play: a connector plays at either end, an extension nowhere. */
export const rolesOf = (section: string): readonly PipelineRole[] =>
	section === 'connectors' ? ['receivers', 'exporters'] : pipelineRoles.filter((role) => role === section);
