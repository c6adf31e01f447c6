-- Begins a session for each uid: creates agents nobody knew, and takes the others over from wherever their session was. A uid nobody
-- knows takes the place of the agent that has the same identity, once that one's session is over.
-- $1 gateway, $2 incarnation, $3 [{n, new_id, uid, transport, told, description}]; told: description is what the agent says of itself
-- A uid without an answer is to be asked for again: another call is creating it at this moment, another request of this call comes
-- first, or, where attributes identify agents, it was asked for without what the agent says of itself.
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (n int, new_id uuid, uid uuid, transport text, told boolean, description jsonb)
),
lease as materialized (
	select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp()
),
found as materialized (
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
strangers as materialized (
	select f.n, agent_identity(f.description) as identity from found f where f.agent_id is null and f.description is not null
),
-- The oldest of those with that identity; whether all of them are gone.
holders as materialized (
	select s.n, h.agent_id, h.gone
	from strangers s
	cross join lateral (
		select
			(array_agg(o.id order by o.id))[1] as agent_id,
			bool_and(o.gateway is null and coalesce(o.disconnect_reason in ('goodbye', 'lost'), false)) as gone
		from agent o where o.identity = s.identity
	) h
	where h.agent_id is not null
),
named as materialized (
	select coalesce(f.agent_id, h.agent_id) as agent_id, f.agent_id is null as succeeds, f.n, f.uid, f.transport
	from found f left join holders h on h.n = f.n and h.gone
	where f.agent_id is not null or h.agent_id is not null
),
chosen as materialized (
	select distinct on (agent_id) * from named order by agent_id, succeeds, n
),
held as materialized (
	select
		a.id, a.instance_uid, a.session_epoch, a.gateway, a.sequence_num, a.capabilities, a.description is not null as described,
		a.healthy, a.start_time_nanos, a.reported_hash, a.reported_status, a.components_hash, a.former_uids, a.earlier_uids,
		a.group_id, a.archived_at is not null as archived, c.n, c.uid, c.succeeds, c.transport
	from chosen c join agent a on a.id = c.agent_id
	-- Looked at once more under the lock: somebody else may have come first.
	where not c.succeeds or a.gateway is null and a.disconnect_reason in ('goodbye', 'lost')
	order by a.id for no key update of a
),
taken as (
	update agent a set
		session_epoch = h.session_epoch + 1,
		fact_seq = 0,
		gateway = $1,
		gateway_incarnation = $2::bigint,
		transport = h.transport,
		disconnected_at = null,
		disconnect_reason = null,
		last_gateway = null,
		archived_at = null,
		instance_uid = case when h.succeeds then h.uid else a.instance_uid end,
		-- Of these nobody is left: one of them that comes back is another agent.
		former_uids = case when h.succeeds then '{}' else a.former_uids end,
		earlier_uids = case when h.succeeds then e.uids[greatest(1, cardinality(e.uids) - 19):] else a.earlier_uids end,
		-- Said by the process before.
		sequence_num = case when h.succeeds then null else a.sequence_num end,
		reported_hash = case when h.succeeds then null else a.reported_hash end,
		reported_status = case when h.succeeds then null else a.reported_status end,
		reported_error = case when h.succeeds then null else a.reported_error end
	from held h cross join lateral (select h.earlier_uids || h.former_uids || h.instance_uid as uids) e
	where a.id = h.id
	returning h.*
),
newcomers as materialized (
	select f.n, f.new_id, f.uid, f.transport, s.identity, h.agent_id as heir_of
	from found f left join strangers s on s.n = f.n left join holders h on h.n = f.n
	where f.agent_id is null and h.gone is not true
		and (f.told or not exists (select from setting where name = 'fleet.identity' and value -> 'attributes' <> '[]'))
		-- Of several with one identity the first; the others are to find it.
		and not exists (select from strangers b where b.identity = s.identity and b.n < f.n)
),
created as (
	insert into agent (id, instance_uid, group_id, session_epoch, gateway, gateway_incarnation, transport, identity, heir_of)
	select c.new_id, c.uid, g.id, 1, $1, $2::bigint, c.transport, c.identity, c.heir_of
	from newcomers c cross join (select id from agent_group where built_in) g
	order by c.uid
	on conflict (instance_uid) do nothing
	returning id, heir_of
),
-- It may be the same agent, of whose end nobody knows yet (R9).
quarantined as (
	insert into quarantine (agent_id, version_id, reason, at)
	select c.id, q.version_id, q.reason, q.at from created c join quarantine q on q.agent_id = c.heir_of
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
),
audited as (
	insert into audit_event (actor, role, action, entity_type, entity_id, before, after)
	select
		'ampora', 'gateway', 'Agent.PlaceTaken', 'agent', t.id::text,
		jsonb_build_object('instanceUid', t.instance_uid), jsonb_build_object('instanceUid', t.uid)
	from taken t where t.succeeds
)
select
	t.n,
	t.id as "agentId",
	case when t.succeeds then t.uid else t.instance_uid end as "instanceUid",
	t.session_epoch + 1 as "sessionEpoch",
	false as "isNew",
	case when t.succeeds then t.instance_uid end as "placeOf",
	null::uuid as "heirOf",
	case when t.succeeds then null else t.sequence_num end as "sequenceNum",
	t.capabilities,
	t.described,
	t.healthy,
	t.start_time_nanos as "startTimeNanos",
	case when t.succeeds then null else t.reported_hash end as "reportedHash",
	case when t.succeeds then null else t.reported_status end as "reportedStatus",
	e.hash as "effectiveHash",
	t.components_hash as "componentsHash",
	t.gateway as "previousGateway",
	t.session_epoch as "previousEpoch"
from taken t
left join agent_effective_config e on e.agent_id = t.id
union all
select c.n, c.new_id, c.uid, 1, true, null, c.heir_of, null, 0, false, null, null, null, null, null, null, null, null
from newcomers c where c.new_id in (select id from created);
