-- After other attributes were set to identify agents: the next agents get their identity by those, in the order of ids.
-- $1 agents at most
with batch as materialized (
	select a.id, a.description, a.identity from agent a
	where a.id > coalesce(
		(select (value -> 'sweep' ->> 'after')::uuid from setting where name = 'fleet.identity'),
		'00000000-0000-0000-0000-000000000000'
	)
	order by a.id limit $1 for no key update
),
rekeyed as (
	update agent a set identity = i.identity
	from batch b cross join lateral (select agent_identity(b.description) as identity) i
	-- What one said as it connected is about to be written.
	where a.id = b.id and b.description is not null and i.identity is distinct from b.identity
)
update setting set value = jsonb_set(
	value, '{sweep}',
	case when (select count(*) from batch) < $1 then 'null'
		else jsonb_build_object('after', (select (array_agg(id order by id desc))[1] from batch))
	end
)
where name = 'fleet.identity';
