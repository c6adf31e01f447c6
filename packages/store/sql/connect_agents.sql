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
			-- An aggregate, for a limit would make the planner walk all agents in the order of their ids.
			(select (array_agg(id order by id))[1] from agent where former_uids <> '{}' and former_uids @> array[w.uid])
		) as agent_id,
		w.*
	from wanted w
	where exists (select from lease)
),
held as materialized (
	select
		a.id, a.instance_uid, a.session_epoch, a.gateway, a.sequence_num, a.capabilities, a.description is not null as described,
		a.healthy, a.start_time_nanos, a.reported_hash, a.reported_status, a.components_hash
	from agent a where a.id in (select agent_id from named) order by a.id for no key update
),
transports as (
	select distinct on (agent_id) agent_id, transport from named order by agent_id, n
),
taken as (
	update agent a set
		session_epoch = h.session_epoch + 1,
		fact_seq = 0,
		gateway = $1,
		gateway_incarnation = $2::bigint,
		transport = n.transport,
		disconnected_at = null,
		disconnect_reason = null,
		last_gateway = null
	from held h join transports n on n.agent_id = h.id
	where a.id = h.id
	returning h.*
),
created as (
	insert into agent (id, instance_uid, group_id, session_epoch, gateway, gateway_incarnation, transport)
	select n.new_id, n.uid, g.id, 1, $1, $2::bigint, n.transport
	from named n cross join (select id from agent_group where built_in) g
	where n.agent_id is null
	order by n.uid
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
	t.id as "agentId",
	t.instance_uid as "instanceUid",
	t.session_epoch + 1 as "sessionEpoch",
	false as "isNew",
	t.sequence_num as "sequenceNum",
	t.capabilities,
	t.described,
	t.healthy,
	t.start_time_nanos as "startTimeNanos",
	t.reported_hash as "reportedHash",
	t.reported_status as "reportedStatus",
	e.hash as "effectiveHash",
	t.components_hash as "componentsHash",
	t.gateway as "previousGateway",
	t.session_epoch as "previousEpoch"
from named n
join taken t on t.id = n.agent_id
left join agent_effective_config e on e.agent_id = t.id
union all
select n.n, n.new_id, n.uid, 1, true, null, 0, false, null, null, null, null, null, null, null, null
from named n where n.new_id in (select id from created);
