import { type Agent, type AgentSummary, type AnswerOf, type InputOf, uuidShape } from '@ampora/api-contract';
import { agentCapabilities } from '@ampora/opamp';
import { ok } from '@ampora/runtime';
import type { AgentFilter, AgentRow, Repositories } from '@ampora/store';
import type { Caller } from './caller.js';
import { toComponents } from './compatibility.js';
import { instantShape, rowAfter, rowCursor } from './cursor.js';
import { notFound, type Outcome } from './errors.js';
import type { ControlDeps } from './ports.js';
import { findAnyGroup } from './references.js';
import { hideSecrets } from './secret_settings.js';
import { findVersion } from './versions.js';

type Refs = ReadonlyMap<string, string>;
const refIn = (refs: Refs, id: string | null | undefined): string | null => (id ? (refs.get(id) ?? null) : null);

function toSummary({ agent, group, assignment }: AgentRow, refs: Refs): AgentSummary {
	const connected = agent.gateway !== null;
	return {
		id: agent.id,
		instanceUid: agent.instanceUid,
		hostname: agent.hostname,
		agentType: agent.agentType,
		agentVersion: agent.agentVersion,
		group,
		connected,
		gateway: agent.gateway,
		healthy: agent.healthy,
		config: refIn(refs, assignment?.versionId),
		answer: assignment?.answer ?? null,
		lastSeenAt: (connected ? new Date() : agent.lastSeenAt).toISOString(),
		archivedAt: agent.archivedAt?.toISOString() ?? null,
	};
}

function toAssignment({ assignment }: AgentRow, refs: Refs): Agent['assignment'] {
	if (assignment === null) return null;
	const { seq, cause, answer, effective, effectiveDetail } = assignment;
	return {
		version: refIn(refs, assignment.versionId),
		seq,
		cause,
		rollout: assignment.rolloutId,
		answer,
		error: assignment.answerError,
		effective,
		effectiveDetail,
		offeredAt: assignment.offeredAt?.toISOString() ?? null,
		answeredAt: assignment.answeredAt?.toISOString() ?? null,
	};
}

type Effective = Awaited<ReturnType<Repositories['agents']['effectiveConfig']>>;
const toEffective = (effective: Effective): Agent['effectiveConfig'] =>
	effective && {
		receivedAt: effective.receivedAt.toISOString(),
		files: effective.files.map(({ name, contentType, body }) => ({
			name,
			contentType,
			body: hideSecrets(Buffer.from(body, 'base64').toString('utf8')),
		})),
	};

/** Its catalogue is that of every agent of the same build. */
async function componentsOf({ catalogues }: Repositories, { agent }: AgentRow): Promise<Agent['components']> {
	const [build] = agent.componentsHash === null ? [] : await catalogues.builds({ agentId: agent.id });
	if (!build?.hash) return null;
	return { hash: build.hash, catalogue: toComponents(build.components) };
}

async function toAgent(repositories: Repositories, row: AgentRow): Promise<Agent> {
	const { agent, assignment } = row;
	const [effective, quarantined, components, sharesIdentityWith] = await Promise.all([
		repositories.agents.effectiveConfig(agent.id),
		repositories.agents.quarantined(agent.id),
		componentsOf(repositories, row),
		repositories.agents.sharingIdentity(agent),
	]);
	const versions = [assignment?.versionId, agent.provenVersion, ...quarantined.map(({ versionId }) => versionId)];
	const refs = await repositories.configurations.versionRefs(versions.filter((id) => typeof id === 'string'));
	return {
		...toSummary(row, refs),
		earlierUids: agent.earlierUids,
		sharesIdentityWith: [...sharesIdentityWith],
		transport: agent.transport,
		disconnectReason: agent.disconnectReason,
		capabilities: agentCapabilities(BigInt(agent.capabilities)).names(),
		attributes: agent.description ?? { identifying: {}, nonIdentifying: {} },
		health: agent.health ?? null,
		applyError: assignment?.answerError ?? (agent.reportedStatus === 'failed' ? agent.reportedError : null),
		reportedStatus: agent.reportedStatus,
		reportedHash: agent.reportedHash?.length ? Buffer.from(agent.reportedHash).toString('hex') : null,
		assignment: toAssignment(row, refs),
		provenVersion: refIn(refs, agent.provenVersion),
		quarantined: quarantined.map(({ versionId, reason, at }) => ({
			version: refs.get(versionId) ?? versionId,
			reason,
			at: at.toISOString(),
		})),
		effectiveConfig: toEffective(effective),
		components,
		createdAt: agent.createdAt.toISOString(),
	};
}

const cursorShapes = { id: uuidShape, hostname: /^/, 'last-seen': instantShape } as const;

async function toFilter(repositories: Repositories, input: InputOf<'listAgents'>): Outcome<AgentFilter> {
	const { connected, healthy, version, search, archived } = input;
	let [groupId, versionId]: [string | undefined, string | undefined] = [undefined, undefined];
	if (input.group !== undefined) {
		const group = await findAnyGroup(repositories, input.group);
		if (!group.ok) return group;
		groupId = group.value.id;
	}
	if (input.config !== undefined) {
		const assigned = await findVersion(repositories, input.config);
		if (!assigned.ok) return assigned;
		versionId = assigned.value.id;
	}
	return ok({ connected, healthy, version, search, archived, groupId, versionId });
}

export const agentUseCases = ({ store }: ControlDeps) => ({
	async getFleet(): Outcome<AnswerOf<'getFleet'>> {
		const { byGroup, byVersion, ...totals } = await store.agents.counts();
		const healthUnknown = totals.agents - totals.healthy - totals.unhealthy;
		return ok({ ...totals, healthUnknown, byGroup, byVersion });
	},

	async listAgents(_: Caller, input: InputOf<'listAgents'>): Outcome<AnswerOf<'listAgents'>> {
		const after = rowAfter(input.cursor, cursorShapes[input.sort]);
		if (!after.ok) return after;
		const filter = await toFilter(store, input);
		if (!filter.ok) return filter;
		const order = { sort: input.sort, descending: input.order === 'desc' };
		const { rows, next } = await store.agents.list(filter.value, order, { limit: input.limit, after: after.value });
		const versions = rows.map(({ assignment }) => assignment?.versionId);
		const refs = await store.configurations.versionRefs(versions.filter((id) => typeof id === 'string'));
		return ok({ items: rows.map((row) => toSummary(row, refs)), nextCursor: rowCursor(next) });
	},

	async getAgent(_: Caller, { agent }: InputOf<'getAgent'>): Outcome<Agent> {
		const row = await store.agents.find(agent);
		return row === null ? notFound('agent', agent, 'ampora agents list') : ok(await toAgent(store, row));
	},
});
