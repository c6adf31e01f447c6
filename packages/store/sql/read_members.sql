-- Members of the group (or the agents it is restricted to) that this rollout has no target for yet. In the rollout back of an ended
-- one, what an agent is to return to is what it had proven before that one, not what it proved since.
-- $1 rollout, $2 how many at most
select
	a.id as "agentId",
	a.instance_uid as key,
	coalesce(a.hostname, '') as hostname,
	floor(extract(epoch from a.last_seen_at) * 1000)::float8 as "lastSeenMs",
	json_build_array(
		true,
		a.gateway is not null, g.incarnation = a.gateway_incarnation and g.expires_at > now(), a.disconnect_reason,
		extract(epoch from now() - a.disconnected_at) * 1000,
		a.capabilities, a.healthy, a.health_flips, a.restarts,
		case when b.agent_id is null then a.proven_version else b.previous_version end, q.agent_id is not null,
		s.seq, s.version_id, s.rollout_id, s.attempt, s.answer, s.answer_error, s.effective
	) as facts
from rollout r
join agent a on case
	when r.only_agents is null then a.group_id = r.group_id
	else a.id = any(r.only_agents) and (a.group_id = r.group_id or r.rollback_of is not null)
end
left join gateway g on g.id = a.gateway
left join assignment s on s.agent_id = a.id
left join quarantine q on q.agent_id = a.id and q.version_id = r.version_id
left join rollout_target b on b.rollout_id = r.rollback_of and b.agent_id = a.id
where r.id = $1
	and not exists (select from rollout_target t where t.rollout_id = r.id and t.agent_id = a.id)
order by a.id
limit $2;
