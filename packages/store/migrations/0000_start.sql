CREATE TABLE "agent" (
	"id" uuid PRIMARY KEY NOT NULL,
	"instance_uid" uuid NOT NULL,
	"former_uids" uuid[] DEFAULT '{}' NOT NULL,
	"group_id" uuid NOT NULL,
	"session_epoch" bigint DEFAULT 0 NOT NULL,
	"fact_seq" bigint DEFAULT 0 NOT NULL,
	"gateway" text,
	"gateway_incarnation" bigint,
	"transport" text,
	"disconnected_at" timestamp with time zone,
	"disconnect_reason" text,
	"last_gateway" text,
	"sequence_num" bigint,
	"capabilities" bigint DEFAULT 0 NOT NULL,
	"description" jsonb,
	"agent_type" text,
	"agent_version" text,
	"hostname" text,
	"healthy" boolean,
	"health" jsonb,
	"health_flips" bigint DEFAULT 0 NOT NULL,
	"start_time_nanos" text,
	"restarts" bigint DEFAULT 0 NOT NULL,
	"reported_hash" "bytea",
	"reported_status" text,
	"reported_error" text,
	"proven_version" uuid,
	"previous_proven_version" uuid,
	"last_seen_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_instance_uid_unique" UNIQUE("instance_uid")
);
--> statement-breakpoint
CREATE TABLE "agent_effective_config" (
	"agent_id" uuid PRIMARY KEY NOT NULL,
	"hash" "bytea" NOT NULL,
	"files" jsonb NOT NULL,
	"received_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "agent_group" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"built_in" boolean DEFAULT false NOT NULL,
	"membership_seq" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "agent_group_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "api_token" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "api_token_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "assignment" (
	"agent_id" uuid PRIMARY KEY NOT NULL,
	"version_id" uuid,
	"offered_hash" "bytea",
	"attempt" integer DEFAULT 0 NOT NULL,
	"seq" bigint NOT NULL,
	"cause" text NOT NULL,
	"rollout_id" uuid,
	"answer" text DEFAULT 'none' NOT NULL,
	"answer_error" text,
	"offered_at" timestamp with time zone,
	"answered_at" timestamp with time zone,
	"effective" text DEFAULT 'unknown' NOT NULL,
	"effective_detail" text,
	"changed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"traceparent" text
);
--> statement-breakpoint
CREATE TABLE "audit_event" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"actor" text NOT NULL,
	"role" text NOT NULL,
	"action" text NOT NULL,
	"entity_type" text NOT NULL,
	"entity_id" text NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"source_address" text,
	"trace_id" text
);
--> statement-breakpoint
CREATE TABLE "configuration" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "configuration_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "configuration_version" (
	"id" uuid PRIMARY KEY NOT NULL,
	"configuration_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"state" text NOT NULL,
	"files" jsonb NOT NULL,
	"content_hash" "bytea" NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"published_at" timestamp with time zone,
	CONSTRAINT "configuration_version_number" UNIQUE("configuration_id","number")
);
--> statement-breakpoint
CREATE TABLE "enrollment_token" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "enrollment_token_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "gateway" (
	"id" text PRIMARY KEY NOT NULL,
	"incarnation" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"draining" boolean DEFAULT false NOT NULL,
	"lost_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "leader_lease" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" text NOT NULL,
	"epoch" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "quarantine" (
	"agent_id" uuid NOT NULL,
	"version_id" uuid NOT NULL,
	"reason" text NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "quarantine_agent_id_version_id_pk" PRIMARY KEY("agent_id","version_id")
);
--> statement-breakpoint
CREATE TABLE "rollout" (
	"id" uuid PRIMARY KEY NOT NULL,
	"group_id" uuid NOT NULL,
	"version_id" uuid NOT NULL,
	"spec" jsonb NOT NULL,
	"state" text NOT NULL,
	"offers" text DEFAULT 'closed' NOT NULL,
	"watching" text DEFAULT 'all' NOT NULL,
	"machine" jsonb NOT NULL,
	"seq" bigint DEFAULT 0 NOT NULL,
	"membership_seq" bigint DEFAULT -1 NOT NULL,
	"next_wake_at" timestamp with time zone,
	"waits_for" text,
	"rollback_of" uuid,
	"rolled_back_by" uuid,
	"only_agents" uuid[],
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"idempotency_key" text,
	"traceparent" text
);
--> statement-breakpoint
CREATE TABLE "rollout_command" (
	"id" uuid PRIMARY KEY NOT NULL,
	"rollout_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"args" jsonb NOT NULL,
	"actor" text NOT NULL,
	"idempotency_key" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"decided_at" timestamp with time zone,
	"accepted" boolean,
	"code" text,
	"message" text,
	"traceparent" text
);
--> statement-breakpoint
CREATE TABLE "rollout_event" (
	"rollout_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"epoch" bigint NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"input" jsonb NOT NULL,
	"events" jsonb NOT NULL,
	"digest" "bytea" NOT NULL,
	CONSTRAINT "rollout_event_rollout_id_seq_pk" PRIMARY KEY("rollout_id","seq")
);
--> statement-breakpoint
CREATE TABLE "rollout_step" (
	"rollout_id" uuid NOT NULL,
	"index" integer NOT NULL,
	"machine" jsonb NOT NULL,
	"counters" jsonb NOT NULL,
	CONSTRAINT "rollout_step_rollout_id_index_pk" PRIMARY KEY("rollout_id","index")
);
--> statement-breakpoint
CREATE TABLE "rollout_target" (
	"rollout_id" uuid NOT NULL,
	"agent_id" uuid NOT NULL,
	"rank" integer NOT NULL,
	"step" integer,
	"state" text NOT NULL,
	"reason" text,
	"error" text,
	"reports" jsonb NOT NULL,
	"sick_before" boolean NOT NULL,
	"previous_version" uuid,
	"seq" bigint,
	"attempt" integer DEFAULT 0 NOT NULL,
	"former_version" uuid,
	"former_attempt" integer DEFAULT 0 NOT NULL,
	"former_answer" text DEFAULT 'none' NOT NULL,
	"watch" jsonb NOT NULL,
	"back" jsonb,
	"wake_at" bigint,
	"late_answer" text,
	"late_error" text,
	"admitted_at" timestamp with time zone,
	"answered_at" timestamp with time zone,
	CONSTRAINT "rollout_target_rollout_id_agent_id_pk" PRIMARY KEY("rollout_id","agent_id")
);
--> statement-breakpoint
CREATE TABLE "setting" (
	"name" text PRIMARY KEY NOT NULL,
	"value" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "target_signal" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"rollout_id" uuid NOT NULL,
	"agent_id" uuid NOT NULL
);
--> statement-breakpoint
ALTER TABLE "agent" ADD CONSTRAINT "agent_group_id_agent_group_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."agent_group"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "agent_effective_config" ADD CONSTRAINT "agent_effective_config_agent_id_agent_id_fk" FOREIGN KEY ("agent_id") REFERENCES "public"."agent"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_agent_id_agent_id_fk" FOREIGN KEY ("agent_id") REFERENCES "public"."agent"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "assignment" ADD CONSTRAINT "assignment_version_id_configuration_version_id_fk" FOREIGN KEY ("version_id") REFERENCES "public"."configuration_version"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "configuration_version" ADD CONSTRAINT "configuration_version_configuration_id_configuration_id_fk" FOREIGN KEY ("configuration_id") REFERENCES "public"."configuration"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "quarantine" ADD CONSTRAINT "quarantine_agent_id_agent_id_fk" FOREIGN KEY ("agent_id") REFERENCES "public"."agent"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout" ADD CONSTRAINT "rollout_group_id_agent_group_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."agent_group"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout" ADD CONSTRAINT "rollout_version_id_configuration_version_id_fk" FOREIGN KEY ("version_id") REFERENCES "public"."configuration_version"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout_command" ADD CONSTRAINT "rollout_command_rollout_id_rollout_id_fk" FOREIGN KEY ("rollout_id") REFERENCES "public"."rollout"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout_event" ADD CONSTRAINT "rollout_event_rollout_id_rollout_id_fk" FOREIGN KEY ("rollout_id") REFERENCES "public"."rollout"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout_step" ADD CONSTRAINT "rollout_step_rollout_id_rollout_id_fk" FOREIGN KEY ("rollout_id") REFERENCES "public"."rollout"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout_target" ADD CONSTRAINT "rollout_target_rollout_id_rollout_id_fk" FOREIGN KEY ("rollout_id") REFERENCES "public"."rollout"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_group_members" ON "agent" USING btree ("group_id");--> statement-breakpoint
CREATE INDEX "agent_gateway" ON "agent" USING btree ("gateway","gateway_incarnation") WHERE gateway is not null;--> statement-breakpoint
CREATE INDEX "agent_disconnected" ON "agent" USING btree ("disconnected_at") WHERE gateway is null;--> statement-breakpoint
CREATE INDEX "agent_unheard" ON "agent" USING btree ("disconnected_at") WHERE disconnect_reason in ('gateway-lost', 'drained');--> statement-breakpoint
CREATE INDEX "agent_former_uids" ON "agent" USING gin ("former_uids") WHERE former_uids <> '{}';--> statement-breakpoint
CREATE INDEX "assignment_changed" ON "assignment" USING btree ("changed_at");--> statement-breakpoint
CREATE INDEX "audit_event_entity" ON "audit_event" USING btree ("entity_type","entity_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "rollout_one_active_per_group" ON "rollout" USING btree ("group_id") WHERE state in ('PendingApproval', 'Pending', 'Queued', 'InProgress', 'Paused', 'RollingBack');--> statement-breakpoint
CREATE INDEX "rollout_wake" ON "rollout" USING btree ("next_wake_at") WHERE next_wake_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "rollout_idempotency" ON "rollout" USING btree ("created_by","idempotency_key");--> statement-breakpoint
CREATE INDEX "rollout_created" ON "rollout" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "rollout_group" ON "rollout" USING btree ("group_id","created_at");--> statement-breakpoint
CREATE INDEX "rollout_command_open" ON "rollout_command" USING btree ("rollout_id","created_at") WHERE decided_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "rollout_command_idempotency" ON "rollout_command" USING btree ("rollout_id","actor","idempotency_key");--> statement-breakpoint
CREATE INDEX "rollout_target_agent" ON "rollout_target" USING btree ("agent_id");--> statement-breakpoint
CREATE INDEX "rollout_target_order" ON "rollout_target" USING btree ("rollout_id","state","rank");--> statement-breakpoint
CREATE INDEX "rollout_target_wake" ON "rollout_target" USING btree ("rollout_id","wake_at") WHERE wake_at is not null;--> statement-breakpoint
CREATE INDEX "rollout_target_unsent" ON "rollout_target" USING btree ("rollout_id") WHERE seq is not null and state in ('Pending', 'Deferred');--> statement-breakpoint
CREATE INDEX "rollout_target_back" ON "rollout_target" USING btree ("rollout_id") WHERE back ->> 'state' = 'todo';--> statement-breakpoint
CREATE INDEX "target_signal_rollout" ON "target_signal" USING btree ("rollout_id","id");--> statement-breakpoint
CREATE VIEW "public"."watched_target" AS (select t.rollout_id, t.agent_id from rollout_target t join rollout r on r.id = t.rollout_id
where r.watching = 'all' or r.watching = 'unsettled' and (
	t.state in ('Pending', 'Applying', 'TimedOut', 'Disconnected') or t.back ->> 'state' in ('assigned', 'listed')
));