-- Of all agents that share a catalogue nobody knows yet, one is to be asked for it; again when its session ended, or when it did not answer.
-- $1 [{agent_id, session_epoch}], $2 catalogues kept at most
with wanted as materialized (
	select
		a.id as agent_id, a.session_epoch,
		coalesce(a.agent_type, '') as distribution, coalesce(a.agent_version, '') as version, a.components_hash as hash
	from json_to_recordset($1::json) as w (agent_id uuid, session_epoch bigint)
	join agent a on a.id = w.agent_id and a.session_epoch = w.session_epoch
	where a.components_hash is not null
),
stored as materialized (
	select w.agent_id, c.distribution is not null as present, c.components is not null as known
	from wanted w left join component_catalogue c using (distribution, version, hash)
),
-- Agents choose what they call theirs: when there is no more room, what no agent names any more goes, and the next round has it.
forgotten as (
	delete from component_catalogue c
	where (select count(*) from component_catalogue) >= $2::int and not exists (
		select from agent a
		where a.components_hash = c.hash
			and coalesce(a.agent_type, '') = c.distribution and coalesce(a.agent_version, '') = c.version
	)
),
asked as (
	insert into component_catalogue as c (distribution, version, hash, asked_agent, asked_epoch, asked_at, asks)
	select distinct on (distribution, version, hash)
		distribution, version, hash, agent_id, session_epoch, clock_timestamp(), 1
	from wanted join stored s using (agent_id)
	where not s.known and (s.present or (select count(*) from component_catalogue) < $2::int)
	order by distribution, version, hash, agent_id
	on conflict (distribution, version, hash) do update set
		asked_agent = excluded.asked_agent,
		asked_epoch = excluded.asked_epoch,
		asked_at = excluded.asked_at,
		asks = c.asks + 1
	where c.components is null and (
		c.asked_at < clock_timestamp() - power(2, least(c.asks, 6)) * interval '1 minute'
		or not exists (
			select from agent a where a.id = c.asked_agent and a.session_epoch = c.asked_epoch and a.gateway is not null
		)
	)
	returning asked_agent
)
select
	s.agent_id as "agentId",
	case when s.known then 'known' when s.agent_id in (select asked_agent from asked) then 'ask' else 'wait' end as claim
from stored s;
