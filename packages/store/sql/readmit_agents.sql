-- Takes sessions over into a new incarnation of their gateway, where no newer session began meanwhile.
-- $1 gateway, $2 incarnation, $3 [{agent_id, session_epoch}]
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (agent_id uuid, session_epoch bigint)
),
lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
held as materialized (
	select a.id, a.session_epoch, a.gateway, a.group_id, a.archived_at is not null as archived, a.description is not null as described
	from agent a
	where a.id in (select agent_id from wanted) and exists (select from lease)
	order by a.id for no key update
),
taken as (
	update agent a set
		gateway = $1,
		gateway_incarnation = $2::bigint,
		disconnected_at = null,
		disconnect_reason = null,
		last_gateway = null,
		archived_at = null
	from held h join wanted w on w.agent_id = h.id
	where a.id = h.id and h.session_epoch = w.session_epoch and (h.gateway is null or h.gateway = $1)
	returning a.id, h.group_id, h.archived, h.described
),
-- Out of the archive: selectors look at it again, and rollouts of its group have one more member.
returned as (
	insert into selector_work (agent_id) select id from taken where archived and described
),
groups_held as materialized (
	select id from agent_group where id in (select group_id from taken where archived) order by id for no key update
),
groups_grown as (
	update agent_group g set membership_seq = g.membership_seq + 1 from groups_held h where g.id = h.id
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from taken join watched_target t on t.agent_id = taken.id
)
select
	exists (select from lease) as live,
	array(select agent_id from wanted except select id from taken) as refused;
