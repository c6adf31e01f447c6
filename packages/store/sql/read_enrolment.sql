-- A group as its enrolment is decided from.
-- $1 group, $2 how many watched agents at most, $3 how many waiting
with watched as materialized (
	select agent_id, target, well from enrolment where group_id = $1 order by agent_id limit $2
),
waiting as materialized (
	select a.id as agent_id, a.enrolment_due_at
	from agent a
	where a.group_id = $1 and a.enrolment_due_at is not null and a.gateway is not null
		and not exists (select from enrolment e where e.agent_id = a.id)
	order by a.enrolment_due_at, a.id
	limit $3
),
known as materialized (
	select
		a.id,
		agent_facts(a.group_id = $1, q.agent_id is not null, a, w, s, v, d) as facts,
		coalesce(r.group_id = $1 and s.changed_at > a.enrolment_due_at, false) as placed
	from agent a
	join agent_group g on g.id = $1
	left join gateway w on w.id = a.gateway
	left join assignment s on s.agent_id = a.id
	left join configuration_version v on v.id = s.version_id
	left join configuration_version d on d.id = g.default_version
	left join rollout r on r.id = s.rollout_id
	left join quarantine q on q.agent_id = a.id and q.version_id = g.default_version
	where a.id in (select agent_id from watched union all select agent_id from waiting)
),
lost as materialized (
	select count(*)::int as n
	from agent a
	where a.gateway is null and a.archived_at is null
		and a.disconnected_at > now() - interval '1 minute'
		and a.disconnect_reason in ('lost', 'gateway-lost')
		and not exists (select from enrolment e where e.group_id = $1 and e.agent_id = a.id)
)
select
	g.default_version as "versionId",
	coalesce(v.state = 'Published', false) as published,
	g.enrolment as state,
	g.enrolment_seq as seq,
	floor(extract(epoch from now()) * 1000)::float8 as "nowMs",
	(select count(*) from agent a where a.group_id = $1 and a.archived_at is null)::int as members,
	(
		select r.id from rollout r
		where r.group_id = $1 and r.state in ('InProgress', 'Paused', 'RollingBack')
	) as "busyWith",
	(select n from lost) as "controlLost",
	case when (select n from lost) = 0 then 0
		else (select count(*) from agent where gateway is not null)
			- (select count(*) from enrolment e join agent a on a.id = e.agent_id where e.group_id = $1 and a.gateway is not null)
			+ (select n from lost)
	end::int as "controlConnected",
	(
		select coalesce(json_agg(json_build_object('target', e.target, 'well', e.well, 'facts', k.facts) order by e.agent_id), '[]')
		from watched e join known k on k.id = e.agent_id
	) as watched,
	(
		select coalesce(
			json_agg(json_build_object('agentId', k.id, 'placed', k.placed, 'facts', k.facts) order by m.enrolment_due_at, k.id), '[]'
		)
		from waiting m join known k on k.id = m.agent_id
	) as waiting
from agent_group g left join configuration_version v on v.id = g.default_version
where g.id = $1;
