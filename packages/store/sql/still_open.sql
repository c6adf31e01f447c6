-- May what a decision hands out still go: no freeze is in force, the windows are those it was made under, and none has closed
-- meanwhile (R1).
-- $1 group, $2 names of its windows in order, $3 when they close, ms (null: not in sight)
select
	not exists (
		select from change_freeze
		where from_at <= clock_timestamp() and until_at > clock_timestamp() and (group_ids is null or $1::uuid = any(group_ids))
	)
	and array(
		select name from change_window where group_ids is null or $1::uuid = any(group_ids) order by name collate "C"
	) = $2::text[]
	and coalesce(clock_timestamp() < to_timestamp($3::float8 / 1000), true) as open;
