-- Begins a session for each uid: creates agents nobody knew, and takes the others over from wherever their session was.
-- $1 gateway, $2 incarnation, $3 [{n, new_id, uid, transport}]
-- A uid that another call is creating at this moment returns no row: the caller repeats it.
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (n int, new_id uuid, uid uuid, transport text)
),
lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
named as materialized (
	select
		coalesce(
			(select id from agent where instance_uid = w.uid),
			(select id from agent where former_uids @> array[w.uid] order by id limit 1)
		) as agent_id,
		w.*
	from wanted w
	where exists (select from lease)
),
held as materialized (
	select a.* from agent a where a.id in (select agent_id from named) order by a.id for no key update
),
taken as (
	update agent a set
		session_epoch = a.session_epoch + 1,
		fact_seq = 0,
		gateway = $1,
		gateway_incarnation = $2::bigint,
		transport = n.transport,
		disconnected_at = null,
		disconnect_reason = null,
		last_gateway = null
	from (select distinct on (agent_id) agent_id, transport from named order by agent_id, n) n
	where a.id = n.agent_id and a.id in (select id from held)
	returning a.id, a.session_epoch
),
created as (
	insert into agent (id, instance_uid, group_id, session_epoch, gateway, gateway_incarnation, transport)
	select n.new_id, n.uid, g.id, 1, $1, $2::bigint, n.transport
	from named n cross join (select id from agent_group where built_in) g
	where n.agent_id is null
	on conflict (instance_uid) do nothing
	returning id
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from taken join watched_target t on t.agent_id = taken.id
)
select
	n.n,
	h.id as "agentId",
	h.instance_uid as "instanceUid",
	t.session_epoch as "sessionEpoch",
	false as "isNew",
	h.sequence_num as "sequenceNum",
	h.capabilities,
	h.description is not null as described,
	h.healthy,
	h.start_time_nanos as "startTimeNanos",
	h.reported_hash as "reportedHash",
	h.reported_status as "reportedStatus",
	e.hash as "effectiveHash",
	h.gateway as "previousGateway",
	h.session_epoch as "previousEpoch"
from named n
join held h on h.id = n.agent_id
join taken t on t.id = h.id
left join agent_effective_config e on e.agent_id = h.id
union all
select n.n, c.id, n.uid, 1, true, null, 0, false, null, null, null, null, null, null, null
from created c join named n on n.new_id = c.id;
