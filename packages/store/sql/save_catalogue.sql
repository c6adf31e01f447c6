-- Keeps the catalogue of an agent whose session and hash are still these, where none is known yet; selectors look again at every agent
-- that shares it.
-- $1 agent, $2 session epoch, $3 hash, $4 components, $5 catalogues kept at most
with saved as (
	insert into component_catalogue as c (distribution, version, hash, components, received_at)
	select coalesce(a.agent_type, ''), coalesce(a.agent_version, ''), a.components_hash, $4::jsonb, clock_timestamp()
	from agent a
	left join component_catalogue k
		on k.distribution = coalesce(a.agent_type, '')
		and k.version = coalesce(a.agent_version, '')
		and k.hash = a.components_hash
	where a.id = $1 and a.session_epoch = $2::bigint and a.components_hash = $3::text::bytea
		and (k.hash is not null or (select count(*) from component_catalogue) < $5::int)
	on conflict (distribution, version, hash) do update set
		components = excluded.components, received_at = excluded.received_at
	where c.components is null
	returning c.distribution, c.version, c.hash
)
insert into selector_work (agent_id, changed)
select a.id, array['components']
from saved s
join agent a on a.components_hash = s.hash
	and coalesce(a.agent_type, '') = s.distribution and coalesce(a.agent_version, '') = s.version
order by a.id;
