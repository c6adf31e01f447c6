-- A decision about the enrolment of a group, where nobody decided since, the default is the same, and somebody still leads; the caller compares how much of it
-- was written. Agents before assignments before groups, each by id: the same order everywhere.
-- $1 lease name, $2 holder, $3 epoch, $4 group, $5 seq it was decided from, $6 the new state, $7 [{target, well}], $8 dropped,
-- $9 settled, $10 [{agent_id, version_id, attempt, expected_seq}], $11 to be taken back, $12 [{agent_id, reason}], $13 audit: {why}, or null
with lease as materialized (
	select from leader_lease
	where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp()
	for share
),
wanted as materialized (
	select * from json_to_recordset($10::json) as w (agent_id uuid, version_id uuid, attempt int, expected_seq bigint)
	where exists (select from lease)
),
settled_held as materialized (
	select id from agent
	where id = any($9::uuid[]) and group_id = $4 and exists (select from lease)
	order by id for no key update
),
assignments_held as materialized (
	select s.* from assignment s
	where (s.agent_id in (select agent_id from wanted) or s.agent_id = any($11::uuid[]))
		and (select count(*) from settled_held) >= 0
	order by s.agent_id for no key update
),
held as materialized (
	select g.id, g.default_version from agent_group g
	where g.id = $4 and g.enrolment_seq = $5::bigint and g.default_version is not distinct from ($6::jsonb ->> 'versionId')::uuid
		and exists (select from lease) and (select count(*) from assignments_held) >= 0
	for no key update
),
decided as (
	update agent_group g set enrolment = $6::jsonb, enrolment_seq = g.enrolment_seq + 1
	from held h where g.id = h.id
),
placed as (
	update agent a set enrolment_due_at = null
	from settled_held s where a.id = s.id and exists (select from held)
),
written as (
	insert into assignment as s (agent_id, version_id, offered_hash, attempt, seq, cause)
	select
		w.agent_id, w.version_id, sha256(v.content_hash || int4send(w.attempt)), w.attempt, coalesce(w.expected_seq, 0) + 1, 'default'
	from wanted w
	join held h on h.default_version = w.version_id
	join configuration_version v on v.id = w.version_id
	-- One that was moved to another group meanwhile is not this one's to give anything.
	join agent a on a.id = w.agent_id and a.group_id = $4
	left join assignments_held b on b.agent_id = w.agent_id
	where b.seq is not distinct from w.expected_seq
	order by w.agent_id
	on conflict (agent_id) do update set
		version_id = excluded.version_id,
		offered_hash = excluded.offered_hash,
		attempt = excluded.attempt,
		seq = excluded.seq,
		cause = excluded.cause,
		rollout_id = null,
		answer = 'none',
		answer_error = null,
		offered_at = null,
		answered_at = null,
		effective = 'unknown',
		effective_detail = null,
		changed_at = clock_timestamp(),
		traceparent = null
	where s.seq = excluded.seq - 1
	returning agent_id
),
taken as (
	update assignment s set
		version_id = e.former_version,
		attempt = e.former_attempt,
		offered_hash = (select sha256(v.content_hash || int4send(e.former_attempt)) from configuration_version v where v.id = e.former_version),
		seq = s.seq + 1,
		cause = 'withdrawal',
		answer = case when e.former_version is null then 'none' else e.former_answer end,
		answer_error = null,
		offered_at = null,
		answered_at = null,
		effective = 'unknown',
		effective_detail = null,
		changed_at = clock_timestamp()
	from assignments_held b join enrolment e on e.agent_id = b.agent_id
	where exists (select from held)
		and s.agent_id = b.agent_id and s.agent_id = any($11::uuid[])
		and b.cause = 'default' and b.answer = 'none' and b.seq = (e.target ->> 'seq')::bigint
	returning s.agent_id
),
watched as (
	insert into enrolment as e (agent_id, group_id, target, well, former_version, former_attempt, former_answer)
	select
		(n.target ->> 'agentId')::uuid, $4, n.target, n.well, b.version_id, coalesce(b.attempt, 0), coalesce(b.answer, 'none')
	from json_to_recordset($7::json) as n (target jsonb, well boolean)
	join agent a on a.id = (n.target ->> 'agentId')::uuid
	left join assignments_held b on b.agent_id = a.id
	where exists (select from held)
	order by 1
	on conflict (agent_id) do update set target = excluded.target, well = excluded.well
),
dropped as (
	delete from enrolment where group_id = $4 and agent_id = any($8::uuid[]) and exists (select from held)
),
quarantined as (
	insert into quarantine (agent_id, version_id, reason)
	select q.agent_id, h.default_version, q.reason
	from json_to_recordset($12::json) as q (agent_id uuid, reason text) cross join held h
	on conflict (agent_id, version_id) do update set reason = excluded.reason
),
audited as (
	insert into audit_event (actor, role, action, entity_type, entity_id, after)
	select 'ampora', 'engine', 'Group.EnrolmentStopped', 'group', $4::text, $13::jsonb from held where $13::jsonb is not null
)
select
	exists (select from lease) as leading,
	exists (select from held) as held,
	(select count(*)::int from written) as written,
	(select count(*)::int from taken) as taken;
