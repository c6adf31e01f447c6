CREATE TABLE "change_window" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"group_ids" uuid[],
	"days" text[] NOT NULL,
	"from_time" text NOT NULL,
	"to_time" text NOT NULL,
	"time_zone" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "change_window_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "change_freeze" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"reason" text NOT NULL,
	"group_ids" uuid[],
	"from_at" timestamp with time zone NOT NULL,
	"until_at" timestamp with time zone NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "change_freeze_name_unique" UNIQUE("name")
);
