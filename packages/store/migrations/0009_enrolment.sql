CREATE TABLE "enrolment" (
	"agent_id" uuid PRIMARY KEY NOT NULL,
	"group_id" uuid NOT NULL,
	"target" jsonb NOT NULL,
	"well" boolean NOT NULL,
	"former_version" uuid,
	"former_attempt" integer DEFAULT 0 NOT NULL,
	"former_answer" text DEFAULT 'none' NOT NULL
);
--> statement-breakpoint
ALTER TABLE "agent" ADD COLUMN "enrolment_due_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "sweep_holds" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "default_version" uuid;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "enrolment" jsonb;--> statement-breakpoint
ALTER TABLE "agent_group" ADD COLUMN "enrolment_seq" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "rollout" ADD COLUMN "sets_default" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "rollout" ADD COLUMN "default_before" uuid;--> statement-breakpoint
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_agent_id_agent_id_fk" FOREIGN KEY ("agent_id") REFERENCES "public"."agent"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment" ADD CONSTRAINT "enrolment_group_id_agent_group_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."agent_group"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "enrolment_group" ON "enrolment" USING btree ("group_id");--> statement-breakpoint
ALTER TABLE "agent_group" ADD CONSTRAINT "agent_group_default_version_configuration_version_id_fk" FOREIGN KEY ("default_version") REFERENCES "public"."configuration_version"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_enrolment_due" ON "agent" USING btree ("group_id","enrolment_due_at") WHERE enrolment_due_at is not null;