import type { AgentId, GatewayId, RolloutId, VersionId } from '@ampora/runtime';
import { newId } from '@ampora/runtime';
import { cataloguesMax } from './catalogues.js';
import * as statements from './gen/sql.js';
import { settleIdentities } from './identities.js';
import { answerRank } from './offers.js';
import type {
	AgentReport,
	AnswerFact,
	CatalogueClaim,
	ConfigFile,
	ConnectedAgent,
	ConnectRequest,
	CurrentAssignment,
	FlushResult,
	GatewayLease,
	GatewayStore,
	OfferDecision,
	OfferRequest,
} from './ports.js';
import { uniqueViolation } from './repositories/drizzle.js';
import { fromHex, hex, onlyRow, type Row, repeating, type Sql } from './sql.js';
import { StoreUnavailable } from './store_unavailable.js';

const lapsed = ({ gateway, incarnation }: GatewayLease) =>
	new StoreUnavailable('lapsed', `incarnation ${incarnation} of gateway ${gateway} is over`);

interface ConnectedRow extends Row, Omit<ConnectedAgent, 'capabilities' | 'previous'> {
	readonly n: number;
	readonly capabilities: number;
	readonly previousGateway: GatewayId | null;
	readonly previousEpoch: number | null;
}

function connectedOf({ n, capabilities, previousGateway, previousEpoch, ...agent }: ConnectedRow): ConnectedAgent {
	const previous =
		previousGateway === null || previousEpoch === null
			? null
			: { gateway: previousGateway, sessionEpoch: previousEpoch };
	return { ...agent, capabilities: BigInt(capabilities), previous };
}

const connectPassesMax = 5;

/** `told`: with what the agent says of itself; that may have to be decoded first. */
function wantedRow(request: ConnectRequest, told: boolean) {
	const { identifying, nonIdentifying } = (told && request.description) || {};
	const description = identifying && { identifying, nonIdentifying };
	return { new_id: newId<AgentId>(), uid: request.instanceUid, transport: request.transport, told, description };
}

/**
 * A uid being created by somebody else, or naming an agent that another request of this call names too, takes another pass. Only
 * strangers are asked for again with what they say of themselves: most agents that connect are known.
 */
async function connectAgents(sql: Sql, lease: GatewayLease, requests: readonly ConnectRequest[]) {
	const connected: ConnectedAgent[] = new Array(requests.length);
	let waiting = requests.map((request, n) => ({ n, request }));
	for (let pass = 0; waiting.length > 0; pass += 1) {
		if (pass === connectPassesMax) throw lapsed(lease);
		const asked = waiting.map(({ n, request }) => ({ n, ...wantedRow(request, pass > 0) }));
		const rows = await repeating(() =>
			sql.query<ConnectedRow>(statements.connectAgents, [lease.gateway, lease.incarnation, toJson(asked)]),
		).catch((error: unknown) => {
			// Somebody else created an agent of this uid just now.
			if (uniqueViolation(error) !== undefined) return [];
			throw error;
		});
		if (rows.length === 0 && pass > 1) throw lapsed(lease);
		const taken = new Set<AgentId>();
		const done = new Set<number>();
		for (const row of [...rows].sort((a, b) => a.n - b.n)) {
			if (taken.has(row.agentId)) continue;
			taken.add(row.agentId);
			done.add(row.n);
			connected[row.n] = connectedOf(row);
		}
		waiting = waiting.filter(({ n }) => !done.has(n));
	}
	return connected;
}

interface ClaimRow extends Row {
	readonly agentId: AgentId;
	readonly seq: number | null;
	readonly versionId: VersionId | null;
	readonly offeredHash: Uint8Array | null;
	readonly rolloutId: RolloutId | null;
	readonly traceparent: string | null;
	readonly refused: Exclude<OfferDecision, { offer: unknown }>['refused'] | null;
}

function offerOf({ refused, agentId, seq, versionId, offeredHash, rolloutId, traceparent }: ClaimRow): OfferDecision {
	if (refused !== null || seq === null || versionId === null || offeredHash === null) {
		return { refused: refused ?? 'no-assignment', agentId, seq };
	}
	return { offer: { agentId, seq, versionId, offeredHash, rolloutId, traceparent } };
}

async function claimOffers(sql: Sql, lease: GatewayLease, requests: readonly OfferRequest[]) {
	const wanted = requests.map((request, n) => ({
		n,
		agent_id: request.agentId,
		session_epoch: request.sessionEpoch,
		reported: hex(request.reportedHash),
		offered: hex(request.alreadyOffered),
	}));
	const params = [lease.gateway, lease.incarnation, JSON.stringify(wanted)];
	const rows = await repeating(() => sql.query<ClaimRow>(statements.claimOffers, params));
	if (rows.length < requests.length) throw lapsed(lease);
	return rows.map(offerOf);
}

/** Postgres keeps no NUL in text or jsonb, and an agent may send one. */
const withoutNul = (text: string): string => text.replaceAll('\0', '\ufffd');
const toJson = (value: unknown): string =>
	JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? withoutNul(part) : part));

/** Of several answers to one assignment the furthest, that to the latest assignment first. */
function furthestAnswers(answers: readonly AnswerFact[]): readonly AnswerFact[] {
	const bySeq = new Map<number, AnswerFact>();
	for (const fact of answers) {
		const known = bySeq.get(fact.seq);
		if (known === undefined || answerRank[fact.answer] > answerRank[known.answer]) bySeq.set(fact.seq, fact);
	}
	return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

const answerRow = ({ seq, answer, error, ageMs }: AnswerFact) => ({
	...{ seq, answer, error },
	rank: answerRank[answer],
	age_ms: ageMs,
});

const storedFile = ({ name, contentType, body }: ConfigFile) => ({
	name,
	contentType,
	body: Buffer.from(body).toString('base64'),
});

/** Absent parts stay out of the JSON: they arrive as null, which means unchanged. */
function reportRow(report: AgentReport, answer: AnswerFact | undefined) {
	const { description, health, remoteConfig, effective, effectiveMatch } = report;
	return {
		agent_id: report.agentId,
		session_epoch: report.sessionEpoch,
		fact_seq: report.factSeq,
		sequence_num: report.sequenceNum,
		...(report.capabilities !== undefined && { capabilities: Number(report.capabilities) }),
		...(description && {
			description: { identifying: description.identifying, nonIdentifying: description.nonIdentifying },
			agent_type: description.agentType,
			agent_version: description.agentVersion,
			hostname: description.hostname,
		}),
		...(health && {
			healthy: health.healthy,
			health: health.tree,
			flips: health.flips,
			restarts: health.restarts,
			start_time_nanos: health.startTimeNanos,
		}),
		...(remoteConfig && {
			reported_hash: hex(remoteConfig.hash),
			reported_status: remoteConfig.status,
			reported_error: remoteConfig.error,
		}),
		...(effective && { effective_hash: hex(effective.hash), effective_files: effective.files.map(storedFile) }),
		...(report.componentsHash && { components_hash: hex(report.componentsHash) }),
		...(effectiveMatch && {
			match_seq: effectiveMatch.seq,
			match_verdict: effectiveMatch.verdict,
			match_detail: effectiveMatch.detail,
		}),
		...(answer && answerRow(answer)),
		...(report.disconnected && { disconnected: report.disconnected }),
	};
}

interface FlushRow extends Row {
	readonly live: boolean;
	readonly refused: readonly AgentId[];
	readonly touched: readonly RolloutId[];
}

async function flushReports(sql: Sql, lease: GatewayLease, reports: readonly AgentReport[]): Promise<FlushResult> {
	const rows: unknown[] = [];
	const earlier: unknown[] = [];
	for (const report of reports) {
		const [latest, ...others] = furthestAnswers(report.answers ?? []);
		rows.push(reportRow(report, latest));
		for (const other of others) earlier.push({ agent_id: report.agentId, ...answerRow(other) });
	}
	const params = [lease.gateway, lease.incarnation, toJson(rows), toJson(earlier)];
	const row = onlyRow(await repeating(() => sql.query<FlushRow>(statements.flushReports, params)));
	if (!row.live) throw lapsed(lease);
	return { refused: row.refused, touchedRollouts: row.touched };
}

async function readmitAgents(
	sql: Sql,
	lease: GatewayLease,
	sessions: readonly { agentId: AgentId; sessionEpoch: number }[],
) {
	const wanted = sessions.map(({ agentId, sessionEpoch }) => ({ agent_id: agentId, session_epoch: sessionEpoch }));
	const params = [lease.gateway, lease.incarnation, JSON.stringify(wanted)];
	const row = onlyRow(
		await repeating(() => sql.query<{ live: boolean; refused: readonly AgentId[] }>(statements.readmitAgents, params)),
	);
	if (!row.live) throw lapsed(lease);
	return { refused: row.refused };
}

interface ChangedRow extends Row {
	readonly cursor: number;
	readonly assignments: readonly (Omit<CurrentAssignment, 'offeredHash'> & { readonly offeredHash: string | null })[];
}

async function changedAssignments(sql: Sql, { gateway, incarnation }: GatewayLease, cursor: string | null) {
	const since = cursor === null ? null : Number(cursor);
	const row = onlyRow(await sql.query<ChangedRow>(statements.changedAssignments, [gateway, incarnation, since]));
	const assignments = row.assignments.map((assignment) => ({
		...assignment,
		offeredHash: assignment.offeredHash === null ? null : fromHex(assignment.offeredHash),
	}));
	return { assignments, cursor: String(row.cursor) };
}

interface VersionRow extends Row {
	readonly files: readonly { name: string; contentType: string; body: string }[];
	readonly contentHash: Uint8Array;
}

async function versionFiles(sql: Sql, versionId: VersionId) {
	const [row] = await sql.query<VersionRow>(
		'select files, content_hash as "contentHash" from configuration_version where id = $1',
		[versionId],
	);
	if (row === undefined) return null;
	const files = row.files.map(({ name, contentType, body }) => ({
		name,
		contentType,
		body: Uint8Array.from(Buffer.from(body, 'base64')),
	}));
	return { files, contentHash: row.contentHash };
}

/** What gateways ask of Postgres: one statement per call. */
export const createGatewayStore = (sql: Sql): GatewayStore => ({
	async renewGateway(gateway, incarnation, ttlMs) {
		const rows = await sql.query<{ incarnation: number }>(statements.renewGateway, [gateway, incarnation, ttlMs]);
		const current = onlyRow(rows).incarnation;
		return {
			lease: { gateway, incarnation: current, ttlMs },
			lapsed: incarnation !== null && incarnation !== current,
		};
	},
	async drainGateway({ gateway, incarnation }) {
		await sql.query('update gateway set draining = true where id = $1 and incarnation = $2', [gateway, incarnation]);
	},
	async removeGateway({ gateway, incarnation }) {
		// The row stays until nobody refers to it: the leader then marks whoever was left behind.
		await sql.query(
			'update gateway set expires_at = least(expires_at, clock_timestamp()) where id = $1 and incarnation = $2',
			[gateway, incarnation],
		);
	},
	connectAgents: (lease, requests) => connectAgents(sql, lease, requests),
	async sessionHolders(instanceUids) {
		const rows = await sql.query<{ uid: string; gateway: GatewayId }>(
			`select a.instance_uid::text as uid, a.gateway
			from agent a join gateway g on g.id = a.gateway and g.incarnation = a.gateway_incarnation
			where a.instance_uid = any($1::uuid[]) and g.expires_at > clock_timestamp() and not g.draining`,
			[instanceUids],
		);
		const holders = new Map(rows.map(({ uid, gateway }) => [uid, gateway]));
		return instanceUids.map((uid) => holders.get(uid) ?? null);
	},
	readmitAgents: (lease, sessions) => readmitAgents(sql, lease, sessions),
	async renameAgent(agentId, sessionEpoch, instanceUid) {
		await sql.query(
			`update agent set
				former_uids = array_append(array_remove(former_uids, $3::uuid), instance_uid), instance_uid = $3::uuid
			where id = $1 and session_epoch = $2 and instance_uid <> $3::uuid`,
			[agentId, sessionEpoch, instanceUid],
		);
	},
	claimOffers: (lease, requests) => claimOffers(sql, lease, requests),
	async currentAssignments(agentIds) {
		return sql.query<CurrentAssignment & Row>(
			`select agent_id as "agentId", seq, version_id as "versionId", offered_hash as "offeredHash", answer
			from assignment where agent_id = any($1::uuid[])`,
			[agentIds],
		);
	},
	changedAssignments: (lease, cursor) => changedAssignments(sql, lease, cursor),
	flushReports: (lease, reports) => flushReports(sql, lease, reports),
	settleIdentities: (lease) => settleIdentities(sql, lease),
	async claimCatalogues(sessions) {
		const wanted = sessions.map(({ agentId, sessionEpoch }) => ({ agent_id: agentId, session_epoch: sessionEpoch }));
		const params = [JSON.stringify(wanted), cataloguesMax];
		return repeating(() => sql.query<{ agentId: AgentId; claim: CatalogueClaim }>(statements.claimCatalogues, params));
	},
	async saveCatalogue({ agentId, sessionEpoch }, hash, components) {
		const params = [agentId, sessionEpoch, hex(hash), JSON.stringify(components), cataloguesMax];
		await sql.query(statements.saveCatalogue, params);
	},
	versionFiles: (versionId) => versionFiles(sql, versionId),
	async enrollmentTokenValid(tokenHash) {
		const rows = await sql.query('select from enrollment_token where token_hash = $1 and revoked_at is null', [
			tokenHash,
		]);
		return rows.length > 0;
	},
});
