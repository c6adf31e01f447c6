CREATE TABLE "agent_selection" (
	"agent_id" uuid PRIMARY KEY NOT NULL,
	"matches" uuid[] DEFAULT '{}' NOT NULL,
	"errors" jsonb DEFAULT '{}'::jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "selector_work" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"agent_id" uuid NOT NULL,
	"changed" text[]
);
--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "selector" text;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "priority" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "sweep" text;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "sweep_seq" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "sweep_after" uuid;--> statement-breakpoint
ALTER TABLE "agent_selection" ADD CONSTRAINT "agent_selection_agent_id_agent_id_fk" FOREIGN KEY ("agent_id") REFERENCES "public"."agent"("id") ON DELETE cascade ON UPDATE no action;