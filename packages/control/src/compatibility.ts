// Which agents have the components a version needs.
import { type AnswerOf, type CatalogueAnswer, type InputOf, uuidShape } from '@ampora/api-contract';
import {
	type Compatibility,
	type ConfigDocument,
	compatibility,
	componentCatalogue,
	neededComponents,
} from '@ampora/collector-config';
import { ok } from '@ampora/runtime';
import type { BuildRow, CatalogueKey, CatalogueRow, Repositories, VersionRow } from '@ampora/store';
import type { Caller } from './caller.js';
import { textAfter, textCursor } from './cursor.js';
import { notFound, type Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';
import { findAnyGroup } from './references.js';
import { refOf } from './version_view.js';
import { documentOf, versionAt } from './versions.js';

/** Agents of one kind, and whether they have what a version needs. */
interface BuildFit {
	readonly build: BuildRow;
	readonly fit: Compatibility;
}

/** By kind of agent: a fleet has few, however many agents there are. */
export async function buildFits(
	{ catalogues }: Pick<Repositories, 'catalogues'>,
	document: ConfigDocument,
	among: { groupId?: string; agentId?: string },
): Promise<readonly BuildFit[]> {
	const builds = await catalogues.builds(among);
	return builds.map((build) => ({ build, fit: compatibility(document, componentCatalogue(build.components ?? {})) }));
}

type Input = InputOf<'getVersionCompatibility'>;

async function amongOf(store: Repositories, { group, agent }: Input): Outcome<{ groupId?: string; agentId?: string }> {
	if (agent !== undefined) {
		const found = uuidShape.test(agent) ? await store.agents.find(agent) : null;
		return found === null ? notFound('agent', agent, 'ampora agents list') : ok({ agentId: found.agent.id });
	}
	if (group === undefined) return ok({});
	const found = await findAnyGroup(store, group);
	return found.ok ? ok({ groupId: found.value.id }) : found;
}

const examplesMax = 10;
const agentsIn = (fits: readonly BuildFit[]): readonly string[] => fits.flatMap(({ build }) => build.agentIds);
const lackedBy = ({ fit }: BuildFit): readonly string[] => (fit.kind === 'lacks' ? fit.components : []);

function toAnswer(
	row: VersionRow,
	document: ConfigDocument,
	fits: readonly BuildFit[],
): AnswerOf<'getVersionCompatibility'> {
	const needs = neededComponents(document);
	const count = (kind: Compatibility['kind']) => agentsIn(fits.filter(({ fit }) => fit.kind === kind)).length;
	const missing = needs.flatMap((component) => {
		const without = agentsIn(fits.filter((one) => lackedBy(one).includes(component)));
		return without.length === 0 ? [] : [{ component, agents: without.length, examples: without.slice(0, examplesMax) }];
	});
	return {
		version: refOf(row),
		needs: [...needs],
		agents: agentsIn(fits).length,
		has: count('has'),
		lacks: count('lacks'),
		unknown: count('unknown'),
		missing,
		builds: fits.map(({ build, fit }) => ({
			distribution: build.distribution,
			version: build.version,
			hash: build.hash,
			agents: build.agentIds.length,
			fit: fit.kind,
			lacks: [...lackedBy({ build, fit })],
		})),
	};
}

/** The catalogue as it is shown; null when nobody has told what is in it. */
export function toComponents(components: BuildRow['components']): CatalogueAnswer['components'] {
	const catalogue = componentCatalogue(components ?? {});
	if (catalogue === null) return null;
	const { receivers, processors, exporters, connectors, extensions } = catalogue;
	return {
		receivers: [...receivers],
		processors: [...processors],
		exporters: [...exporters],
		connectors: [...connectors],
		extensions: [...extensions],
	};
}

const toCatalogue = ({
	distribution,
	version,
	hash,
	components,
	receivedAt,
	agents,
}: CatalogueRow): CatalogueAnswer => ({
	...{ distribution, version, hash, agents },
	receivedAt: receivedAt?.toISOString() ?? null,
	components: toComponents(components),
});

const keyShape = /^\["(?:[^"\\]|\\.)*","(?:[^"\\]|\\.)*","[0-9a-f]*"\]$/;
function keyOf(text: string): CatalogueKey {
	const [distribution, version, hash] = JSON.parse(text) as [string, string, string];
	return { distribution, version, hash };
}

export const compatibilityUseCases = ({ store }: ControlDeps) => ({
	async getVersionCompatibility(_: Caller, input: Input): Outcome<AnswerOf<'getVersionCompatibility'>> {
		const found = await versionAt(store, input);
		if (!found.ok) return found;
		const document = documentOf(found.value);
		if (!document.ok) return document;
		const among = await amongOf(store, input);
		if (!among.ok) return among;
		return ok(toAnswer(found.value, document.value, await buildFits(store, document.value, among.value)));
	},

	async listCatalogues(_: Caller, { limit, cursor }: InputOf<'listCatalogues'>): Outcome<AnswerOf<'listCatalogues'>> {
		const after = textAfter(cursor, keyShape);
		if (!after.ok) return after;
		const rows = await store.catalogues.list(limit + 1, after.value === null ? null : keyOf(after.value));
		const page = rows.slice(0, limit);
		const last = page.at(-1);
		const more = rows.length > limit && last !== undefined;
		const key = last && JSON.stringify([last.distribution, last.version, last.hash]);
		return ok({ items: page.map(toCatalogue), nextCursor: more && key !== undefined ? textCursor(key) : null });
	},
});
