-- Takes agents that have been away for long out of everybody's sight, those that were away longest first. Their rows stay as they
-- are: they come back with their next session. What the selectors found goes, since nobody keeps it up meanwhile. Targets of a
-- rollout that has not ended are left to it (R7), and so are those that the gate of their group's default still watches.
-- $1 lease name, $2 holder, $3 epoch, $4 agents at most, $5 ms since a goodbye, $6 ms since any other end of the session
with fence as materialized (
	select from leader_lease where name = $1 and holder = $2 and epoch = $3::bigint and expires_at > clock_timestamp() for share
),
-- now(), which is the same for the whole statement, lets the index end both searches.
due as materialized (
	select d.id
	from (values ('goodbye', $5::float8), ('lost', $6::float8)) as after (reason, ms)
	cross join lateral (
		select a.id from agent a
		where a.gateway is null and a.archived_at is null
			and a.disconnect_reason = after.reason
			and a.disconnected_at <= now() - after.ms * interval '1 millisecond'
			-- An aggregate, for an anti-join may look at each target of each rollout for each agent.
			and not coalesce((
				select bool_or(r.ended_at is null) from rollout_target t join rollout r on r.id = t.rollout_id where t.agent_id = a.id
			), false)
			and not exists (select from enrolment e where e.agent_id = a.id)
		order by a.disconnected_at
		limit $4::int
	) d
	where exists (select from fence)
),
-- One that has just come back, or that a flush holds, is left alone.
held as materialized (
	select a.id from agent a
	where a.id = any(array(select id from due)) and a.gateway is null and a.archived_at is null
	order by a.id
	limit $4::int
	for no key update skip locked
),
archived as (
	update agent set archived_at = clock_timestamp() where id = any(array(select id from held)) returning id
),
forgotten as (
	delete from agent_selection where agent_id = any(array(select id from archived))
),
audited as (
	insert into audit_event (actor, role, action, entity_type, entity_id, after)
	select 'ampora', 'engine', 'Agents.Archived', 'fleet', 'archive', jsonb_build_object(
		'agents', count(*), 'unseenMs', $6::float8, 'goodbyeMs', $5::float8, 'ids', (array_agg(id order by id))[1:100]
	)
	from archived having count(*) > 0
)
select count(*)::int as archived from archived;
