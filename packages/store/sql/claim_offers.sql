-- Decides, under the lock of each assignment row, whether it may be sent now, and records `offered` in the same moment: a
-- withdrawal either came first or will find it (R1). What the other tables say is of the moment the statement began, so the
-- permission is as old as the call.
-- $1 gateway, $2 incarnation, $3 [{n, agent_id, session_epoch, reported, offered}]
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (n int, agent_id uuid, session_epoch bigint, reported bytea, offered bytea)
	-- Without a lease nothing is answered, and the caller knows it by that.
	where exists (select from gateway where id = $1 and incarnation = $2::bigint and expires_at > clock_timestamp())
),
held as materialized (
	select s.* from assignment s where s.agent_id in (select agent_id from wanted) order by s.agent_id for no key update
),
judged as materialized (
	select
		w.n,
		w.agent_id,
		w.session_epoch,
		h.seq,
		h.version_id,
		h.offered_hash,
		h.rollout_id,
		h.traceparent,
		h.answer,
		case
			when a.id is null then 'not-mine'
			when h.version_id is null then 'no-assignment'
			when h.offered_hash = w.reported then 'already-reported'
			-- What went out for an earlier row, of a rollout that is over, is no offer of this one: nobody would ever record it.
			when h.offered_hash = w.offered and h.answer <> 'none' then 'already-offered'
			when h.answer in ('failed', 'reverted') then 'answered'
			when q.agent_id is not null then 'quarantined'
			when h.cause in ('restore', 'withdrawal') or r.id is null or r.offers = 'open' then null
			when r.offers = 'answered' and (h.answer = 'applied' or h.cause = 'rollback') then null
			else 'closed'
		end as refused
	from wanted w
	left join agent a
		on a.id = w.agent_id
		and a.session_epoch = w.session_epoch
		and a.gateway = $1
	left join held h on h.agent_id = w.agent_id
	left join quarantine q on q.agent_id = h.agent_id and q.version_id = h.version_id
	left join rollout r on r.id = h.rollout_id
),
recorded as (
	update assignment s set
		answer = case when s.answer = 'none' then 'offered' else s.answer end,
		offered_at = clock_timestamp(),
		offered_epoch = j.session_epoch
	from judged j
	where s.agent_id = j.agent_id and s.seq = j.seq and j.refused is null
	returning s.agent_id
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from judged j
	join watched_target t on t.agent_id = j.agent_id
	where j.refused is null and j.answer = 'none'
)
select
	j.agent_id as "agentId",
	j.seq,
	j.version_id as "versionId",
	j.offered_hash as "offeredHash",
	j.rollout_id as "rolloutId",
	j.traceparent,
	-- A row that is not there any more cannot be offered.
	case when j.agent_id in (select agent_id from recorded) then null else coalesce(j.refused, 'no-assignment') end as refused
from judged j
order by j.n;
