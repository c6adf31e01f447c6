CREATE TABLE "component_catalogue" (
	"distribution" text NOT NULL,
	"version" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"components" jsonb,
	"received_at" timestamp with time zone,
	"asked_agent" uuid,
	"asked_epoch" bigint,
	"asked_at" timestamp with time zone,
	"asks" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "component_catalogue_distribution_version_hash_pk" PRIMARY KEY("distribution","version","hash")
);
--> statement-breakpoint
ALTER TABLE "agent" ADD COLUMN "components_hash" "bytea";