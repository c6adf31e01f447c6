-- For /metrics.
select
	(select coalesce(json_object_agg(state, n), '{}') from (select state, count(*) as n from rollout group by state) r) as rollouts,
	(
		select coalesce(json_object_agg(state, n), '{}') from (
			select t.state, count(*) as n
			from rollout r join rollout_target t on t.rollout_id = r.id
			where r.state in ('InProgress', 'Paused', 'RollingBack')
			group by t.state
		) t
	) as "rolloutAgents",
	(
		select coalesce(json_agg(a order by a.connected, a.healthy), '[]') from (
			select gateway is not null as connected, healthy, count(*) as count from agent where archived_at is null group by 1, 2
		) a
	) as agents,
	(
		select coalesce(max(extract(epoch from clock_timestamp() - coalesce((
			select max(at) from rollout_event e
			where e.rollout_id = r.id and e.events @> '[{"kind": "state", "to": "Paused"}]'
		), r.created_at))), 0)::float8
		from rollout r where r.state = 'Paused'
	) as "pausedSeconds",
	(
		select coalesce(extract(epoch from clock_timestamp() - min(t.admitted_at)), 0)::float8
		from rollout r join rollout_target t on t.rollout_id = r.id
		where r.state in ('InProgress', 'Paused', 'RollingBack') and t.state = 'Applying'
	) as "oldestUnansweredSeconds",
	(select count(*)::int from agent_group where jsonb_typeof(enrolment -> 'stopped') = 'object') as "stoppedGroups";
