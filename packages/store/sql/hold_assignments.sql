-- Locks every assignment this decision may write, by id, as every other statement does.
-- $1 rollout, $2 agents, $3 also those it may withdraw
with concerned as materialized (
	select unnest($2::uuid[]) as agent_id
	union
	select agent_id from rollout_target
	where $3 and rollout_id = $1 and seq is not null and state in ('Pending', 'Deferred')
)
select from assignment s where s.agent_id in (select agent_id from concerned) order by s.agent_id for no key update;
