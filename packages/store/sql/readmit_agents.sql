-- Takes sessions over into a new incarnation of their gateway, where no newer session began meanwhile.
-- $1 gateway, $2 incarnation, $3 [{agent_id, session_epoch}]
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (agent_id uuid, session_epoch bigint)
),
lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
held as materialized (
	select a.id, a.session_epoch, a.gateway from agent a
	where a.id in (select agent_id from wanted) and exists (select from lease)
	order by a.id for no key update
),
taken as (
	update agent a set
		gateway = $1,
		gateway_incarnation = $2::bigint,
		disconnected_at = null,
		disconnect_reason = null,
		last_gateway = null
	from held h join wanted w on w.agent_id = h.id
	where a.id = h.id and h.session_epoch = w.session_epoch and (h.gateway is null or h.gateway = $1)
	returning a.id
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from taken join watched_target t on t.agent_id = taken.id
)
select
	exists (select from lease) as live,
	array(select agent_id from wanted except select id from taken) as refused;
