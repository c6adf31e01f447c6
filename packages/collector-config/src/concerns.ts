// What some edits mean for whoever rolls them out: they can cut an agent off from its server, send data elsewhere, or end a pipeline.
import type { Edit } from './diff.js';
import type { ConfigNode } from './document.js';
import type { Path } from './findings.js';
import { normalId } from './pipelines.js';

const typeOf = (id: unknown): string => normalId(String(id)).split('/')[0] ?? '';
const proxyKey = /proxy/i;

/** Keys of maps below a node, at any depth. */
function* keysBelow(node: ConfigNode | null): Generator<string> {
	if (node?.kind === 'map') {
		for (const [key, value] of node.entries) {
			yield key;
			yield* keysBelow(value);
		}
	}
	if (node?.kind === 'list') for (const item of node.items) yield* keysBelow(item);
}

function* textsBelow(node: ConfigNode | null): Generator<string> {
	if (node?.kind === 'scalar' && typeof node.value === 'string') yield node.value;
	if (node?.kind === 'list') for (const item of node.items) yield* textsBelow(item);
	if (node?.kind === 'map') for (const item of node.entries.values()) yield* textsBelow(item);
}

const some = <T>(items: Iterable<T>, holds: (item: T) => boolean): boolean => {
	for (const item of items) if (holds(item)) return true;
	return false;
};

/** The opamp extension itself, which extensions run, what they authenticate with, and proxies on the way. */
function touchesManagement({ keys, before, after }: Edit): boolean {
	const [section, part] = keys;
	if (section === 'service' && part === 'extensions') return true;
	const nodes = [before, after];
	if (section === 'service' && part === undefined)
		return nodes.some((node) => some(keysBelow(node), (key) => key === 'extensions'));
	if (section === 'extensions' && part === undefined)
		return nodes.some((node) => some(keysBelow(node), (key) => typeOf(key) === 'opamp'));
	if (section === 'extensions' && typeOf(part) === 'opamp') return true;
	return keys.some(isProxy) || nodes.some((node) => some(keysBelow(node), isProxy));
}

const isProxy = (key: string | number): boolean =>
	typeof key === 'string' && proxyKey.test(key) && key !== 'proxy_protocol';

/** Edits after which an agent may not find back to its server. */
export const managementPathEdits = (edits: readonly Edit[]): readonly Edit[] => edits.filter(touchesManagement);

const endpointKey =
	/^(endpoint|endpoints|hosts?|url|urls|brokers|address|server|traces_endpoint|metrics_endpoint|logs_endpoint|profiles_endpoint)$/i;
const isEndpoint = (path: Path): boolean =>
	path.slice(2).some((key) => typeof key === 'string' && endpointKey.test(key));

/** Edits that send data elsewhere: an exporter's endpoint is another one, or there is another exporter. */
export const endpointEdits = (edits: readonly Edit[]): readonly Edit[] =>
	edits.filter(({ kind, keys, before, after }) => {
		if (kind !== 'exporter') return false;
		if (isEndpoint(keys)) return true;
		const below = [before, after].some((node) => some(keysBelow(node), (key) => endpointKey.test(key)));
		return below || [before, after].some((node) => some(textsBelow(node), (text) => /^[a-z]+:\/\//.test(text)));
	});

/** Ids of the pipelines that are no more. */
export const removedPipelines = (edits: readonly Edit[]): readonly string[] =>
	edits.flatMap(({ op, kind, keys, pipelines }) => {
		const whole = kind === 'pipeline' ? keys.length <= 3 : keys.length === 1 && keys[0] === 'service';
		return op === 'remove' && whole ? pipelines : [];
	});
