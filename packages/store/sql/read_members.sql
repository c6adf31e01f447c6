-- Members of the group (or those of them it is restricted to), archived ones left out, that this rollout has no target for yet.
-- $1 rollout, $2 how many at most
select
	a.id as "agentId",
	a.instance_uid as key,
	coalesce(a.hostname, '') as hostname,
	floor(extract(epoch from a.last_seen_at) * 1000)::float8 as "lastSeenMs",
	coalesce(
		a.description -> 'identifying' ->> (r.spec ->> 'spreadBy'),
		a.description -> 'nonIdentifying' ->> (r.spec ->> 'spreadBy')
	) as domain,
	agent_facts(true, q.agent_id is not null, a, g, s, v, w) as facts
from rollout r
join configuration_version w on w.id = r.version_id
join agent a on a.group_id = r.group_id and a.archived_at is null and (r.only_agents is null or a.id = any(r.only_agents))
left join gateway g on g.id = a.gateway
left join assignment s on s.agent_id = a.id
left join configuration_version v on v.id = s.version_id
left join quarantine q on q.agent_id = a.id and q.version_id = r.version_id
where r.id = $1
	and not exists (select from rollout_target t where t.rollout_id = r.id and t.agent_id = a.id)
order by a.id
limit $2;
