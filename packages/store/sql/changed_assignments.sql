-- The healer of lost envelopes: what changed for agents with a session here since the cursor. Commits become visible later than
-- the moment they carry, so the next cursor lies five seconds back and some rows are returned twice.
-- $1 gateway, $2 incarnation, $3 cursor (ms of the database's clock) or null
with since as materialized (
	select
		coalesce(to_timestamp($3::float8 / 1000), clock_timestamp() - interval '30 seconds') as changed,
		floor(extract(epoch from clock_timestamp() - interval '5 seconds') * 1000)::bigint as cursor
)
select
	(select cursor from since) as cursor,
	(
		select coalesce(json_agg(json_build_object(
			'agentId', s.agent_id, 'seq', s.seq, 'versionId', s.version_id,
			'offeredHash', s.offered_hash::text, 'answer', s.answer
		)), '[]')
		from assignment s
		join agent a on a.id = s.agent_id and a.gateway = $1 and a.gateway_incarnation = $2::bigint
		where s.changed_at > (select changed from since)
	) as assignments;
