// What some edits mean for whoever rolls them out: they can cut an agent off from its server, send data elsewhere, or end a pipeline.
import { canonicalText } from './canonical.js';
import type { Edit } from './diff.js';
import type { ConfigDocument, ConfigNode } from './document.js';
import type { Path } from './findings.js';
import { childMap, normalId, pipelineUses } from './pipelines.js';

/** What edits were made from, and what they lead to. */
export interface Change {
	readonly before: ConfigDocument;
	readonly after: ConfigDocument;
}

interface Setting {
	readonly path: Path;
	readonly node: ConfigNode;
}

/** All there is at a node and below it, with the whole path to it. */
function* settingsIn(node: ConfigNode | null | undefined, path: Path): Generator<Setting> {
	if (!node) return;
	yield { path, node };
	if (node.kind === 'map') for (const [key, value] of node.entries) yield* settingsIn(value, [...path, key]);
	if (node.kind === 'list') for (const [index, item] of node.items.entries()) yield* settingsIn(item, [...path, index]);
}

const some = <T>(items: Iterable<T>, holds: (item: T) => boolean): boolean => {
	for (const item of items) if (holds(item)) return true;
	return false;
};

/** An edit, or anything that comes or goes with it. */
const concerns = ({ keys, before, after }: Edit, holds: (setting: Setting) => boolean): boolean =>
	[before, after].some((node) => some(settingsIn(node, keys), holds));

/** Keys that name settings: ids of components and pipelines people choose. */
const settingKeys = (path: Path): readonly string[] =>
	isOfPipelines(path) ? [] : path.slice(2).filter((key) => typeof key === 'string');

const isOfPipelines = (path: Path): boolean => path[0] === 'service' && path[1] === 'pipelines';

const isOpamp = (id: string | number | undefined): boolean => normalId(String(id)).startsWith('opamp');

/** The extensions that any opamp extension authenticates with: `auth: bearertokenauth`, or `auth: {authenticator: bearertokenauth}`. */
function authenticators({ root }: ConfigDocument): readonly string[] {
	const extensions = childMap(root, 'extensions');
	return [...(extensions?.entries ?? [])].flatMap(([id, extension]) =>
		isOpamp(id)
			? [...settingsIn(extension, [])].flatMap(({ path, node }) => {
					const isNamed = path.at(-1) === 'auth' || (path.at(-1) === 'authenticator' && path.at(-2) === 'auth');
					return isNamed && node.kind === 'scalar' ? [normalId(String(node.value))] : [];
				})
			: [],
	);
}

const isProxy = (key: string): boolean => /proxy/i.test(key) && key !== 'proxy_protocol';

/** Edits after which an agent may not find back to its server: of the opamp extension itself, of which extensions run, of what they authenticate with, and of proxies on the way. */
export function managementPathEdits(edits: readonly Edit[], { before, after }: Change): readonly Edit[] {
	const named = new Set([...authenticators(before), ...authenticators(after)]);
	return edits.filter((edit) =>
		concerns(edit, ({ path }) => {
			const [section, part] = path;
			if (section === 'service' && part === 'extensions') return true;
			if (section === 'extensions' && part !== undefined && (isOpamp(part) || named.has(normalId(String(part)))))
				return true;
			return settingKeys(path).some(isProxy);
		}),
	);
}

const endpointKey =
	/^(endpoint|endpoints|hosts?|url|urls|brokers|address|server|traces_endpoint|metrics_endpoint|logs_endpoint|profiles_endpoint)$/i;

const hasEndpointKey = (path: Path): boolean => settingKeys(path).some((key) => endpointKey.test(key));

const isUrl = (node: ConfigNode): boolean =>
	node.kind === 'scalar' && typeof node.value === 'string' && /^[a-z]+:\/\//.test(node.value);

const isAddress = ({ path, node }: Setting): boolean => hasEndpointKey(path) || isUrl(node);

const telemetryOf: readonly unknown[] = ['logs', 'metrics', 'traces'];

/** What the collector sends of itself; what is pulled from it goes nowhere. */
const isTelemetryAddress = ({ path }: Setting): boolean =>
	path[1] === 'telemetry' && telemetryOf.includes(path[2]) && !path.includes('pull') && hasEndpointKey(path);

/**
 * Edits that send data elsewhere: an exporter's endpoint is another one, there is another exporter, a pipeline sends to where it did
 * not send before, or the collector's own telemetry does.
 */
export function endpointEdits(edits: readonly Edit[], { before, after }: Change): readonly Edit[] {
	const [was, is] = [new Destinations(before), new Destinations(after)];
	/** An exporter named in a pipeline that did not name it, and with an address that none of those before has. */
	const sendsElsewhere = ({ path, node }: Setting): boolean => {
		if (!isOfPipelines(path) || path[3] !== 'exporters' || node.kind !== 'scalar') return false;
		const [pipeline, exporter] = [String(path[2]), normalId(String(node.value))];
		const known = was.ofPipeline(pipeline);
		return !was.exportersOf(pipeline).has(exporter) && some(is.ofExporter(exporter), (address) => !known.has(address));
	};
	return edits.filter((edit) => {
		if (edit.kind === 'exporter') return concerns(edit, isAddress);
		if (edit.keys[0] !== 'service') return false;
		return concerns(edit, isTelemetryAddress) || some(settingsIn(edit.after, edit.keys), sendsElsewhere);
	});
}

/** Where the pipelines of a configuration send to, as texts to compare. */
class Destinations {
	readonly #exporters = new Map<string, ConfigNode>();
	readonly #used = new Map<string, Set<string>>();
	readonly #ofExporter = new Map<string, ReadonlySet<string>>();
	readonly #ofPipeline = new Map<string, ReadonlySet<string>>();

	constructor(document: ConfigDocument) {
		for (const [id, node] of childMap(document.root, 'exporters')?.entries ?? [])
			this.#exporters.set(normalId(id), node);
		for (const { pipeline, role, id } of pipelineUses(document)) {
			if (role !== 'exporters') continue;
			const used = this.#used.get(pipeline) ?? new Set();
			this.#used.set(pipeline, used.add(normalId(id)));
		}
	}

	exportersOf(pipeline: string): ReadonlySet<string> {
		return this.#used.get(pipeline) ?? new Set();
	}

	ofExporter(id: string): ReadonlySet<string> {
		return remembered(this.#ofExporter, id, () =>
			[...settingsIn(this.#exporters.get(id), ['exporters', id])].flatMap((setting) =>
				setting.node.kind === 'scalar' && isAddress(setting) ? [canonicalText(setting.node, setting.path)] : [],
			),
		);
	}

	ofPipeline(pipeline: string): ReadonlySet<string> {
		return remembered(this.#ofPipeline, pipeline, () =>
			[...this.exportersOf(pipeline)].flatMap((id) => [...this.ofExporter(id)]),
		);
	}
}

function remembered(
	known: Map<string, ReadonlySet<string>>,
	key: string,
	read: () => readonly string[],
): ReadonlySet<string> {
	const found = known.get(key) ?? new Set(read());
	known.set(key, found);
	return found;
}

/** Ids of the pipelines that are no more. */
export const removedPipelines = (edits: readonly Edit[]): readonly string[] =>
	edits.flatMap(({ op, kind, keys, pipelines }) => {
		const whole = kind === 'pipeline' ? keys.length <= 3 : keys.length === 1 && keys[0] === 'service';
		return op === 'remove' && whole ? pipelines : [];
	});
