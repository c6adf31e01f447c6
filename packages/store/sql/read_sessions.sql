-- $1 agents
select
	a.id as "agentId",
	a.gateway,
	coalesce(g.incarnation = a.gateway_incarnation and g.expires_at > clock_timestamp(), false) as "gatewayLive",
	a.session_epoch as "sessionEpoch"
from agent a left join gateway g on g.id = a.gateway
where a.id = any($1::uuid[]);
