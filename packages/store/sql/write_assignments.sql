-- Writes assignments whose seq nobody moved since the decision was made; the caller compares how many were. What the row said before
-- is remembered with the target, for a withdrawal.
-- $1 rollout, $2 traceparent, $3 [{agent_id, version_id, attempt, cause, expected_seq}]
with wanted as materialized (
	select * from json_to_recordset($3::json) as w (agent_id uuid, version_id uuid, attempt int, cause text, expected_seq bigint)
),
before as materialized (
	select s.* from assignment s where s.agent_id in (select agent_id from wanted)
),
written as (
	insert into assignment as s (agent_id, version_id, offered_hash, attempt, seq, cause, rollout_id, traceparent)
	select
		w.agent_id, w.version_id, sha256(v.content_hash || int4send(w.attempt)), w.attempt, coalesce(w.expected_seq, 0) + 1, w.cause,
		$1::uuid, $2
	from wanted w
	join configuration_version v on v.id = w.version_id
	join agent a on a.id = w.agent_id
	left join before b on b.agent_id = w.agent_id
	where b.seq is not distinct from w.expected_seq
	order by w.agent_id
	on conflict (agent_id) do update set
		version_id = excluded.version_id,
		offered_hash = excluded.offered_hash,
		attempt = excluded.attempt,
		seq = excluded.seq,
		cause = excluded.cause,
		rollout_id = excluded.rollout_id,
		answer = 'none',
		answer_error = null,
		offered_at = null,
		offered_epoch = null,
		answered_at = null,
		effective = 'unknown',
		effective_detail = null,
		changed_at = clock_timestamp(),
		traceparent = excluded.traceparent
	where s.seq = excluded.seq - 1
	returning agent_id
),
remembered as (
	update rollout_target t set
		former_version = b.version_id,
		former_attempt = coalesce(b.attempt, 0),
		former_answer = coalesce(b.answer, 'none')
	from wanted w left join before b on b.agent_id = w.agent_id
	where t.rollout_id = $1::uuid and t.agent_id = w.agent_id and w.cause in ('rollout', 'retry')
)
select count(*)::int as written from written;
