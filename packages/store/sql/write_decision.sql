-- All of a decision that is not per agent: journal, rollout, steps, outcomes, audit, and the signals it folded.
-- $1 rollout, $2 the new seq, $3 epoch, $4 {state, offers, watching, machine, startedAtMs, endedAtMs, nextWakeAtMs, waitsFor,
-- membershipSeq, input, events, digest}, $5 steps, $6 outcomes, $7 audit rows, $8 ids of signals, $9 quarantined, $10 released agents
with given as materialized (
	select * from json_to_record($4::json) as g (
		state text, offers text, watching text, machine jsonb, "startedAtMs" float8, "endedAtMs" float8, "nextWakeAtMs" float8,
		"waitsFor" text, "membershipSeq" bigint, input jsonb, events jsonb, digest bytea
	)
),
journalled as (
	insert into rollout_event (rollout_id, seq, epoch, input, events, digest)
	select $1, $2, $3, input, events, digest from given
	on conflict do nothing
	returning seq
),
-- The group has come to run this version: so shall its newcomers, where they are given anything.
completed as materialized (
	select r.id, r.group_id, r.version_id, p.default_version
	from rollout r join agent_group p on p.id = r.group_id cross join given g
	where r.id = $1 and g.state = 'Completed' and r.state <> 'Completed'
		and r.only_agents is null and r.rollback_of is null
		and (r.sets_default or p.default_version is not null)
),
defaulted as (
	update agent_group p set default_version = c.version_id from completed c where p.id = c.group_id
),
moved as (
	update rollout r set
		state = g.state,
		default_before = coalesce((select c.default_version from completed c), r.default_before),
		offers = g.offers,
		watching = g.watching,
		machine = g.machine,
		seq = $2,
		membership_seq = g."membershipSeq",
		next_wake_at = to_timestamp(g."nextWakeAtMs" / 1000),
		waits_for = g."waitsFor",
		started_at = to_timestamp(g."startedAtMs" / 1000),
		ended_at = to_timestamp(g."endedAtMs" / 1000)
	from given g
	where r.id = $1
	returning r.rollback_of, r.state
),
stepped as (
	insert into rollout_step (rollout_id, index, machine, counters)
	select $1, s.index, s.machine, s.counters
	from json_to_recordset($5::json) as s (index int, machine jsonb, counters jsonb)
	on conflict (rollout_id, index) do update set machine = excluded.machine, counters = excluded.counters
),
decided as (
	update rollout_command c set
		decided_at = clock_timestamp(), accepted = o.accepted, code = o.code, message = o.message
	from json_to_recordset($6::json) as o ("commandId" uuid, accepted boolean, code text, message text)
	where c.id = o."commandId" and c.rollout_id = $1 and c.decided_at is null
),
audited as (
	insert into audit_event (actor, role, action, entity_type, entity_id, before, after, trace_id)
	select a.actor, 'engine', a.action, 'rollout', $1::text, a.before, a.after, a.trace_id
	from json_to_recordset($7::json) as a (actor text, action text, before jsonb, after jsonb, trace_id text)
),
folded as (
	delete from target_signal where id = any($8::bigint[])
),
quarantined as (
	insert into quarantine (agent_id, version_id, reason)
	select a.id, r.version_id, q.reason
	from json_to_recordset($9::json) as q ("agentId" uuid, reason text)
	join agent a on a.id = q."agentId"
	cross join (select version_id from rollout where id = $1) r
	on conflict (agent_id, version_id) do update set reason = excluded.reason
),
released as (
	delete from quarantine
	where agent_id = any($10::uuid[]) and version_id = (select version_id from rollout where id = $1)
),
linked as (
	update rollout p set rolled_back_by = $1
	from moved m
	where p.id = m.rollback_of and m.state in ('Completed', 'RolledBack')
)
select (select count(*) from journalled)::int as journalled;
