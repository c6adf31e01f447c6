-- Takes or keeps a lease. The epoch grows whenever the holder changes or the lease had run out (R2).
-- $1 name, $2 holder, $3 time to live in ms
insert into leader_lease as l (name, holder, epoch, expires_at)
values ($1, $2, 1, clock_timestamp() + $3::float8 * interval '1 millisecond')
on conflict (name) do update set
	holder = excluded.holder,
	epoch = case when l.holder = excluded.holder and l.expires_at > clock_timestamp() then l.epoch else l.epoch + 1 end,
	expires_at = clock_timestamp() + $3::float8 * interval '1 millisecond'
where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
returning epoch;
