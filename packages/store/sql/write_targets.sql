-- $1 rollout, $2 targets: the columns below
insert into rollout_target as t (
	rollout_id, agent_id, rank, step, state, reason, error, reports, sick_before, previous_version, seq, attempt, watch, back, wake_at,
	admitted_at, answered_at
)
select
	$1, x.agent_id, x.rank, x.step, x.state, x.reason, x.error, x.reports, x.sick_before, x.previous_version, x.seq, x.attempt,
	x.watch, x.back, x.wake_at,
	case when x.seq is not null then clock_timestamp() end,
	case when x.state in ('Applied', 'Failed', 'Reverted') then clock_timestamp() end
from json_to_recordset($2::json) as x (
	agent_id uuid, rank int, step int, state text, reason text, error text, reports jsonb, sick_before boolean,
	previous_version uuid, seq bigint, attempt int, watch jsonb, back jsonb, wake_at bigint
)
order by x.agent_id
on conflict (rollout_id, agent_id) do update set
	rank = excluded.rank, step = excluded.step, state = excluded.state, reason = excluded.reason, error = excluded.error,
	reports = excluded.reports, sick_before = excluded.sick_before, previous_version = excluded.previous_version,
	seq = excluded.seq, attempt = excluded.attempt, watch = excluded.watch, back = excluded.back, wake_at = excluded.wake_at,
	-- Those were about an earlier push.
	late_answer = case when excluded.seq is distinct from t.seq then null else t.late_answer end,
	late_error = case when excluded.seq is distinct from t.seq then null else t.late_error end,
	admitted_at = case when excluded.seq is distinct from t.seq then excluded.admitted_at else t.admitted_at end,
	answered_at = case
		when excluded.seq is distinct from t.seq then excluded.answered_at
		else coalesce(t.answered_at, excluded.answered_at)
	end;
