CREATE TABLE "rollout_plan" (
	"id" uuid PRIMARY KEY NOT NULL,
	"group_id" uuid NOT NULL,
	"version_id" uuid NOT NULL,
	"spec" jsonb NOT NULL,
	"digest" text NOT NULL,
	"content" jsonb NOT NULL,
	"agent_ids" uuid[] NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "rollout_plan" ADD CONSTRAINT "rollout_plan_group_id_agent_group_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."agent_group"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rollout_plan" ADD CONSTRAINT "rollout_plan_version_id_configuration_version_id_fk" FOREIGN KEY ("version_id") REFERENCES "public"."configuration_version"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "rollout_plan_created" ON "rollout_plan" USING btree ("created_at");