-- A rollout with everything of it that is not per agent. Part of one snapshot with the other read_ statements.
-- $1 rollout
select
	r.id, r.group_id as "groupId", r.version_id as "versionId", r.spec, r.state, r.machine, r.seq,
	r.rollback_of as "rollbackOf", r.traceparent,
	floor(extract(epoch from r.created_at) * 1000)::float8 as "createdAtMs",
	floor(extract(epoch from r.started_at) * 1000)::float8 as "startedAtMs",
	floor(extract(epoch from r.ended_at) * 1000)::float8 as "endedAtMs",
	r.membership_seq as "membershipSeq",
	g.membership_seq as "groupMembershipSeq",
	floor(extract(epoch from now()) * 1000)::float8 as "nowMs",
	(
		select coalesce(json_agg(json_build_object('machine', s.machine, 'counters', s.counters) order by s.index), '[]')
		from rollout_step s where s.rollout_id = r.id
	) as steps,
	(
		select coalesce(json_agg(json_build_object('id', c.id, 'kind', c.kind, 'actor', c.actor, 'args', c.args)
			order by c.created_at, c.id), '[]')
		from rollout_command c where c.rollout_id = r.id and c.decided_at is null
	) as commands,
	(
		select coalesce(json_agg(json_build_array(x.id, x.agent_id)), '[]')
		from (select id, agent_id from target_signal where rollout_id = r.id order by id limit 5000) x
	) as signals,
	not exists (
		select from rollout n
		where n.group_id = r.group_id and n.created_at > r.created_at and n.started_at is not null
	) as "latestOfGroup",
	json_build_object(
		'windows', (
			select coalesce(json_agg(json_build_object(
				'name', w.name, 'days', w.days, 'from', w.from_time, 'to', w.to_time, 'timeZone', w.time_zone
			) order by w.name collate "C"), '[]')
			from change_window w where w.group_ids is null or r.group_id = any(w.group_ids)
		),
		'freezes', (
			select coalesce(json_agg(json_build_object(
				'name', f.name, 'reason', f.reason,
				'fromMs', floor(extract(epoch from f.from_at) * 1000)::float8,
				'untilMs', floor(extract(epoch from f.until_at) * 1000)::float8
			) order by f.name collate "C"), '[]')
			from change_freeze f where f.until_at > now() and (f.group_ids is null or r.group_id = any(f.group_ids))
		)
	) as calendar,
	(
		select o.id from rollout o
		where o.group_id = r.group_id and o.id <> r.id
			and o.state in ('PendingApproval', 'Pending', 'InProgress', 'Paused', 'RollingBack')
	) as "busyWith",
	g.protected as "protectedGroup",
	(select s.state from rollout s where s.id = (r.machine ->> 'supersedes')::uuid) as superseded
from rollout r join agent_group g on g.id = r.group_id
where r.id = $1;
