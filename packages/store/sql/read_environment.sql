-- What our own side can say about its ability to hear the agents. Only agents of dead gateways, and those that vanished in the last
-- minutes, are looked at; the fleet is counted only when somebody outside the rollout was lost.
-- $1 rollout, $2 how many agents it has pushed
with dead as materialized (
	select id, incarnation, expires_at <= now() as expired, expires_at from gateway
),
unheard as materialized (
	select a.id, a.gateway, 'lost' as why, now() as since
	from dead d cross join lateral (
		select id, gateway from agent
		where gateway = d.id and gateway_incarnation < d.incarnation
		order by gateway_incarnation limit 100000
	) a
	union all
	select a.id, a.gateway, 'lost', d.expires_at
	from dead d cross join lateral (
		select id, gateway from agent
		where gateway = d.id and gateway_incarnation = d.incarnation
		order by gateway_incarnation limit 100000
	) a
	where d.expired
	union all
	select a.id, a.last_gateway, case a.disconnect_reason when 'drained' then 'draining' else 'lost' end, a.disconnected_at
	from agent a
	where a.disconnect_reason in ('gateway-lost', 'drained') and a.disconnected_at > now() - interval '2 minutes'
),
mine as (
	select u.gateway, u.why, floor(extract(epoch from min(u.since)) * 1000)::float8 as "sinceMs", count(*)::int as agents
	from unheard u join rollout_target t on t.rollout_id = $1 and t.agent_id = u.id and t.seq is not null
	where u.gateway is not null
	group by u.gateway, u.why
),
lost as materialized (
	select count(*)::int as n
	from agent a
	where a.gateway is null and a.archived_at is null
		and a.disconnected_at > now() - interval '1 minute'
		and a.disconnect_reason in ('lost', 'gateway-lost')
		and not exists (
			select from rollout_target t where t.rollout_id = $1 and t.agent_id = a.id and t.seq is not null
		)
)
select
	(select coalesce(json_agg(m order by m.gateway, m.why), '[]') from mine m) as "unheardGateways",
	(select n from lost) as "controlLost",
	case when (select n from lost) = 0 then 0
		else greatest(0, (select count(*) from agent where gateway is not null) - $2::bigint) + (select n from lost)
	end::int as "controlConnected";
