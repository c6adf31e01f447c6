DROP INDEX "agent_disconnected";--> statement-breakpoint
ALTER TABLE "agent" ADD COLUMN "archived_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "agent_away" ON "agent" USING btree ("disconnect_reason","disconnected_at") WHERE gateway is null and archived_at is null;