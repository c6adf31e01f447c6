-- Marks the agents of gateways that are gone. The guard is the incarnation: a gateway that came back, or an agent that found
-- another, is left alone. Rows that a flush or a connect holds at this moment are left for the next call.
-- $1 lease name, $2 holder, $3 epoch, $4 agents at most
with fence as materialized (
	select from leader_lease where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp() for share
),
gateways as materialized (
	select id, incarnation, expires_at <= clock_timestamp() as expired from gateway where exists (select from fence)
),
-- Two searches with a limit each, so that a live gateway's many agents are never looked at.
candidates as materialized (
	select a.*
	from gateways g cross join lateral (
		select id, gateway, gateway_incarnation from agent
		where gateway = g.id and gateway_incarnation < g.incarnation
		order by gateway_incarnation limit $4
	) a
	union all
	select a.*
	from gateways g cross join lateral (
		select id, gateway, gateway_incarnation from agent
		where gateway = g.id and gateway_incarnation = g.incarnation
		order by gateway_incarnation limit $4
	) a
	where g.expired
),
victims as materialized (
	select a.id, a.gateway
	from candidates c join agent a on a.id = c.id
	where a.gateway = c.gateway and a.gateway_incarnation = c.gateway_incarnation
	order by a.id
	limit $4
	for no key update of a skip locked
),
marked as (
	update agent a set
		gateway = null,
		gateway_incarnation = null,
		last_gateway = v.gateway,
		disconnected_at = clock_timestamp(),
		disconnect_reason = 'gateway-lost'
	from victims v
	where a.id = v.id
	returning a.id
),
-- Nothing could be concluded about these for two minutes; now they count as lost.
forgotten as materialized (
	select id from agent
	where disconnect_reason in ('gateway-lost', 'drained')
		and disconnected_at <= clock_timestamp() - interval '2 minutes'
		and exists (select from fence)
	order by id
	limit $4
	for no key update skip locked
),
concluded as (
	update agent a set disconnect_reason = 'lost' from forgotten f where a.id = f.id returning a.id
),
signals as (
	insert into target_signal (rollout_id, agent_id)
	select t.rollout_id, t.agent_id
	from (select id from marked union all select id from concluded) touched
	join watched_target t on t.agent_id = touched.id
),
lost as (
	update gateway g set lost_at = clock_timestamp()
	from gateways x
	where g.id = x.id and x.expired and g.incarnation = x.incarnation and g.lost_at is null
		and g.expires_at <= clock_timestamp()
	returning g.id
),
removed as (
	delete from gateway g
	where exists (select from fence)
		and g.lost_at < clock_timestamp() - interval '1 day'
		and not exists (select from agent a where a.gateway = g.id)
)
select
	array(select id from lost) as gateways,
	(select count(*) from marked) as agents;
