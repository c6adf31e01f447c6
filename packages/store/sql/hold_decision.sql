-- The fence of a decision: the lease is still ours, and stays so until this transaction ends, since a takeover has to wait for this
-- lock (R2); and the rollout is where the decision was made from.
-- $1 lease name, $2 holder, $3 epoch, $4 rollout
with fence as materialized (
	select from leader_lease where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp() for share
),
held as materialized (
	select seq from rollout where id = $4 and exists (select from fence) for no key update
)
select exists (select from fence) as leading, (select seq from held) as seq;
