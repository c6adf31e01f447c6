// What a collector says of a configuration before it starts anything: its components, its pipelines, and how they refer to each other.
import { compareText } from './canonical.js';
import { type ComponentCatalogue, type ComponentSection, componentSections } from './compatibility.js';
import { connectorPairs, isSignal, signalOf } from './connectors.js';
import type { ConfigDocument, ConfigMap, ConfigNode } from './document.js';
import { type Finding, type FindingCode, finding, type Path } from './findings.js';
import {
	childMap,
	normalId,
	type PipelineUse,
	pipelineRoles,
	pipelinesIn,
	pipelineUses,
	rolesOf,
	usesByComponent,
} from './pipelines.js';
import { holdsSecret, secretKind } from './secrets.js';

/** What is known besides the configuration. */
export interface ComponentContext {
	/** What the agents that get it have; null: nobody can say; left out: nobody asks. */
	readonly catalogue?: ComponentCatalogue | null;
}

type Report = (code: FindingCode, node: ConfigNode, message: string, path: Path) => void;

/** Findings in the order of the file's own sections: a section's shape, its ids, its references, its secrets. */
export function componentFindings(document: ConfigDocument, context: ComponentContext = {}): readonly Finding[] {
	const findings: Finding[] = [];
	const report: Report = (code, node, message, path) => void findings.push(finding(code, node.at, message, path));
	const components = readComponents(document, report);
	checkSections(document, report);
	checkPipelines(document, components, report);
	checkConnectors(document, components, report);
	checkExtensions(document, components, report);
	checkUnused(document, components, report);
	checkCatalogue(components, context, document, report);
	checkSecrets(document.root, [], false, report);
	return mostImportant(findings);
}

const findingsMax = 500;

/** Of very many the errors stay before the warnings: what blocks publishing is always said. */
const mostImportant = (findings: readonly Finding[]): readonly Finding[] =>
	findings.length <= findingsMax
		? findings
		: findings.toSorted((a, b) => compareText(a.severity, b.severity)).slice(0, findingsMax);

interface Component {
	readonly section: ComponentSection;
	/** As references may write it: without blanks. */
	readonly id: string;
	readonly key: string;
	readonly node: ConfigNode;
}

const isText = (node: ConfigNode | undefined): boolean => node?.kind === 'scalar' && isExpansion(node);
/** `${…}` may become anything: nothing is said of it. */
const isExpansion = (node: ConfigNode): boolean =>
	node.kind === 'scalar' && typeof node.value === 'string' && node.value.includes('${');
const isNull = (node: ConfigNode): boolean => node.kind === 'scalar' && node.value === null;

function readComponents({ root }: ConfigDocument, report: Report): readonly Component[] {
	return componentSections.flatMap((section) => {
		const node = root.entries.get(section);
		if (node === undefined || isNull(node) || isExpansion(node)) return [];
		if (node.kind !== 'map') {
			report('not-a-mapping', node, `${section} is not a mapping of components`, [section]);
			return [];
		}
		checkSameIds(node, [section], report);
		return [...node.entries].flatMap(([key, value]) => {
			if (value.kind !== 'map' && !isNull(value) && !isExpansion(value))
				report('not-a-mapping', value, `the settings of ${key} are not a mapping`, [section, key]);
			const problem = idProblem(key);
			if (problem !== null) {
				report('bad-component-id', value, `"${key}" is no component id: ${problem}`, [section, key]);
				return [];
			}
			return [{ section, key, id: normalId(key), node: value }];
		});
	});
}

/** Two keys that only blanks tell apart are one id, and a collector refuses the second. */
function checkSameIds({ entries }: ConfigMap, path: Path, report: Report): void {
	const keys = new Map<string, string>();
	for (const [key, node] of entries) {
		const same = keys.get(normalId(key));
		if (same === undefined) keys.set(normalId(key), key);
		else report('duplicate-key', node, `"${key}" is the same id as "${same}"`, [...path, key]);
	}
}

const typeMax = 63;
const nameMax = 1_024;

/** The collector's rules for `type` and `type/name`; blanks around either are no part of it. */
function idProblem(key: string): string | null {
	const [type = '', ...rest] = key.split('/');
	const name = rest.join('/').trim();
	if (!/^[A-Za-z][0-9A-Za-z_]*$/.test(type.trim()) || type.trim().length > typeMax)
		return `a type starts with a letter, has letters, digits and _ only, and at most ${typeMax} of them`;
	if (rest.length === 0) return null;
	if (name === '') return 'the part after / is empty';
	if (/[\p{Z}\p{C}\p{S}]/u.test(name)) return 'the part after / has a blank, a control character or a symbol';
	return name.length > nameMax ? `the part after / is longer than ${nameMax}` : null;
}

const rootKeys = new Set<string>([...componentSections, 'service']);
const serviceKeys = new Set(['telemetry', 'extensions', 'pipelines']);
const telemetryKeys = new Set(['logs', 'metrics', 'traces', 'resource']);
const pipelineKeys = new Set<string>(pipelineRoles);

function checkKeys(map: ConfigMap, known: ReadonlySet<string>, path: Path, report: Report): void {
	for (const [key, node] of map.entries) {
		if (known.has(key)) continue;
		const at = [...path, key];
		report(
			'unknown-setting',
			node,
			`a collector knows no setting "${key}" here; it knows ${[...known].join(', ')}`,
			at,
		);
	}
}

function checkSections({ root }: ConfigDocument, report: Report): void {
	checkKeys(root, rootKeys, [], report);
	for (const [section, code] of [
		['receivers', 'pipeline-without-receiver'],
		['exporters', 'pipeline-without-exporter'],
	] as const) {
		const node = root.entries.get(section);
		const empty = node === undefined || isNull(node) || (node.kind === 'map' && node.entries.size === 0);
		if (empty) report(code, node ?? root, `no component is configured under ${section}`, [section]);
	}
	const service = childMap(root, 'service');
	if (service !== null) checkKeys(service, serviceKeys, ['service'], report);
	if (service !== null) checkTelemetry(service, report);
	const pipelines = service?.entries.get('pipelines');
	if (pipelines !== undefined && isText(pipelines)) return;
	if (pipelines?.kind !== 'map' || pipelines.entries.size === 0) {
		const node = pipelines ?? service ?? root;
		report('no-pipelines', node, 'there is no pipeline under service.pipelines', ['service', 'pipelines']);
	}
}

/** What is within its parts changes from one collector to the next; `metrics.address` is gone for good. */
function checkTelemetry(service: ConfigMap, report: Report): void {
	const path = ['service', 'telemetry'];
	const telemetry = service.entries.get('telemetry');
	if (telemetry === undefined || isNull(telemetry) || isExpansion(telemetry)) return;
	if (telemetry.kind !== 'map') {
		report('not-a-mapping', telemetry, 'service.telemetry is not a mapping', path);
		return;
	}
	checkKeys(telemetry, telemetryKeys, path, report);
	const address = childMap(telemetry, 'metrics')?.entries.get('address');
	if (address === undefined) return;
	const message = 'collectors know no "address" here any more: write a reader under readers, with its host and port';
	report('unknown-setting', address, message, [...path, 'metrics', 'address']);
}

function checkPipelines(document: ConfigDocument, components: readonly Component[], report: Report): void {
	for (const [id, pipeline] of pipelinesIn(document)) {
		const path = ['service', 'pipelines', id];
		const node = pipeline ?? childMap(childMap(document.root, 'service') ?? undefined, 'pipelines') ?? document.root;
		const problem = idProblem(id);
		if (problem !== null) report('bad-component-id', node, `"${id}" is no pipeline id: ${problem}`, path);
		else if (!isSignal(signalOf(id))) {
			const message = `"${signalOf(id)}" is no signal; a pipeline is one of traces, metrics, logs and profiles`;
			report('unknown-signal', node, message, path);
		}
		if (pipeline !== null) checkKeys(pipeline, pipelineKeys, path, report);
		checkRoles(pipeline, node, path, report);
	}
	const pipelines = childMap(childMap(document.root, 'service') ?? undefined, 'pipelines');
	if (pipelines !== null) checkSameIds(pipelines, ['service', 'pipelines'], report);
	const known = new Set(components.map(({ section, id }) => `${section} ${id}`));
	for (const use of pipelineUses(document)) checkUse(use, known, report);
}

/** A pipeline needs something at either end, and lists where lists belong. */
function checkRoles(pipeline: ConfigMap | null, at: ConfigNode, path: Path, report: Report): void {
	for (const role of pipelineRoles) {
		const node = pipeline?.entries.get(role);
		if (node !== undefined && isText(node)) continue;
		if (node !== undefined && node.kind !== 'list' && !isNull(node)) {
			report('not-a-list', node, `${role} of a pipeline is a list of component ids`, [...path, role]);
			continue;
		}
		if (node?.kind === 'list' && node.items.length > 0) checkTwice(node.items, role, [...path, role], report);
		else if (role === 'receivers')
			report('pipeline-without-receiver', node ?? at, 'the pipeline has no receiver', path);
		else if (role === 'exporters')
			report('pipeline-without-exporter', node ?? at, 'the pipeline has no exporter', path);
	}
}

/** A collector takes a receiver named twice for one; a processor named twice it refuses. */
function checkTwice(items: readonly ConfigNode[], role: string, path: Path, report: Report): void {
	const seen = new Set<string>();
	items.forEach((item, index) => {
		if (item.kind !== 'scalar' || typeof item.value !== 'string') {
			report('bad-component-id', item, `an entry of ${role} is not the id of a component`, [...path, index]);
			return;
		}
		const id = normalId(item.value);
		if (role === 'processors' && seen.has(id))
			report('duplicate-processor', item, `the pipeline names the processor ${id} twice`, [...path, index]);
		seen.add(id);
	});
}

function checkUse({ pipeline, role, id, index, node }: PipelineUse, known: ReadonlySet<string>, report: Report): void {
	if (isExpansion(node)) return;
	const path = ['service', 'pipelines', pipeline, role, index];
	const problem = idProblem(id);
	if (problem !== null) {
		report('bad-component-id', node, `"${id}" is no component id: ${problem}`, path);
		return;
	}
	const component = normalId(id);
	const connects = role !== 'processors' && known.has(`connectors ${component}`);
	if (connects || known.has(`${role} ${component}`)) return;
	const where = role === 'processors' ? 'processors' : `${role} or connectors`;
	report(
		'undefined-component',
		node,
		`pipeline ${pipeline} uses ${component}, which is not configured under ${where}`,
		path,
	);
}

interface Ends {
	readonly from: readonly string[];
	readonly to: readonly string[];
}

function checkConnectors(document: ConfigDocument, components: readonly Component[], report: Report): void {
	const using = usesByComponent(pipelineUses(document));
	for (const { section, id, key, node } of components) {
		if (section !== 'connectors') continue;
		const [from, to] = [using('exporters', id), using('receivers', id)];
		const path = ['connectors', key];
		if (from.length === 0 && to.length === 0) continue;
		if (from.length === 0 || to.length === 0) {
			const [has, lacks] = from.length === 0 ? ['receiver', 'exporter'] : ['exporter', 'receiver'];
			const at = from.length === 0 ? to : from;
			report(
				'connector-one-sided',
				node,
				`${id} is a ${has} of ${at.join(', ')} and the ${lacks} of no pipeline`,
				path,
			);
			continue;
		}
		const message = mismatch(id, { from, to });
		if (message !== null) report('connector-signal-mismatch', node, message, path);
	}
}

/** Every pipeline it ends must lead to one it begins, and the other way round, by a pair of signals its type connects. */
function mismatch(id: string, { from, to }: Ends): string | null {
	const type = id.split('/')[0] ?? '';
	const pairs = connectorPairs(type);
	if (pairs === null) return null;
	const [sources, targets] = [signalsOf(from), signalsOf(to)];
	const stuck = from.find((left) => !targets.some((right) => pairs(signalOf(left), right)));
	if (stuck !== undefined) return `${type} does not connect ${stuck} to ${to.join(', ')}`;
	const dry = to.find((right) => !sources.some((left) => pairs(left, signalOf(right))));
	return dry === undefined ? null : `${type} does not connect ${from.join(', ')} to ${dry}`;
}

const signalsOf = (pipelines: readonly string[]): readonly string[] => [...new Set(pipelines.map(signalOf))];

function checkExtensions({ root }: ConfigDocument, components: readonly Component[], report: Report): void {
	const path = ['service', 'extensions'];
	const listed = childMap(root, 'service')?.entries.get('extensions');
	if (listed !== undefined && isText(listed)) return;
	if (listed !== undefined && listed.kind !== 'list' && !isNull(listed)) {
		report('not-a-list', listed, 'service.extensions is a list of extension ids', path);
		return;
	}
	const items = listed?.kind === 'list' ? listed.items : [];
	const configured = components.filter(({ section }) => section === 'extensions');
	const known = new Set(configured.map(({ id }) => id));
	const enabled = new Set<string>();
	items.forEach((item, index) => {
		if (isExpansion(item)) return;
		const id = item.kind === 'scalar' ? normalId(String(item.value)) : '';
		enabled.add(id);
		if (known.has(id)) return;
		const message = `service.extensions names ${id}, which is not configured under extensions`;
		report('undefined-component', item, message, [...path, index]);
	});
	if (items.some(isExpansion)) return;
	for (const { id, key, node } of configured) {
		if (enabled.has(id)) continue;
		const message = `${id} is configured and not in service.extensions: a collector does not start it`;
		report('extension-not-enabled', node, message, ['extensions', key]);
	}
}

function checkUnused(document: ConfigDocument, components: readonly Component[], report: Report): void {
	const uses = pipelineUses(document);
	if (uses.some(({ node }) => isExpansion(node)) || hasExpandedList(document)) return;
	const used = new Set(uses.map(({ role, id }) => `${role} ${normalId(id)}`));
	for (const { section, id, key, node } of components) {
		if (section === 'extensions') continue;
		if (rolesOf(section).some((role) => used.has(`${role} ${id}`))) continue;
		report('unused-component', node, `${id} is configured under ${section} and no pipeline uses it`, [section, key]);
	}
}

const hasExpandedList = (document: ConfigDocument): boolean =>
	[...pipelinesIn(document).values()].some((pipeline) =>
		pipelineRoles.some((role) => isText(pipeline?.entries.get(role))),
	);

function checkCatalogue(
	components: readonly Component[],
	{ catalogue }: ComponentContext,
	{ root }: ConfigDocument,
	report: Report,
): void {
	if (catalogue === undefined) return;
	if (catalogue === null) {
		report('catalogue-unknown', root, 'nobody can say which components the agents have', []);
		return;
	}
	for (const { section, id, key, node } of components) {
		const type = id.split('/')[0] ?? '';
		if (catalogue[section].has(type)) continue;
		report('unknown-component-type', node, `the agents have no ${type} among their ${section}`, [section, key]);
	}
}

/** A secret in the text of a version is in the database, in every backup and on every agent's disk. */
function checkSecrets(node: ConfigNode, path: Path, secret: boolean, report: Report): void {
	if (node.kind === 'map') {
		for (const [key, value] of node.entries)
			checkSecrets(value, [...path, key], secret || holdsSecret(node, path, key), report);
	} else if (node.kind === 'list') {
		node.items.forEach((item, index) => {
			checkSecrets(item, [...path, index], secret, report);
		});
	} else if (typeof node.value === 'string') {
		const kind = secretKind(node.value, secret);
		if (kind === 'within') report('literal-secret', node, 'a password stands in this text', path);
		if (kind === 'whole') report('literal-secret', node, 'a secret stands here as it is', path);
	}
}
