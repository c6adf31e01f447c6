-- These gateways answer over the backplane though they cannot reach us: their agents are still connected, as far as anybody knows, and
-- nothing is concluded about them for another two minutes.
-- $1 lease name, $2 holder, $3 epoch, $4 gateways
with fence as materialized (
	select from leader_lease where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp() for share
),
waiting as materialized (
	select id from agent
	where gateway is null and disconnect_reason = 'gateway-lost' and last_gateway = any($4::text[]) and exists (select from fence)
	order by id
	for no key update skip locked
),
kept as (
	update agent a set disconnected_at = clock_timestamp() from waiting w where a.id = w.id returning a.id
)
select count(*)::int as agents from kept;
