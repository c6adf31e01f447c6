-- Who has been changed by rollouts with metric gates that are under way, paused or pushing their tail, and who still waits: by each
-- label they are joined by, the first by rank.
-- $1 how many of each cohort at most
select
	r.id as "rolloutId", l.label, c.cohort,
	coalesce(json_agg(m.value order by m.value) filter (where m.value is not null), '[]') as agents
from rollout r
cross join lateral (
	select distinct g ->> 'joinLabel' as label from jsonb_array_elements(r.spec -> 'metricGates') g
) l
cross join (values ('changed'), ('control')) c(cohort)
left join lateral (
	select coalesce(
		a.description -> 'identifying' ->> l.label,
		a.description -> 'nonIdentifying' ->> l.label,
		a.description -> 'identifying' ->> replace(l.label, '_', '.'),
		a.description -> 'nonIdentifying' ->> replace(l.label, '_', '.'),
		case when l.label = 'service_instance_id' then a.instance_uid::text end
	) as value
	from rollout_target t
	join agent a on a.id = t.agent_id
	where t.rollout_id = r.id and (
		case c.cohort
			when 'changed' then t.state in ('Applied', 'TimedOut', 'Disconnected')
			else t.state = 'Pending' and t.seq is null
		end
	)
	order by t.rank
	limit $1
) m on true
where r.watching = 'all' and r.state in ('InProgress', 'Paused', 'Completed') and jsonb_array_length(coalesce(r.spec -> 'metricGates', '[]')) > 0
group by r.id, l.label, c.cohort
order by r.id, l.label, c.cohort;
