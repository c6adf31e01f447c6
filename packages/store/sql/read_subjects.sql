-- What selectors may read of these agents, archived ones left out, where each is, and what was last found.
-- $1 agents
select
	a.id as "agentId",
	a.group_id as "groupId",
	case when g.built_in then 'ungrouped' when g.selector is null then 'chosen' else 'dynamic' end as "where",
	a.description,
	a.agent_type as "agentType",
	a.agent_version as "agentVersion",
	a.capabilities,
	c.components,
	s.matches,
	s.errors
from agent a
join agent_group g on g.id = a.group_id
left join agent_selection s on s.agent_id = a.id
left join component_catalogue c
	on c.hash = a.components_hash and c.distribution = coalesce(a.agent_type, '') and c.version = coalesce(a.agent_version, '')
-- One that may be another that came back is looked at when that is settled.
where a.id = any($1::uuid[]) and a.heir_of is null and a.archived_at is null;
