-- A look that decided nothing: its signals are spent, and the members were seen.
-- $1 rollout, $2 ids of signals, $3 membership seq
with folded as (
	delete from target_signal where id = any($2::bigint[])
)
update rollout set membership_seq = $3::bigint where id = $1 and membership_seq <> $3::bigint;
