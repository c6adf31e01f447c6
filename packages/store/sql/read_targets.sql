-- The targets a decision can use, with what is known of their agents now. A target may be in several lists.
-- $1 rollout, $2 signalled agents, $3 observed time until which a wake is due (ms), $4 how many woken at most,
-- $5 look for members that left, $6 how many to fill, $7 how many to admit, $8 their step (null: any), $9 how many on their way
-- back, $10 named agents, $11 all that failed are named, $12 how many of those at most
with picked as (
	(select 'changed' as list, 0 as place, agent_id from rollout_target where rollout_id = $1 and agent_id = any($2::uuid[]))
	union all
	(
		select 'changed', 1, agent_id from rollout_target
		where rollout_id = $1 and wake_at <= $3::float8 and agent_id <> all($2::uuid[])
		order by wake_at, agent_id limit $4
	)
	union all
	(
		-- One that was pushed keeps counting; one that was not has to be told from the others.
		select 'left', 2, t.agent_id
		from rollout_target t join rollout r on r.id = t.rollout_id left join agent a on a.id = t.agent_id
		where $5 and t.rollout_id = $1 and t.state in ('Pending', 'Deferred') and t.agent_id <> all($2::uuid[])
			and (t.wake_at is null or t.wake_at > $3::float8)
			and (a.id is null or a.group_id <> r.group_id and r.rollback_of is null)
		order by t.agent_id limit $4
	)
	union all
	(
		select 'fill', rank, agent_id from rollout_target
		where rollout_id = $1 and state = 'Pending' and step is null
		order by rank limit $6
	)
	union all
	(
		select 'admit', rank, agent_id from rollout_target
		where rollout_id = $1 and state = 'Pending' and seq is null and step is not null and ($8::int is null or step = $8)
		order by rank limit $7
	)
	union all
	(
		select 'back',
			row_number() over (order by case t.state
				when 'Failed' then 0 when 'Reverted' then 0 when 'Disconnected' then 1 when 'TimedOut' then 1
				else case when a.healthy is false then 2 else 3 end
			end, t.rank)::int,
			t.agent_id
		from rollout_target t left join agent a on a.id = t.agent_id
		where t.rollout_id = $1 and t.back ->> 'state' = 'todo'
		order by 2 limit $9
	)
	union all
	(
		select 'named', rank, agent_id from rollout_target
		where rollout_id = $1
			and (agent_id = any($10::uuid[]) or $11 and state in ('Failed', 'Reverted', 'TimedOut'))
		order by rank limit $12
	)
)
select
	p.list,
	t.agent_id as "agentId", t.rank, t.step, t.state, t.reason, t.error, t.reports, t.sick_before as "sickBefore",
	t.previous_version as "previousVersion", t.seq, t.attempt, t.watch, t.back, t.wake_at as "wakeAt",
	agent_facts(a.id is not null and (a.group_id = r.group_id or r.rollback_of is not null), q.agent_id is not null, a, g, s, v, w) as facts
from picked p
join rollout_target t on t.rollout_id = $1 and t.agent_id = p.agent_id
join rollout r on r.id = $1
join configuration_version w on w.id = r.version_id
left join agent a on a.id = t.agent_id
left join gateway g on g.id = a.gateway
left join assignment s on s.agent_id = t.agent_id
left join configuration_version v on v.id = s.version_id
left join quarantine q on q.agent_id = t.agent_id and q.version_id = r.version_id
order by p.list, p.place, p.agent_id;
