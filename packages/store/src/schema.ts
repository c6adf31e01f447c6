// The tables. Postgres is the truth: whatever is not here may be lost at any moment. Columns that change often carry no index,
// so that their updates stay in the page (HOT); exceptions say why.
import type { Back, EnrolmentState, Reports, RolloutSpec, StepCounters, Target } from '@ampora/rollout';
import { sql } from 'drizzle-orm';
import {
	type AnyPgColumn,
	bigint,
	bigserial,
	boolean,
	customType,
	foreignKey,
	index,
	integer,
	jsonb,
	pgTable,
	pgView,
	primaryKey,
	text,
	timestamp,
	unique,
	uniqueIndex,
	uuid,
} from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });
const whole = (name: string) => bigint(name, { mode: 'number' });

export const agentGroup = pgTable('agent_group', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull().unique(),
	/** The one group that is no target; agents without another group are in it. */
	builtIn: boolean('built_in').notNull().default(false),
	/** Grows whenever somebody joins or leaves, so that a rollout notices without looking at its members. */
	membershipSeq: whole('membership_seq').notNull().default(0),
	/** CEL; null: a static group, whose members somebody chose. */
	selector: text('selector'),
	/** Of several dynamic groups that match, the one with the highest. */
	priority: integer('priority').notNull().default(0),
	/** Whoever starts a rollout here says that it is meant. */
	protected: boolean('protected').notNull().default(false),
	/** What is still to be done for all agents after a change: evaluate the selector, or only decide anew. Null: nothing. */
	sweep: text('sweep', { enum: ['evaluate', 'decide'] }),
	/** A change begins a new sweep; one that is under way for an older one must not end it. */
	sweepSeq: whole('sweep_seq').notNull().default(0),
	/** Agents up to this id are done. */
	sweepAfter: uuid('sweep_after'),
	/** Whom the sweep moves is not given the default of the new group by that: a planned rollout does it. */
	sweepHolds: boolean('sweep_holds').notNull().default(false),
	/** What newcomers are given; null: they keep what they run. */
	defaultVersion: uuid('default_version').references((): AnyPgColumn => configurationVersion.id),
	/** The core's `EnrolmentState`, as JSON; null: nobody was enrolled yet. Its seq lets one of two decisions commit. */
	enrolment: jsonb('enrolment').$type<EnrolmentState>(),
	enrolmentSeq: whole('enrolment_seq').notNull().default(0),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
	/** It holds nobody, finds nobody and is no target; the row stays for what happened in it, and keeps its name. */
	deletedAt: instant('deleted_at'),
});

export const configuration = pgTable('configuration', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull().unique(),
	/** Of its versions so far, deleted ones too: a number never means two things. */
	lastNumber: integer('last_number').notNull().default(0),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
});

/** Draft: files may change. Published: never again. Archived: still usable for rollback. */
export const configurationVersion = pgTable(
	'configuration_version',
	{
		id: uuid('id').primaryKey(),
		configurationId: uuid('configuration_id')
			.notNull()
			.references(() => configuration.id),
		/** 1, 2, 3 … within the configuration; given at creation. */
		number: integer('number').notNull(),
		state: text('state', { enum: ['Draft', 'Published', 'Archived'] }).notNull(),
		/** [{name, contentType, body (base64)}], in name order; bodies are byte-exact. */
		files: jsonb('files').$type<{ name: string; contentType: string; body: string }[]>().notNull(),
		/** sha256 over names, bodies and content types: what agents are offered is derived from it. */
		contentHash: bytea('content_hash').notNull(),
		/** sha256 of the meaning, the same for all ways to write it; null while the files cannot be read, and for rows older than it. */
		semanticHash: bytea('semantic_hash'),
		createdBy: text('created_by').notNull(),
		createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
		publishedAt: instant('published_at'),
	},
	(table) => [unique('configuration_version_number').on(table.configurationId, table.number)],
);

export const gateway = pgTable('gateway', {
	/** The configured name. */
	id: text('id').primaryKey(),
	/** A new one at every start and after every lapse: what an old incarnation says is not believed (D1). */
	incarnation: whole('incarnation').notNull(),
	expiresAt: instant('expires_at').notNull(),
	draining: boolean('draining').notNull().default(false),
	/** When the leader saw it expired and marked its agents. */
	lostAt: instant('lost_at'),
});

export const agent = pgTable(
	'agent',
	{
		id: uuid('id').primaryKey(),
		instanceUid: uuid('instance_uid').notNull().unique(),
		/** uids it had before: messages in flight during a rename still find it. */
		formerUids: uuid('former_uids').array().notNull().default(sql`'{}'`),
		/** Digest of the attributes that identify agents here, as `agent_identity` makes it; null: it does not tell all of them, or only uids count. */
		identity: bytea('identity'),
		/** uids under which others had this place before, oldest first, the last 20. They are nobody's now: one that comes back is looked at anew. */
		earlierUids: uuid('earlier_uids').array().notNull().default(sql`'{}'`),
		/** An older agent of the same identity whose session was not over when this one came: it takes that place should it become free soon. */
		heirOf: uuid('heir_of'),
		groupId: uuid('group_id')
			.notNull()
			.references(() => agentGroup.id),
		/** Only grows; facts and offers of an older epoch have no effect (D1). */
		sessionEpoch: whole('session_epoch').notNull().default(0),
		factSeq: whole('fact_seq').notNull().default(0),
		/** Where its session is; null when it has none. */
		gateway: text('gateway'),
		gatewayIncarnation: whole('gateway_incarnation'),
		transport: text('transport', { enum: ['websocket', 'http'] }),
		disconnectedAt: instant('disconnected_at'),
		/** `gateway-lost` and `drained` say nothing about the agent yet: after two minutes the leader makes them `lost`. */
		disconnectReason: text('disconnect_reason', { enum: ['goodbye', 'lost', 'gateway-lost', 'drained'] }),
		/** Where its last session was, while it has none. */
		lastGateway: text('last_gateway'),
		sequenceNum: whole('sequence_num'),
		capabilities: whole('capabilities').notNull().default(0),
		/** {identifying: {…}, nonIdentifying: {…}}; int64 values as decimal strings. */
		description: jsonb('description').$type<{
			identifying: Record<string, unknown>;
			nonIdentifying: Record<string, unknown>;
		}>(),
		agentType: text('agent_type'),
		agentVersion: text('agent_version'),
		hostname: text('hostname'),
		healthy: boolean('healthy'),
		health: jsonb('health'),
		healthFlips: whole('health_flips').notNull().default(0),
		startTimeNanos: text('start_time_nanos'),
		restarts: whole('restarts').notNull().default(0),
		reportedHash: bytea('reported_hash'),
		reportedStatus: text('reported_status', { enum: ['unset', 'applied', 'applying', 'failed'] }),
		reportedError: text('reported_error'),
		/** What it calls the set of components it has; with type and version the key of its catalogue. */
		componentsHash: bytea('components_hash'),
		/** The last version it answered Applied to with no Failed or Reverted since, and the one before. */
		provenVersion: uuid('proven_version'),
		previousProvenVersion: uuid('previous_proven_version'),
		/** Since when it waits for the default of its group; null: it does not. */
		enrolmentDueAt: instant('enrolment_due_at'),
		/** Not written while a session lives: a connected agent is as fresh as its gateway's lease. */
		lastSeenAt: instant('last_seen_at').notNull().default(sql`clock_timestamp()`),
		/** Away for so long that it counts no more and is nobody's member, until its next session. */
		archivedAt: instant('archived_at'),
		createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
	},
	(table) => [
		index('agent_group_members').on(table.groupId),
		// Newcomers only: few, and looked for every second.
		index('agent_enrolment_due').on(table.groupId, table.enrolmentDueAt).where(sql`enrolment_due_at is not null`),
		// Changes on connect and disconnect only: needed to find a dead gateway's agents.
		index('agent_gateway').on(table.gateway, table.gatewayIncarnation).where(sql`gateway is not null`),
		// Who vanished just now, and who has been away for long: neither search meets those that are archived.
		index('agent_away')
			.on(table.disconnectReason, table.disconnectedAt)
			.where(sql`gateway is null and archived_at is null`),
		// Those of whom nothing can be concluded yet: few, and looked for on every tick.
		index('agent_unheard').on(table.disconnectedAt).where(sql`disconnect_reason in ('gateway-lost', 'drained')`),
		// Partial: an index that every new agent enters is slow to read while it is being filled.
		index('agent_former_uids').using('gin', table.formerUids).where(sql`former_uids <> '{}'`),
		index('agent_earlier_uids').using('gin', table.earlierUids).where(sql`earlier_uids <> '{}'`),
		// Changes only when an agent becomes another one.
		index('agent_identity').on(table.identity).where(sql`identity is not null`),
		// Few, for a few minutes, and looked for by every gateway all the time.
		index('agent_heirs').on(table.gateway).where(sql`heir_of is not null`),
	],
);

export const agentEffectiveConfig = pgTable('agent_effective_config', {
	agentId: uuid('agent_id')
		.primaryKey()
		.references(() => agent.id, { onDelete: 'cascade' }),
	hash: bytea('hash').notNull(),
	/** [{name, contentType, body (base64)}] as reported. */
	files: jsonb('files').$type<{ name: string; contentType: string; body: string }[]>().notNull(),
	receivedAt: instant('received_at').notNull(),
});

/** What components the builds of agents have, as one agent of each said; those that call it the same share it. */
export const componentCatalogue = pgTable(
	'component_catalogue',
	{
		/** Agent type and version; '' where an agent says none. */
		distribution: text('distribution').notNull(),
		version: text('version').notNull(),
		hash: bytea('hash').notNull(),
		/** {receivers: [types], …}; without any type when the agent gave no details, null until one answers. */
		components: jsonb('components').$type<Record<string, string[]>>(),
		receivedAt: instant('received_at'),
		/** The session that was asked last, and how often anybody was. */
		askedAgent: uuid('asked_agent'),
		askedEpoch: whole('asked_epoch'),
		askedAt: instant('asked_at'),
		asks: integer('asks').notNull().default(0),
	},
	(table) => [primaryKey({ columns: [table.distribution, table.version, table.hash] })],
);

/** What an agent should run now. The one choke point: gateways read it before every offer, and only the engine's decisions and default rules write it. */
export const assignment = pgTable(
	'assignment',
	{
		agentId: uuid('agent_id')
			.primaryKey()
			.references(() => agent.id, { onDelete: 'cascade' }),
		/** Null: nothing is wanted any more; the row stays so that seq never goes back (D3). */
		versionId: uuid('version_id').references(() => configurationVersion.id),
		/** H(content hash, attempt): an explicit retry is a new offer. */
		offeredHash: bytea('offered_hash'),
		attempt: integer('attempt').notNull().default(0),
		seq: whole('seq').notNull(),
		cause: text('cause', { enum: ['rollout', 'retry', 'restore', 'rollback', 'withdrawal', 'default'] }).notNull(),
		rolloutId: uuid('rollout_id'),
		/** Only moves up while seq stays (R16). `offered` is written before the frame goes to the socket. */
		answer: text('answer', { enum: ['none', 'offered', 'applying', 'applied', 'failed', 'reverted'] })
			.notNull()
			.default('none'),
		answerError: text('answer_error'),
		offeredAt: instant('offered_at'),
		/** The session it was last offered in. */
		offeredEpoch: whole('offered_epoch'),
		answeredAt: instant('answered_at'),
		/** By meaning, on an effective config that came after this assignment was offered. */
		effective: text('effective', { enum: ['unknown', 'match', 'mismatch'] })
			.notNull()
			.default('unknown'),
		effectiveDetail: text('effective_detail'),
		/** When the wanted state changed; gateways read what is newer than their cursor. */
		changedAt: instant('changed_at').notNull().default(sql`clock_timestamp()`),
		traceparent: text('traceparent'),
	},
	(table) => [index('assignment_changed').on(table.changedAt)],
);

/** What the selectors found when they last looked at an agent. Apart from the agent, whose row its gateway writes. */
export const agentSelection = pgTable('agent_selection', {
	agentId: uuid('agent_id')
		.primaryKey()
		.references(() => agent.id, { onDelete: 'cascade' }),
	/** Groups whose selector matches. */
	matches: uuid('matches').array().notNull().default(sql`'{}'`),
	/** Message by group, of those whose selector errors. */
	errors: jsonb('errors').$type<Record<string, string>>().notNull().default({}),
});

/** Agents that selectors have to look at again, in order; a row goes when that was done. */
export const selectorWork = pgTable('selector_work', {
	id: bigserial('id', { mode: 'number' }).primaryKey(),
	agentId: uuid('agent_id').notNull(),
	/** `attribute:<name>`, `type`, `version`, `capabilities`, `components`. Null: everything. Empty: decide only. */
	changed: text('changed').array(),
});

/** Agents that were given the default of their group and are being watched with it. */
export const enrolment = pgTable(
	'enrolment',
	{
		agentId: uuid('agent_id')
			.primaryKey()
			.references(() => agent.id, { onDelete: 'cascade' }),
		groupId: uuid('group_id')
			.notNull()
			.references(() => agentGroup.id, { onDelete: 'cascade' }),
		/** As in a rollout. */
		target: jsonb('target').$type<Target>().notNull(),
		/** It was found well once. */
		well: boolean('well').notNull(),
		/** What the assignment said before: where a withdrawal returns to. */
		formerVersion: uuid('former_version'),
		formerAttempt: integer('former_attempt').notNull().default(0),
		formerAnswer: text('former_answer').notNull().default('none'),
	},
	(table) => [index('enrolment_group').on(table.groupId)],
);

export const quarantine = pgTable(
	'quarantine',
	{
		agentId: uuid('agent_id')
			.notNull()
			.references(() => agent.id, { onDelete: 'cascade' }),
		versionId: uuid('version_id').notNull(),
		reason: text('reason').notNull(),
		at: instant('at').notNull().default(sql`clock_timestamp()`),
	},
	(table) => [primaryKey({ columns: [table.agentId, table.versionId] })],
);

export const rollout = pgTable(
	'rollout',
	{
		id: uuid('id').primaryKey(),
		groupId: uuid('group_id')
			.notNull()
			.references(() => agentGroup.id),
		versionId: uuid('version_id')
			.notNull()
			.references(() => configurationVersion.id),
		spec: jsonb('spec').$type<RolloutSpec>().notNull(),
		state: text('state').notNull(),
		/** May assignments of this rollout be offered: `open`, only to agents that answered applied, or `closed`. */
		offers: text('offers', { enum: ['open', 'answered', 'closed'] })
			.notNull()
			.default('closed'),
		/** About which of its agents news still matter; see `watched_target`. */
		watching: text('watching', { enum: ['all', 'unsettled', 'none'] })
			.notNull()
			.default('all'),
		/** The rest of the core's `Rollout`, as JSON. */
		machine: jsonb('machine').notNull(),
		/** Journal seq of the last committed decision (R2). */
		seq: whole('seq').notNull().default(0),
		/** membership_seq of the group when its members were last looked at. */
		membershipSeq: whole('membership_seq').notNull().default(-1),
		nextWakeAt: instant('next_wake_at'),
		waitsFor: text('waits_for'),
		rollbackOf: uuid('rollback_of'),
		rolledBackBy: uuid('rolled_back_by'),
		/** Only these agents of the group (a retry, or a rollback of an ended rollout); null: all members. */
		onlyAgents: uuid('only_agents').array(),
		/** Once it has completed, newcomers of the group are given its version, whatever the default was: kept here, for its undoing. */
		setsDefault: boolean('sets_default').notNull().default(false),
		defaultBefore: uuid('default_before'),
		createdBy: text('created_by').notNull(),
		createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
		startedAt: instant('started_at'),
		endedAt: instant('ended_at'),
		idempotencyKey: text('idempotency_key'),
		traceparent: text('traceparent'),
	},
	(table) => [
		// At most one rollout that has not ended per group, and one that waits for its end (R15).
		uniqueIndex('rollout_one_active_per_group')
			.on(table.groupId)
			.where(sql`state in ('PendingApproval', 'Pending', 'InProgress', 'Paused', 'RollingBack')`),
		uniqueIndex('rollout_one_queued_per_group').on(table.groupId).where(sql`state = 'Queued'`),
		index('rollout_wake').on(table.nextWakeAt).where(sql`next_wake_at is not null`),
		uniqueIndex('rollout_idempotency').on(table.createdBy, table.idempotencyKey),
		index('rollout_created').on(table.createdAt),
		index('rollout_group').on(table.groupId, table.createdAt),
	],
);

/** When changes are allowed, every week; see `ChangeWindow` of the rollout core. */
export const changeWindow = pgTable('change_window', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull().unique(),
	/** Null: all groups. */
	groupIds: uuid('group_ids').array(),
	days: text('days').array().notNull(),
	/** Local times, `HH:MM`. */
	fromTime: text('from_time').notNull(),
	toTime: text('to_time').notNull(),
	timeZone: text('time_zone').notNull(),
	createdBy: text('created_by').notNull(),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
});

/** When nothing changes, whatever the windows say. */
export const freeze = pgTable('change_freeze', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull().unique(),
	reason: text('reason').notNull(),
	/** Null: all groups. */
	groupIds: uuid('group_ids').array(),
	fromAt: instant('from_at').notNull(),
	untilAt: instant('until_at').notNull(),
	createdBy: text('created_by').notNull(),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
});

/** What a rollout would do, as somebody looked at it. Kept for a day. */
export const rolloutPlan = pgTable(
	'rollout_plan',
	{
		id: uuid('id').primaryKey(),
		groupId: uuid('group_id')
			.notNull()
			.references(() => agentGroup.id, { onDelete: 'cascade' }),
		versionId: uuid('version_id')
			.notNull()
			.references(() => configurationVersion.id, { onDelete: 'cascade' }),
		spec: jsonb('spec').$type<RolloutSpec>().notNull(),
		/** sha256 of the terms, hex. */
		digest: text('digest').notNull(),
		/** What it binds to besides the spec, and what was foreseen, agents left out. */
		content: jsonb('content').notNull(),
		/** Agents to be pushed: step by step, in order, those without a session last in their step. After them those left out. */
		agentIds: uuid('agent_ids').array().notNull(),
		/** What is known of each of them: its index in the notes of the content. */
		agentNotes: integer('agent_notes').array().notNull().default([]),
		createdBy: text('created_by').notNull(),
		createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
	},
	(table) => [index('rollout_plan_created').on(table.createdAt)],
);

export const rolloutStep = pgTable(
	'rollout_step',
	{
		rolloutId: uuid('rollout_id')
			.notNull()
			.references(() => rollout.id, { onDelete: 'cascade' }),
		index: integer('index').notNull(),
		/** The core's `Step`, as JSON (counters among it). */
		machine: jsonb('machine').notNull(),
		counters: jsonb('counters').$type<StepCounters>().notNull(),
	},
	(table) => [primaryKey({ columns: [table.rolloutId, table.index] })],
);

export const rolloutTarget = pgTable(
	'rollout_target',
	{
		rolloutId: uuid('rollout_id').notNull(),
		agentId: uuid('agent_id').notNull(),
		rank: integer('rank').notNull(),
		step: integer('step'),
		state: text('state').notNull(),
		reason: text('reason'),
		error: text('error'),
		reports: jsonb('reports').$type<Reports>().notNull(),
		sickBefore: boolean('sick_before').notNull(),
		previousVersion: uuid('previous_version'),
		seq: whole('seq'),
		attempt: integer('attempt').notNull().default(0),
		/** What the assignment said before admission: where a withdrawal returns to. */
		formerVersion: uuid('former_version'),
		formerAttempt: integer('former_attempt').notNull().default(0),
		formerAnswer: text('former_answer').notNull().default('none'),
		/** The core's timers and marks: dispatches, dispatchAt, pushedAt, waitedMs, …, against, judged. */
		watch: jsonb('watch').notNull(),
		back: jsonb('back').$type<Back>(),
		/** On the rollout's observed clock, ms. */
		wakeAt: whole('wake_at'),
		/** An answer that arrived after the assignment had moved on (R16). */
		lateAnswer: text('late_answer'),
		lateError: text('late_error'),
		admittedAt: instant('admitted_at'),
		answeredAt: instant('answered_at'),
	},
	(table) => [
		primaryKey({ columns: [table.rolloutId, table.agentId] }),
		foreignKey({ columns: [table.rolloutId], foreignColumns: [rollout.id] }).onDelete('cascade'),
		index('rollout_target_agent').on(table.agentId),
		index('rollout_target_order').on(table.rolloutId, table.state, table.rank),
		index('rollout_target_wake').on(table.rolloutId, table.wakeAt).where(sql`wake_at is not null`),
		// Admitted, and not yet seen to be offered: what a withdrawal looks through.
		index('rollout_target_unsent').on(table.rolloutId).where(sql`seq is not null and state in ('Pending', 'Deferred')`),
		index('rollout_target_back').on(table.rolloutId).where(sql`back ->> 'state' = 'todo'`),
	],
);

/** Targets whose rollout wants to hear of them: all until it ends and while its tail is open, then those that may still come to another verdict. */
export const watchedTarget = pgView('watched_target', {
	rolloutId: uuid('rollout_id').notNull(),
	agentId: uuid('agent_id').notNull(),
}).as(
	sql`select t.rollout_id, t.agent_id from rollout_target t join rollout r on r.id = t.rollout_id
where r.watching = 'all' or r.watching = 'unsettled' and (
	t.state in ('Pending', 'Applying', 'TimedOut', 'Disconnected') or t.back ->> 'state' in ('assigned', 'listed')
)`,
);

/** Something about this agent changed that this rollout has not folded yet. Appended by whoever changed it, deleted by the decision that folded it. */
export const targetSignal = pgTable(
	'target_signal',
	{
		id: bigserial('id', { mode: 'number' }).primaryKey(),
		rolloutId: uuid('rollout_id').notNull(),
		agentId: uuid('agent_id').notNull(),
	},
	(table) => [index('target_signal_rollout').on(table.rolloutId, table.id)],
);

export const rolloutCommand = pgTable(
	'rollout_command',
	{
		id: uuid('id').primaryKey(),
		rolloutId: uuid('rollout_id')
			.notNull()
			.references(() => rollout.id, { onDelete: 'cascade' }),
		kind: text('kind').notNull(),
		args: jsonb('args').notNull(),
		actor: text('actor').notNull(),
		idempotencyKey: text('idempotency_key'),
		createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
		decidedAt: instant('decided_at'),
		accepted: boolean('accepted'),
		code: text('code'),
		message: text('message'),
		traceparent: text('traceparent'),
	},
	(table) => [
		index('rollout_command_open').on(table.rolloutId, table.createdAt).where(sql`decided_at is null`),
		// A command repeated with its key changes nothing (R11).
		uniqueIndex('rollout_command_idempotency').on(table.rolloutId, table.actor, table.idempotencyKey),
	],
);

/** The journal: one row per decision, with all that a replay needs. */
export const rolloutEvent = pgTable(
	'rollout_event',
	{
		rolloutId: uuid('rollout_id')
			.notNull()
			.references(() => rollout.id, { onDelete: 'cascade' }),
		seq: whole('seq').notNull(),
		epoch: whole('epoch').notNull(),
		at: instant('at').notNull().default(sql`clock_timestamp()`),
		/** The decision's inputs: now, commands, facts, environment. */
		input: jsonb('input').notNull(),
		/** What people are told of it. */
		events: jsonb('events').notNull(),
		/** sha256 of the decision in canonical form (R3). */
		digest: bytea('digest').notNull(),
	},
	(table) => [primaryKey({ columns: [table.rolloutId, table.seq] })],
);

export const leaderLease = pgTable('leader_lease', {
	name: text('name').primaryKey(),
	holder: text('holder').notNull(),
	epoch: whole('epoch').notNull(),
	expiresAt: instant('expires_at').notNull(),
});

export const auditEvent = pgTable(
	'audit_event',
	{
		id: bigserial('id', { mode: 'number' }).primaryKey(),
		at: instant('at').notNull().default(sql`clock_timestamp()`),
		actor: text('actor').notNull(),
		role: text('role').notNull(),
		/** `Rollout.Started`, `Rollout.Paused`, … */
		action: text('action').notNull(),
		entityType: text('entity_type').notNull(),
		entityId: text('entity_id').notNull(),
		before: jsonb('before'),
		after: jsonb('after'),
		sourceAddress: text('source_address'),
		traceId: text('trace_id'),
	},
	(table) => [index('audit_event_entity').on(table.entityType, table.entityId, table.id)],
);

/** For people and services. The token itself is shown once and kept only as its sha256. */
export const apiToken = pgTable('api_token', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull(),
	role: text('role', { enum: ['Viewer', 'Operator', 'Admin'] }).notNull(),
	tokenHash: bytea('token_hash').notNull().unique(),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
	revokedAt: instant('revoked_at'),
});

/** For agents. */
export const enrollmentToken = pgTable('enrollment_token', {
	id: uuid('id').primaryKey(),
	name: text('name').notNull(),
	tokenHash: bytea('token_hash').notNull().unique(),
	createdAt: instant('created_at').notNull().default(sql`clock_timestamp()`),
	revokedAt: instant('revoked_at'),
});

export const setting = pgTable('setting', {
	name: text('name').primaryKey(),
	value: jsonb('value').notNull(),
});
