-- A rollback began: every touched target is to be taken back, but those the decision itself has already placed.
-- $1 rollout, $2 agents the decision wrote
update rollout_target set back = '{"state": "todo"}'
where rollout_id = $1 and seq is not null and agent_id <> all($2::uuid[]) and (back is null or back ->> 'state' = 'confirmed');
