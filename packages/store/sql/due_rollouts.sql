-- Rollouts with something to do, those that waited longest for it first.
-- $1 how many at most
with recursive signalled as (
	(select rollout_id from target_signal order by rollout_id limit 1)
	union all
	select (select t.rollout_id from target_signal t where t.rollout_id > s.rollout_id order by t.rollout_id limit 1)
	from signalled s where s.rollout_id is not null
),
due as (
	select id, next_wake_at as at from rollout where next_wake_at <= clock_timestamp()
	union all
	select rollout_id, min(created_at) from rollout_command where decided_at is null group by rollout_id
	union all
	select rollout_id, clock_timestamp() from signalled where rollout_id is not null
	union all
	select r.id, clock_timestamp()
	from rollout r join agent_group g on g.id = r.group_id
	where r.state in ('InProgress', 'Paused')
		and r.membership_seq <> g.membership_seq
		and (r.machine -> 'rollingBack') is distinct from 'true'
	union all
	select r.id, clock_timestamp()
	from rollout r
	where r.state = 'Queued'
		and coalesce((r.spec ->> 'startAtMs')::float8 <= extract(epoch from clock_timestamp()) * 1000, true)
		and not exists (
		select from rollout o
		where o.group_id = r.group_id and o.state in ('PendingApproval', 'Pending', 'InProgress', 'Paused', 'RollingBack')
	)
)
select
	array(select id from due group by id order by min(at), id limit $1) as due,
	(
		select (extract(epoch from next_wake_at - clock_timestamp()) * 1000)::float8
		from rollout where next_wake_at > clock_timestamp() order by next_wake_at limit 1
	) as "nextWakeInMs";
