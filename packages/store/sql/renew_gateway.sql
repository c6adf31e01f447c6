-- Keeps a gateway's lease, or begins a new incarnation when there is none, it lapsed, or the caller does not know its own.
-- $1 gateway, $2 incarnation or null, $3 time to live in ms
insert into gateway as g (id, incarnation, expires_at)
values (
	$1,
	floor(extract(epoch from clock_timestamp()) * 1000)::bigint,
	clock_timestamp() + $3::float8 * interval '1 millisecond'
)
on conflict (id) do update set
	incarnation = case
		-- Once its agents were marked, a clock that went back makes them no less gone.
		when g.incarnation = $2::bigint and g.expires_at > clock_timestamp() and g.lost_at is null then g.incarnation
		-- Larger than any before, also when the clock went back or the row was gone for a while.
		else greatest(g.incarnation + 1, excluded.incarnation)
	end,
	draining = g.draining and g.incarnation = $2::bigint and g.expires_at > clock_timestamp(),
	expires_at = excluded.expires_at,
	lost_at = null
returning incarnation;
