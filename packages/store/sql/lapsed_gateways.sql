-- Gateways whose row lapsed while agents were with them about which nothing could be concluded yet: they are dead, or cut off from us.
select distinct a.last_gateway as gateway
from agent a
where a.gateway is null
	and a.disconnect_reason = 'gateway-lost'
	and a.disconnected_at > clock_timestamp() - interval '2 minutes'
	and a.last_gateway in (select id from gateway where expires_at <= clock_timestamp())
order by 1;
