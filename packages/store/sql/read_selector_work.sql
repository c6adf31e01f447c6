-- Agents that selectors have to look at again, the longest waiting first, with all that changed about each.
-- $1 rows at most
select
	agent_id as "agentId",
	array_agg(id) as "workIds",
	bool_or(changed is null) as everything,
	coalesce(jsonb_agg(changed) filter (where changed is not null), '[]') as changed
from (select id, agent_id, changed from selector_work order by id limit $1::int) w
group by agent_id;
