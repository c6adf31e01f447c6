DROP INDEX "rollout_one_active_per_group";--> statement-breakpoint
CREATE UNIQUE INDEX "rollout_one_queued_per_group" ON "rollout" USING btree ("group_id") WHERE state = 'Queued';--> statement-breakpoint
CREATE UNIQUE INDEX "rollout_one_active_per_group" ON "rollout" USING btree ("group_id") WHERE state in ('PendingApproval', 'Pending', 'InProgress', 'Paused', 'RollingBack');