import {
	type AgentId,
	type ConfigurationId,
	type GroupId,
	newId,
	type RolloutId,
	type VersionId,
} from '@ampora/runtime';
import { cataloguesMax } from '../catalogues.js';
import { identitySetting } from '../identities.js';
import { machineOf, type TargetColumns, targetOf } from '../rollout_rows.js';
import { hex, onlyRow, type Row, type Sql } from '../sql.js';
import { contentOf } from './memory_world.js';
import type { StoreWorld, WorldAgent, WorldAssignment } from './world.js';

type TargetRow = Row & TargetColumns & { readonly lateAnswer: string | null; readonly lateError: string | null };

const writes = (sql: Sql) => ({
	async createGroup() {
		const id = newId<GroupId>();
		await sql.query('insert into agent_group (id, name) values ($1::uuid, $1::uuid::text)', [id]);
		return id;
	},
	async setSelector(groupId: GroupId, selector: string | null, priority: number) {
		await sql.query(
			`update agent_group set selector = $2::text, priority = $3, sweep_seq = sweep_seq + 1, sweep_after = null,
				sweep = case
					when $2::text is null then null when selector is distinct from $2::text or sweep = 'evaluate' then 'evaluate'
					else 'decide'
				end
			where id = $1`,
			[groupId, selector, priority],
		);
	},
	async deleteGroup(groupId: GroupId) {
		await sql.query('update agent_group set deleted_at = clock_timestamp() where id = $1', [groupId]);
	},
	async setDefault(groupId: GroupId, versionId: VersionId | null, holds = false) {
		const params = [groupId, versionId, holds];
		await sql.query('update agent_group set default_version = $2, sweep_holds = $3 where id = $1', params);
	},
	async awaitDefault(agentIds: readonly AgentId[]) {
		await sql.query('update agent set enrolment_due_at = clock_timestamp() where id = any($1::uuid[])', [agentIds]);
	},
	async protectGroup(groupId: GroupId) {
		await sql.query('update agent_group set protected = true where id = $1', [groupId]);
	},
	async publish(text: string, meaning?: string) {
		const id = newId<VersionId>();
		const configurationId = newId<ConfigurationId>();
		const { files, contentHash, semanticHash } = contentOf(text, meaning);
		const stored = files.map((file) => ({ ...file, body: Buffer.from(file.body).toString('base64') }));
		await sql.query('insert into configuration (id, name) values ($1::uuid, $1::uuid::text)', [configurationId]);
		await sql.query(
			`insert into configuration_version (id, configuration_id, number, state, files, content_hash, semantic_hash, created_by)
			values ($1, $2, 1, 'Published', $3::jsonb, $4::text::bytea, $5::text::bytea, 'test')`,
			[id, configurationId, JSON.stringify(stored), hex(contentHash), semanticHash && hex(semanticHash)],
		);
		return id;
	},
	async move(agentIds: readonly AgentId[], groupId: GroupId) {
		await sql.query(
			`with moved as (update agent set group_id = $2 where id = any($1::uuid[]))
			update agent_group set membership_seq = membership_seq + 1
			where id = $2 or id in (select group_id from agent where id = any($1::uuid[]))`,
			[agentIds, groupId],
		);
	},
	async createRollout(rollout: Parameters<typeof machineOf>[0], onlyAgents?: readonly AgentId[]) {
		await sql.query(
			`insert into rollout (
				id, group_id, version_id, spec, state, machine, seq, created_at, started_at, rollback_of, only_agents, created_by
			) values ($1, $2, $3, $4::jsonb, $5, $6::jsonb, $7, to_timestamp($8::float8 / 1000), to_timestamp($9::float8 / 1000), $10, $11, 'test')`,
			[
				...[rollout.id, rollout.groupId, rollout.versionId, JSON.stringify(rollout.spec), rollout.state],
				...[JSON.stringify(machineOf(rollout)), rollout.seq, rollout.createdAtMs, rollout.startedAtMs],
				...[rollout.rollbackOf, onlyAgents ?? null],
			],
		);
	},
	async command(rolloutId: RolloutId, { id, kind, actor, ...args }: Parameters<StoreWorld['command']>[1]) {
		await sql.query(
			'insert into rollout_command (id, rollout_id, kind, actor, args) values ($1, $2, $3, $4, $5::jsonb)',
			[id, rolloutId, kind, actor, JSON.stringify(args)],
		);
	},
	async addWindow(...[window, groupIds]: Parameters<StoreWorld['addWindow']>) {
		await sql.query(
			`insert into change_window (id, name, group_ids, days, from_time, to_time, time_zone, created_by)
			values ($1, $2, $3, $4, $5, $6, $7, 'test')`,
			[newId(), window.name, groupIds, window.days, window.from, window.to, window.timeZone],
		);
	},
	async addFreeze(...[freeze, groupIds]: Parameters<StoreWorld['addFreeze']>) {
		await sql.query(
			`insert into change_freeze (id, name, group_ids, reason, from_at, until_at, created_by)
			values ($1, $2, $3, $4, to_timestamp($5::float8 / 1000), to_timestamp($6::float8 / 1000), 'test')`,
			[newId(), freeze.name, groupIds, freeze.reason, freeze.fromMs, freeze.untilMs],
		);
	},
	async identifyBy(attributes: readonly string[]) {
		await sql.query(
			`insert into setting (name, value) values ($1, $2::jsonb) on conflict (name) do update set value = excluded.value`,
			[identitySetting, JSON.stringify({ attributes, sweep: { after: null } })],
		);
	},
	async ageAgent(agentId: AgentId, ms: number) {
		await sql.query(`update agent set created_at = created_at - $2::float8 * interval '1 millisecond' where id = $1`, [
			...[agentId, ms],
		]);
	},
	async allowEnrollment(tokenHash: Uint8Array) {
		const params = [newId(), hex(tokenHash)];
		await sql.query(`insert into enrollment_token (id, name, token_hash) values ($1, 'test', $2::text::bytea)`, params);
	},
});

const reads = (sql: Sql) => ({
	async agent(agentId: AgentId) {
		return onlyRow(
			await sql.query<WorldAgent & Row>(
				`select session_epoch as "sessionEpoch", gateway, disconnect_reason as "disconnectReason",
					sequence_num as "sequenceNum", healthy, health_flips as "healthFlips", proven_version as "provenVersion",
					previous_proven_version as "previousProvenVersion", archived_at is not null as archived
				from agent where id = $1`,
				[agentId],
			),
		);
	},
	async awaitingDefault(agentIds: readonly AgentId[]) {
		const rows = await sql.query<{ id: AgentId }>(
			'select id from agent where id = any($1::uuid[]) and enrolment_due_at is not null order by id',
			[agentIds],
		);
		return rows.map(({ id }) => id);
	},
	async defaultOf(groupId: GroupId) {
		const rows = await sql.query<{ id: VersionId | null }>(
			'select default_version as id from agent_group where id = $1',
			[groupId],
		);
		return onlyRow(rows).id;
	},
	async identity(agentId: AgentId) {
		const [row] = await sql.query<{ earlierUids: readonly string[]; heirOf: AgentId | null }>(
			'select earlier_uids as "earlierUids", heir_of as "heirOf" from agent where id = $1',
			[agentId],
		);
		return row ?? null;
	},
	async membership(agentId: AgentId) {
		return onlyRow(await sql.query<{ id: GroupId }>('select group_id as id from agent where id = $1', [agentId])).id;
	},
	async membershipSeq(groupId: GroupId) {
		const rows = await sql.query<{ seq: number }>('select membership_seq as seq from agent_group where id = $1', [
			groupId,
		]);
		return onlyRow(rows).seq;
	},
	async assignment(agentId: AgentId) {
		const [row] = await sql.query<WorldAssignment & Row>(
			`select agent_id as "agentId", seq, version_id as "versionId", offered_hash as "offeredHash", attempt, cause,
				rollout_id as "rolloutId", answer, answer_error as error, effective
			from assignment where agent_id = $1`,
			[agentId],
		);
		return row ?? null;
	},
	async target(rolloutId: RolloutId, agentId: AgentId) {
		const [row] = await sql.query<TargetRow>(
			`select agent_id as "agentId", rank, step, state, reason, error, reports, sick_before as "sickBefore",
				previous_version as "previousVersion", seq, attempt, watch, back, wake_at as "wakeAt",
				late_answer as "lateAnswer", late_error as "lateError"
			from rollout_target where rollout_id = $1 and agent_id = $2`,
			[rolloutId, agentId],
		);
		return row ? { target: targetOf(row), lateAnswer: row.lateAnswer, lateError: row.lateError } : null;
	},
	async rollout(rolloutId: RolloutId) {
		return onlyRow(
			await sql.query<Row & { state: string; seq: number; offers: string; rolledBackBy: RolloutId | null }>(
				'select state, seq, offers, rolled_back_by as "rolledBackBy" from rollout where id = $1',
				[rolloutId],
			),
		);
	},
	async inFlight(rolloutId: RolloutId) {
		const rows = await sql.query<{ n: number }>(
			`select (counters ->> 'inFlight')::int as n from rollout_step where rollout_id = $1 order by index`,
			[rolloutId],
		);
		return rows.map(({ n }) => n);
	},
	journal: (rolloutId: RolloutId) =>
		sql.query<{ seq: number; epoch: number }>(
			'select seq, epoch from rollout_event where rollout_id = $1 order by seq',
			[rolloutId],
		),
	async signals(rolloutId: RolloutId) {
		const rows = await sql.query<{ id: AgentId }>(
			'select agent_id as id from target_signal where rollout_id = $1 order by target_signal.id',
			[rolloutId],
		);
		return rows.map(({ id }) => id);
	},
	async outcome(commandId: string) {
		const [row] = await sql.query<{ accepted: boolean; code: string | null }>(
			'select accepted, code from rollout_command where id = $1 and decided_at is not null',
			[commandId],
		);
		return row ?? null;
	},
	audit: () => sql.query<{ actor: string; action: string }>('select actor, action from audit_event order by id'),
	async quarantined(agentId: AgentId, versionId: VersionId) {
		const params = [agentId, versionId];
		return (await sql.query('select from quarantine where agent_id = $1 and version_id = $2', params)).length > 0;
	},
});

export const postgresWorld = (sql: Sql): StoreWorld => ({
	...writes(sql),
	...reads(sql),
	async ageCatalogueAsks(ms) {
		await sql.query(`update component_catalogue set asked_at = asked_at - $1::float8 * interval '1 millisecond'`, [ms]);
	},
	async fillCatalogues() {
		await sql.query(
			`insert into component_catalogue (distribution, version, hash, components)
			select n::text, '', 'gone', '{}' from generate_series(1, $1::int) n`,
			[cataloguesMax],
		);
	},
	async expireLease(name) {
		await sql.query('update leader_lease set expires_at = clock_timestamp() where name = $1', [name]);
	},
	async expireGateway(gateway) {
		await sql.query('update gateway set expires_at = clock_timestamp() where id = $1', [gateway]);
	},
	async ageDisconnect(agentId, ms) {
		await sql.query(
			`update agent set disconnected_at = disconnected_at - $2::float8 * interval '1 millisecond' where id = $1`,
			[agentId, ms],
		);
	},
});
